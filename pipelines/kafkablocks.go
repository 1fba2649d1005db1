package pipelines

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/connector/plugin"
	"github.com/headrace/headrace/pipelines/exporter"
	"github.com/headrace/headrace/sinks/kafkasink"
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
