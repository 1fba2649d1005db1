// Package stdinsource reads records from standard input, once.
package stdinsource

import (
	"context"
	"errors"
	"io"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/plugin"
	"github.com/headrace/headrace/connector/records"
)

// Config are the keys of a stdin block.
type Config struct {
	records.Config `mapstructure:",squash"`
}

// DefaultConfig returns the values of keys that are not written.
func DefaultConfig() Config {
	c := Config{Config: records.DefaultConfig()}
	c.Format = records.NDJSON
	return c
}

// New returns a Source over env.Stdin. It keeps no position: what was read and
// not delivered is gone when the process dies, so the giver must ask the exit
// code.
func New(cfg Config, env plugin.Env) connector.Source {
	return connector.SourceFunc(func(ctx context.Context, out connector.Publisher) error {
		t := records.NewTracker(ctx)
		var done int64
		stream := records.Stream{Name: "stdin", Src: stoppable{t.Context(), env.Stdin}}
		if env.Progress != nil {
			stream.Read = func(n int64) {
				if n-done > 1<<20 {
					done = n
					env.Progress(plugin.Progress{Done: n})
				}
			}
		}
		err := cfg.Publish(t, stream, out)
		return errors.Join(err, t.Wait())
	})
}

// stoppable lets a read that blocks (a terminal, an idle pipe) be left when
// ctx ends. The read itself goes on until data or the end of the input comes.
type stoppable struct {
	ctx context.Context
	src io.Reader
}

type chunk struct {
	data []byte
	err  error
}

// Read reads through a goroutine, so that cancelling ctx returns at once.
func (s stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	got := make(chan chunk, 1)
	buf := make([]byte, len(p))
	go func() {
		n, err := s.src.Read(buf)
		got <- chunk{buf[:n], err}
	}()
	select {
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	case c := <-got:
		return copy(p, c.data), c.err
	}
}
