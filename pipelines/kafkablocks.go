package pipelines

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/connector/plugin"
	"github.com/headrace/headrace/pipelines/exporter"
	"github.com/headrace/headrace/sinks/kafkasink"
	"github.com/headrace/headrace/sources/kafkasource"
)

// errNoCluster is what is wrong with a Kafka block that names no cluster in a
// project that has none.
var errNoCluster = connector.Fault{Path: "bootstrap_server",
	Message: "is missing, and the project has no clusters; name the brokers here as host:port, or under clusters in " + ProjectFile}

// cluster fills in the project's default cluster where a block names none.
func (p *Project) cluster(s *kafka.Settings) []connector.Fault {
	if len(s.Servers()) > 0 {
		return s.CheckFiles()
	}
	def, ok := p.defaultCluster()
	if !ok {
		return []connector.Fault{errNoCluster}
	}
	if !s.IsZero() {
		return []connector.Fault{{Path: "bootstrap_server",
			Message: "is missing, although the block has connection keys of its own; name the brokers too, or remove the other keys to use the project's cluster"}}
	}
	*s = def
	return nil
}

// kafkaExporter is the part of a Kafka data_exporter.
type kafkaExporter struct {
	cfg  sinkConfig[kafkasink.Config]
	dead deadLetters
}

func newKafkaExporter() part {
	return &kafkaExporter{cfg: sinkConfig[kafkasink.Config]{Sink: kafkasink.DefaultConfig(), Batching: exporter.DefaultBatching()}}
}

func (k *kafkaExporter) settings() any { return &k.cfg }

func (k *kafkaExporter) prepare(p *Project) []connector.Fault {
	faults := p.cluster(&k.cfg.Sink.Settings)
	var more []connector.Fault
	k.dead, more = k.cfg.prepareDeadLetters(p, &k.cfg.Sink.Settings)
	return append(faults, more...)
}

func (k *kafkaExporter) warnings() []string { return k.cfg.Sink.Settings.Warnings() }

func (k *kafkaExporter) openExporter(_ context.Context, env plugin.Env) (*exporter.Exporter, error) {
	out, err := kafkasink.New(env.Block, k.cfg.Sink, prometheus.NewRegistry(), env.Log)
	if err != nil {
		return nil, err
	}
	return newExporter(out, k.cfg.Batching, k.dead, env, k.cfg.Sink.Topic)
}

// kafkaLoader is the part of a Kafka data_loader.
type kafkaLoader struct{ cfg kafkasource.Config }

func newKafkaLoader() part { return &kafkaLoader{cfg: kafkasource.DefaultConfig()} }

func (k *kafkaLoader) settings() any { return &k.cfg }

func (k *kafkaLoader) prepare(p *Project) []connector.Fault { return p.cluster(&k.cfg.Settings) }

func (k *kafkaLoader) warnings() []string { return k.cfg.Settings.Warnings() }

func (k *kafkaLoader) openSource(env plugin.Env) (connector.Source, error) {
	cluster, err := kafka.NewCluster(env.Block, k.cfg.Settings, env.Log)
	if err != nil {
		return nil, err
	}
	source, err := kafkasource.New(cluster, k.cfg, env)
	if err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	return connector.SourceFunc(func(ctx context.Context, out connector.Publisher) error {
		return errors.Join(source.Run(ctx, out), cluster.Close())
	}), nil
}
