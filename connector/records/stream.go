package records

import (
	"context"
	"io"

	"github.com/headrace/headrace/connector"
)

// Stream is one input to read.
type Stream struct {
	Name string // in errors: the file, "stdin" …
	Src  io.Reader
	// Fill says that Src never waits for somebody to write, so that blocks are
	// read full. Without it what comes is published at once.
	Fill bool
	// Start is where Src begins: its Input goes into every Position; Offset
	// and Line are those of the first byte.
	Start Position
	// Header is the header row, for a CSV stream that starts behind it.
	Header []string
	// Named is told the columns of a CSV stream before its first row is
	// published; nil when nobody asks.
	Named func(columns []string)
	// Read is called with the bytes read so far, after each block; or nil.
	Read func(offset int64)
}

// Publish reads s to its end and publishes its records in order. It returns
// nil at the end of the stream, and what is wrong with the stream otherwise;
// what was read before is published then, except for the record that was cut
// off. Records that are wrong are published with Message.Err set, which names
// the stream and the line. When the Tracker's Context ends it returns early
// without an error.
func (c *Config) Publish(t *Tracker, s Stream, out connector.Publisher) error {
	f, err := c.formatOf(s)
	if err != nil {
		return connector.Errorf(connector.Invalid, "%s: %w", s.Name, err)
	}
	err = (&splitter{cfg: c, stream: s, format: f, tracker: t, out: out, pos: s.Start}).run()
	if t.ctx.Err() != nil {
		return nil // the tracker knows why
	}
	return err
}

func (c *Config) formatOf(s Stream) (format, error) {
	switch c.Format {
	case CSV:
		return newRows(c, s.Header, s.Named)
	case Text:
		return textLines{}, nil
	default:
		return &jsonLines{envelope: c.envelope()}, nil
	}
}

// Stoppable returns a reader whose Read returns with ctx's error when ctx ends
// while src waits (a terminal, an idle pipe). After that neither the reader nor
// the bytes that the Read was given may be used again: src may still write to
// them.
func Stoppable(ctx context.Context, src io.Reader) io.Reader {
	return &stoppable{ctx: ctx, src: src, got: make(chan result, 1)}
}

type stoppable struct {
	ctx context.Context
	src io.Reader
	got chan result
}

type result struct {
	n   int
	err error
}

func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	go func() {
		n, err := s.src.Read(p)
		s.got <- result{n, err}
	}()
	select {
	case r := <-s.got:
		return r.n, r.err
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	}
}
