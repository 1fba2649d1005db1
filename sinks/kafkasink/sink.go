// Package kafkasink writes to Kafka. The delivery is connector/kafka/producer's;
// here are the keys of an exporter block: Mage's, and Headrace's additions.
package kafkasink

import (
	"context"
	"errors"
	"log/slog"
	"regexp"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/connector/schema"
)

// Config are the keys of a Kafka exporter block that concern the sink.
type Config struct {
	kafka.Settings         `mapstructure:",squash"`
	kafka.ProducerSettings `mapstructure:",squash"`
	schema.Formats         `mapstructure:",squash"`
	Topic                  string `mapstructure:"topic" required:"true" doc:"topic of records that name none themselves"`
}

// DefaultConfig returns the values of keys that are not written.
func DefaultConfig() Config {
	return Config{Settings: kafka.DefaultSettings(), ProducerSettings: kafka.DefaultProducerSettings()}
}

// topicForm is Kafka's own rule for names of topics.
var topicForm = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// Validate reports values that cannot work. No connection key at all means the
// project's default cluster.
func (c *Config) Validate() []connector.Fault {
	var faults []connector.Fault
	if !c.Settings.IsZero() {
		faults = c.Settings.Validate()
	}
	faults = append(faults, c.ProducerSettings.Validate()...)
	if c.Topic != "" && (!topicForm.MatchString(c.Topic) || c.Topic == "." || c.Topic == "..") {
		faults = append(faults, connector.Fault{Path: "topic", Message: "a topic's name is 1 to 249 letters, digits, dots, dashes and underscores"})
	}
	return append(faults, c.Formats.Faults()...)
}

// Prepare implements block.Preparer.
func (c *Config) Prepare(p *block.Project) []connector.Fault {
	return append(c.Settings.PrepareIn(p), c.Formats.PrepareIn(p)...)
}

// Target implements block.Targeter.
func (c *Config) Target() string { return c.Topic }

// Uses implements block.User.
func (c *Config) Uses() []block.Use {
	uses := []block.Use{{Settings: c.Settings, Topics: []block.Topic{{Name: c.Topic, Write: true}}}}
	if c.Enabled() && c.Registry != nil {
		uses = append(uses, block.Use{Settings: c.Registry.Settings})
	}
	return uses
}

// OpenTopic implements block.TopicOpener: on the same cluster, with the
// producer's defaults.
func (c *Config) OpenTopic(topic string, env block.Env) (connector.Sink, error) {
	letters := DefaultConfig()
	letters.Settings, letters.Topic = c.Settings, topic
	name := env.Block + " dead letters"
	return New(name, letters, env.Registerer(name), env.Log)
}

// Open returns the sink of a block, with its Schema Registry where records are
// written in a format with a schema.
func Open(cfg Config, env block.Env) (connector.Sink, error) {
	reg := env.Registerer(env.Block)
	out, err := New(env.Block, cfg, reg, env.Log)
	if err != nil || !cfg.Enabled() {
		return out, err
	}
	registry, err := schema.Open("schema_registry of "+env.Block, *cfg.Registry, reg, env.Log)
	if err != nil {
		return nil, errors.Join(err, out.Close(context.Background()))
	}
	return schema.NewEncodingSink(out, registry, cfg.Formats, cfg.Topic, env.Log), nil
}

// New returns a sink with a connection of its own, which is made at the first
// Write and closed with the sink. name is that of the block, for the log. The
// metrics of the producer and of its tokens are in reg, which may be nil, until
// the sink is closed.
func New(name string, cfg Config, reg prometheus.Registerer, log *slog.Logger) (connector.Sink, error) {
	cluster, err := kafka.NewCluster(name, cfg.Settings, log)
	if err != nil {
		return nil, err
	}
	cluster.OpenWithin(kafka.RunOpenTimeout)
	producer, err := cluster.NewProducer(cfg.ProducerSettings, cfg.Topic)
	if err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	remove, err := block.Register(reg, cluster.Collectors())
	if err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	return &sink{Sink: producer, cluster: cluster, unregister: remove}, nil
}

// sink closes its cluster with itself.
type sink struct {
	connector.Sink
	cluster    *kafka.Cluster
	unregister func()
}

// InFlight implements exporter.Spreader.
func (s *sink) InFlight() int {
	if p, ok := s.Sink.(interface{ InFlight() int }); ok {
		return p.InFlight()
	}
	return 0
}

// Close implements connector.Sink.
func (s *sink) Close(ctx context.Context) error {
	err := errors.Join(s.Sink.Close(ctx), s.cluster.Close())
	s.unregister()
	return err
}
