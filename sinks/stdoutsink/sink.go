// Package stdoutsink prints records, one a line, so that a pipeline can be
// tried without a broker.
package stdoutsink

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/formats/lines"
)

// Config are the keys of a stdout exporter.
type Config struct {
	Format string `mapstructure:"format" enum:"value,json" doc:"value: the value of each record on a line; json: data and metadata, as the stdin source reads them"`
}

// DefaultConfig returns the values of keys that are not written.
func DefaultConfig() Config { return Config{Format: "value"} }

// Validate reports values that cannot work.
func (c *Config) Validate() []connector.Fault {
	if c.Format != "value" && c.Format != "json" {
		return []connector.Fault{{Path: "format", Message: "must be value or json"}}
	}
	return nil
}

// Sink prints to the process's standard output. Write may be called
// concurrently; a batch is printed with one call.
type Sink struct {
	cfg Config
	out io.Writer

	mu         sync.Mutex
	batch      lines.Batch
	broken     error // the output is gone, or in the middle of a line
	leftBehind bool  // a write whose reader has stopped goes on
}

// New returns a Sink that prints to env.Stdout.
func New(cfg Config, env block.Env) (connector.Sink, error) {
	if env.Stdout == nil {
		return nil, errors.New("there is no standard output to print to")
	}
	return &Sink{cfg: cfg, out: env.Stdout}, nil
}

// Write prints the batch. A record that the format cannot hold is refused
// alone, as Invalid.
func (s *Sink) Write(ctx context.Context, batch []*connector.Message, done func([]connector.Result)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done(s.batch.Write(s.cfg.Format, batch, func(text []byte) error { return s.print(ctx, text) }))
	if s.leftBehind { // a write still reads the batch's memory
		s.batch, s.leftBehind = lines.Batch{}, false
	}
}

// print writes the text. A reader that has stopped to read must not hold up a
// stop, so the write is left behind when ctx ends.
func (s *Sink) print(ctx context.Context, text []byte) error {
	switch {
	case s.broken != nil:
		return s.broken
	case ctx.Err() != nil:
		return connector.Errorf(connector.Unavailable, "print: %w", ctx.Err())
	}
	written := make(chan error, 1)
	go func() {
		_, err := s.out.Write(text)
		written <- err
	}()
	select {
	case err := <-written:
		if err != nil {
			s.broken = connector.Errorf(connector.Unavailable, "print: %w", err)
		}
	case <-ctx.Done():
		s.leftBehind = true
		s.broken = connector.Errorf(connector.Unavailable, "print: nobody takes the output: %w", ctx.Err())
	}
	return s.broken
}

// Close refuses what comes later; the output stays open for others.
func (s *Sink) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = connector.Errorf(connector.Unavailable, "print: the sink is closed")
	}
	return nil
}
