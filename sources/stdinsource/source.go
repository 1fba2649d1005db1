// Package stdinsource reads records from standard input, once.
package stdinsource

import (
	"context"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/formats"
)

// Config are the keys of a stdin block.
type Config struct {
	formats.Config `mapstructure:",squash"`
}

// DefaultConfig returns the values of keys that are not written.
func DefaultConfig() Config {
	c := Config{Config: formats.DefaultConfig()}
	c.Format = formats.NDJSON
	return c
}

// New returns a Source over env.Stdin. It keeps no position: what was read and
// not delivered is gone when the process dies, so the giver must ask the exit
// code. A run that is stopped while the input is idle leaves a read behind,
// which takes what comes next: standard input is for one run of a process.
func New(cfg Config, env block.Env) connector.Source {
	return connector.SourceFunc(func(ctx context.Context, _ connector.Start, out connector.Output) error {
		var done int64
		stream := formats.Stream{Name: "stdin", Src: formats.Stoppable(ctx, env.Stdin), Warn: func(message string) { env.Log.Warn(message, "pipeline", env.Pipeline, "block", env.Block) }}
		if env.Progress != nil {
			stream.Read = func(n int64) {
				if n-done > 1<<20 {
					done = n
					env.Progress(block.Progress{Done: n})
				}
			}
		}
		return cfg.Publish(ctx, stream, out)
	})
}
