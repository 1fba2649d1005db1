package app

import (
	"log/slog"
	"strings"

	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/connector/exporter"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/gateway"
	"github.com/headrace/headrace/gateway/restproxy"
	"github.com/headrace/headrace/gateway/restproxy/kafkarest"
	"github.com/headrace/headrace/internal/egress"
	"github.com/headrace/headrace/pipelines"
)

// Options say where settings come from.
type Options struct {
	Paths       []string // files or folders; none is the current folder
	ProjectFile string   // "" looks for headrace.yaml at the paths
	Resolver    *config.Resolver
	Bootstrap   []string // brokers where no file names any: those of the embedded broker
	// KafkaRestFile is a kafka-rest.properties. Environ are the variables among
	// which those of kafka-rest are looked for.
	KafkaRestFile string
	Environ       []string
}

// Settings is everything that files and variables say, resolved.
type Settings struct {
	Project *pipelines.Project
	HTTP    HTTP
}

// HTTP are the settings of the HTTP server and of the doors behind it.
type HTTP struct {
	gateway.Config
	rest      restproxy.Settings
	delivery  kafka.ProducerSettings // of the project's clusters
	letters   exporter.DeadLetter
	peers     Peers
	kafkaRest *kafkarest.Config // nil when nothing of it is given
}

// httpSection are the keys of http that are no door's.
type httpSection struct {
	Server     gateway.Config         `mapstructure:",squash"`
	Producer   kafka.ProducerSettings `mapstructure:"producer" doc:"delivery of records that are posted, with the keys of a kafka exporter"`
	DeadLetter exporter.DeadLetter    `mapstructure:"dead_letter" doc:"where records go that Kafka refuses for good, beside the error that the client is answered; default none"`
	Peers      Peers                  `mapstructure:"peers" doc:"what replicas prove themselves with when they pass the calls of consumers on"`
	Callbacks  egress.Settings        `mapstructure:"callbacks" doc:"which addresses webhooks may reach; default all but those of this machine, its link and its cloud's metadata"`
}

// Load reads everything. The Settings are usable only without a problem.
func Load(o Options) (*Settings, config.Problems) {
	if o.Resolver == nil {
		o.Resolver = config.NewResolver()
	}
	p, problems := pipelines.Load(o.Paths, pipelines.Options{ProjectFile: o.ProjectFile, Resolver: o.Resolver, Bootstrap: o.Bootstrap})
	http, more := o.http(p)
	KeepNames(p, o.Resolver)
	return &Settings{Project: p, HTTP: http}, append(problems, more...).Sort()
}

// KeepNames keeps the names of pipelines readable, which may be those of files.
func KeepNames(p *pipelines.Project, r *config.Resolver) {
	for _, d := range p.Pipelines {
		r.Masker.Open(d.Name)
		r.Masker.Open(d.File)
	}
}

// LoadToRun is Load for those who run what is good: an input that is not there
// and, unless everything is to run once, a bad schedule are told in the log and
// stop nothing but their own pipeline.
func LoadToRun(o Options, once bool, log *slog.Logger) (*Settings, error) {
	s, problems := Load(o)
	problems, missing := s.Project.Runnable(problems)
	for _, problem := range missing {
		log.Warn("an input is not there; runs of its pipeline fail until it is", "error", problem.Error())
	}
	if !once {
		var aside config.Problems
		problems, aside = s.Project.SetAside(problems)
		for _, problem := range aside {
			log.Error("a pipeline with a bad schedule is left out", "error", problem.Error())
		}
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	for _, d := range s.Project.Pipelines {
		for _, w := range d.Warnings {
			log.Warn(w)
		}
	}
	if k := s.HTTP.kafkaRest; k != nil && k.Warning != "" {
		log.Warn("some keys of kafka-rest have no effect here", "keys", k.Warning)
	}
	return s, nil
}

// http decodes the http section of the project file, and what was said in the
// ways of kafka-rest.
func (o *Options) http(p *pipelines.Project) (HTTP, config.Problems) {
	cfg := HTTP{Config: gateway.DefaultConfig(), delivery: kafka.DefaultProducerSettings(), rest: restproxy.DefaultSettings()}
	if p == nil || p.HTTP.Kind() == config.Null {
		return o.withKafkaRest(cfg)
	}
	own := httpSection{Server: cfg.Config, Producer: kafka.DefaultProducerSettings()}
	problems := p.HTTP.Named("http").Decode(&own, "rest_proxy")
	cfg.Config, cfg.letters, cfg.peers = own.Server, own.DeadLetter, own.Peers
	cfg.delivery = own.Producer
	cfg.letters.Path = p.Path(cfg.letters.Path)
	if rest := p.HTTP.Get("rest_proxy"); rest.Kind() != config.Null {
		problems = append(problems, rest.Named("http.rest_proxy").Decode(&cfg.rest)...)
	}
	config.ResolvePaths(&cfg.Config, p.Dir)
	if len(problems) == 0 {
		for _, f := range cfg.CheckFiles() {
			section := p.HTTP.Get("tls")
			at := section.Get(strings.TrimPrefix(f.Path, "tls."))
			if at.Kind() == config.Null {
				at = section
			}
			problems = append(problems, at.Problem("http.%s: %s", f.Path, f.Message))
		}
	}
	cfg, more := o.withKafkaRest(cfg)
	return cfg, append(problems, more...)
}

// HTTPSchema is the JSON Schema of the http section.
func HTTPSchema() map[string]any {
	schema := config.Schema(httpSection{Server: gateway.DefaultConfig(), Producer: kafka.DefaultProducerSettings()}, "http")
	rest := config.Schema(restproxy.DefaultSettings(), "rest_proxy")
	delete(rest, "$schema")
	if properties, ok := schema["properties"].(map[string]any); ok {
		properties["rest_proxy"] = rest
	}
	return schema
}
