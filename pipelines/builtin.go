package pipelines

import (
	"context"
	"errors"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/exporter"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/connector/plugin"
	"github.com/headrace/headrace/pipelines/schemaregistry"
	"github.com/headrace/headrace/pipelines/transform"
	"github.com/headrace/headrace/sinks/filesink"
	"github.com/headrace/headrace/sinks/kafkasink"
	"github.com/headrace/headrace/sinks/stdoutsink"
	"github.com/headrace/headrace/sources/execsource"
	"github.com/headrace/headrace/sources/filesource"
	"github.com/headrace/headrace/sources/kafkasource"
	"github.com/headrace/headrace/sources/mocksource"
	"github.com/headrace/headrace/sources/stdinsource"
)

// builtin lists every connector by block type and connector_type. It is the
// only place that names them.
func builtin() map[BlockType]map[string]func() part {
	return map[BlockType]map[string]func() part{
		DataLoader: {
			"file":  source(filesource.DefaultConfig, filesource.New),
			"stdin": fleeting(stdinsource.DefaultConfig, stdinsource.New),
			"exec":  fleeting(execsource.DefaultConfig, execsource.New),
			"mock":  fleeting(mocksource.DefaultConfig, mocksource.New),
			"kafka": newKafkaLoader,
		},
		Transformer: {
			"expression": func() part { return &expression{} },
		},
		DataExporter: {
			"kafka":  newKafkaExporter,
			"file":   sink(filesink.DefaultConfig, filesink.New),
			"stdout": sink(stdoutsink.DefaultConfig, stdoutsink.New),
		},
	}
}

// sourcePart is the part of a data_loader that needs nothing of the project.
type sourcePart[C any] struct {
	cfg   C
	open  func(C, plugin.Env) connector.Source
	keeps bool
}

func source[C any](defaults func() C, open func(C, plugin.Env) connector.Source) func() part {
	return func() part { return &sourcePart[C]{cfg: defaults(), open: open, keeps: true} }
}

// fleeting is a source without positions: its runs need no state.
func fleeting[C any](defaults func() C, open func(C, plugin.Env) connector.Source) func() part {
	return func() part { return &sourcePart[C]{cfg: defaults(), open: open} }
}

func (s *sourcePart[C]) settings() any { return &s.cfg }

func (s *sourcePart[C]) keepsPositions() bool { return s.keeps }

func (s *sourcePart[C]) prepare(*Project) []connector.Fault { return nil }

// missing reports inputs that are not there.
func (s *sourcePart[C]) missing(p *Project) []connector.Fault {
	if c, ok := any(&s.cfg).(interface {
		CheckFiles(dir string) []connector.Fault
	}); ok {
		return c.CheckFiles(p.Dir)
	}
	return nil
}

// describe says in words where a part of the position is.
func (s *sourcePart[C]) describe(name string, at []byte) (string, error) {
	if c, ok := any(&s.cfg).(interface {
		Describe(part string, at []byte) (string, error)
	}); ok {
		return c.Describe(name, at)
	}
	return "", errNoWords
}

func (s *sourcePart[C]) warnings() []string { return nil }

func (s *sourcePart[C]) openSource(env plugin.Env) (connector.Source, error) {
	return s.open(s.cfg, env), nil
}

// expression is the part of the expression transformer.
type expression struct {
	cfg      transform.Config
	compiled *transform.Transform
}

func (e *expression) settings() any { return &e.cfg }

func (e *expression) prepare(*Project) (faults []connector.Fault) {
	e.compiled, faults = transform.New(e.cfg)
	return faults
}

func (e *expression) warnings() []string { return nil }

func (e *expression) transform(next connector.Publisher) connector.Publisher {
	return e.compiled.Publisher(next)
}

// sinkConfig are the keys of an exporter block whose sink has the keys C.
type sinkConfig[C any] struct {
	Sink              C `mapstructure:",squash"`
	exporter.Batching `mapstructure:",squash"`
	stage             `mapstructure:",squash"`
}

// Validate asks both halves.
func (c *sinkConfig[C]) Validate() []connector.Fault {
	faults := c.Batching.Validate()
	if v, ok := any(&c.Sink).(connector.Validator); ok {
		faults = append(faults, v.Validate()...)
	}
	return append(faults, c.stage.validate()...)
}

// sinkPart is the part of a data_exporter that needs nothing of the project.
type sinkPart[C any] struct {
	cfg  sinkConfig[C]
	open func(C, plugin.Env) (connector.Sink, error)
	dead deadLetters
}

func sink[C any](defaults func() C, open func(C, plugin.Env) (connector.Sink, error)) func() part {
	return func() part {
		return &sinkPart[C]{cfg: sinkConfig[C]{Sink: defaults(), Batching: exporter.DefaultBatching()}, open: open}
	}
}

func (s *sinkPart[C]) settings() any { return &s.cfg }

func (s *sinkPart[C]) prepare(p *Project) (faults []connector.Fault) {
	s.dead, faults = s.cfg.prepareDeadLetters(p, nil)
	return faults
}

func (s *sinkPart[C]) warnings() []string { return nil }

func (s *sinkPart[C]) openExporter(_ context.Context, env plugin.Env) (*exporter.Exporter, error) {
	out, err := s.open(s.cfg.Sink, env)
	if err != nil {
		return nil, err
	}
	return newExporter(out, s.cfg.Batching, s.dead, env, "")
}

// kafkaConfig are the keys of a Kafka exporter block: the sink's, and what
// records are written as.
type kafkaConfig struct {
	kafkasink.Config       `mapstructure:",squash"`
	schemaregistry.Formats `mapstructure:",squash"`
}

// Validate asks both.
func (c *kafkaConfig) Validate() []connector.Fault {
	return append(c.Config.Validate(), c.Faults()...)
}

// kafkaExporter is the part of a Kafka data_exporter.
type kafkaExporter struct {
	cfg  sinkConfig[kafkaConfig]
	dead deadLetters
}

func newKafkaExporter() part {
	return &kafkaExporter{cfg: sinkConfig[kafkaConfig]{Sink: kafkaConfig{Config: kafkasink.DefaultConfig()}, Batching: exporter.DefaultBatching()}}
}

func (k *kafkaExporter) settings() any { return &k.cfg }

func (k *kafkaExporter) prepare(p *Project) []connector.Fault {
	faults := append(p.cluster(&k.cfg.Sink.Settings), k.cfg.Sink.Prepare(p.Dir, p.Registry)...)
	var more []connector.Fault
	k.dead, more = k.cfg.prepareDeadLetters(p, &k.cfg.Sink.Settings)
	return append(faults, more...)
}

func (k *kafkaExporter) warnings() []string { return k.cfg.Sink.Settings.Warnings() }

func (k *kafkaExporter) openExporter(_ context.Context, env plugin.Env) (*exporter.Exporter, error) {
	out, err := kafkasink.New(env.Block, k.cfg.Sink.Config, env.Registerer(env.Block), env.Log)
	if err != nil {
		return nil, err
	}
	if k.cfg.Sink.Enabled() {
		reg, err := schemaregistry.Open("schema_registry of "+env.Block, *k.cfg.Sink.Registry, env.Registerer(env.Block), env.Log)
		if err != nil {
			return nil, errors.Join(err, out.Close(context.Background()))
		}
		out = schemaregistry.NewSink(out, reg, k.cfg.Sink.Formats, k.cfg.Sink.Topic, env.Log)
	}
	return newExporter(out, k.cfg.Batching, k.dead, env, k.cfg.Sink.Topic)
}

// kafkaLoader is the part of a Kafka data_loader.
type kafkaLoader struct{ cfg kafkasource.Config }

func newKafkaLoader() part { return &kafkaLoader{cfg: kafkasource.DefaultConfig()} }

func (k *kafkaLoader) settings() any { return &k.cfg }

// keepsPositions is false: the group keeps them in Kafka.
func (k *kafkaLoader) keepsPositions() bool { return false }

func (k *kafkaLoader) prepare(p *Project) []connector.Fault { return p.cluster(&k.cfg.Settings) }

func (k *kafkaLoader) warnings() []string { return k.cfg.Settings.Warnings() }

func (k *kafkaLoader) openSource(env plugin.Env) (connector.Source, error) {
	cluster, err := kafka.NewCluster(env.Block, k.cfg.Settings, env.Log)
	if err != nil {
		return nil, err
	}
	cluster.OpenWithin(kafka.RunOpenTimeout)
	source, err := kafkasource.New(cluster, k.cfg, env)
	if err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	return connector.SourceFunc(func(ctx context.Context, from connector.Start, out connector.Output) error {
		remove, err := plugin.Register(env.Registerer(env.Block), cluster.Collectors())
		if err != nil {
			return errors.Join(err, cluster.Close())
		}
		defer remove()
		return errors.Join(source.Run(ctx, from, out), cluster.Close())
	}), nil
}
