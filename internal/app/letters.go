package app

import (
	"log/slog"
	"path/filepath"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/exporter"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/pipelines"
)

// letters opens the dead letters of records that come over HTTP, nil unless
// the project asks for them: their clients are told that a record was refused
// and can act on that. What their topic refuses goes to a file in dir.
func letters(d exporter.DeadLetter, cluster *kafka.Cluster, name, dir string, log *slog.Logger) (connector.Sink, error) {
	if !d.Explicit() {
		return nil, nil
	}
	path := d.Path
	if path == "" {
		path = filepath.Join(dir, "dead_letters", httpLedger+"."+name+".ndjson")
	}
	return exporter.Letters(d,
		func(topic string) (connector.Sink, error) {
			return cluster.NewProducer(kafka.DefaultProducerSettings(), topic)
		},
		func() (connector.Sink, error) {
			return pipelines.DeadLetterFile(path, block.Env{Pipeline: httpLedger, Log: log})
		})
}
