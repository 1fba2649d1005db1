package formats

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
	// Size is how many bytes Src has, about; 0: not known.
	Size int64
	// GoesOn says that more may be added behind the end of Src: a record without
	// a line end is not whole yet.
	GoesOn bool
	// Start is where Src begins: Offset and Line are those of the first byte.
	Start Position
	// Place makes what is published of a position; nil: the stream has none.
	Place func(Position) connector.Position
	// Header is the header row, for a CSV stream that starts behind it.
	Header []string
	// Named is told the columns of a CSV stream before its first row is
	// published; nil when nobody asks.
	Named func(columns []string)
	// Warn is told what is most likely a mistake; nil when nobody asks.
	Warn func(message string)
	// Read is called with the bytes read so far, after each block; or nil.
	Read func(offset int64)
}

// Publish reads s to its end and publishes its records in order. It returns
// nil at the end of the stream, and what is wrong with the stream otherwise;
// what was read before is published then, except for the record that was cut
// off. Records that are wrong are published with Message.Err set, which names
// the stream and the line. When ctx ends it returns early without an error.
//
// What is compressed is read as what it holds, and in c's encoding.
func (c *Config) Publish(ctx context.Context, s Stream, out connector.Output) error {
	o := &opening{cfg: c, src: s.Src}
	defer o.close()
	s.Src = o
	r, err := c.Reader(s)
	if err != nil {
		return err
	}
	return r.Read(ctx, out)
}

// Reader reads one stream, which may grow.
type Reader struct{ s *splitter }

// Reader returns a Reader of s.
func (c *Config) Reader(s Stream) (*Reader, error) {
	f, err := c.formatOf(s)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "%s: %w", s.Name, err)
	}
	return &Reader{&splitter{cfg: c, stream: s, format: f, pos: s.Start}}, nil
}

// Read publishes what there is up to the end of the stream, as Publish does.
// Called again, it goes on with what was added behind that.
func (r *Reader) Read(ctx context.Context, out connector.Output) error {
	r.s.ctx, r.s.out = ctx, out
	err := r.s.run()
	if ctx.Err() != nil {
		return nil // whoever ended it knows why
	}
	return err
}

// Position is the place behind the last whole record that was published.
func (r *Reader) Position() Position { return r.s.pos }

// Waiting is the number of bytes behind Position that were read: the beginning
// of a record whose end has not come.
func (r *Reader) Waiting() int64 { return r.s.skipped + int64(len(r.s.buf)) }

// Finish publishes what Waiting counts as a last record without a line end. The
// Reader is at its end then.
func (r *Reader) Finish(ctx context.Context, out connector.Output) error {
	r.s.ctx, r.s.out = ctx, out
	r.s.scanned = 0
	return r.s.drain(true)
}

// Rest frees the block of a Reader that waits for nothing; the next Read takes
// a new one.
func (r *Reader) Rest() {
	if len(r.s.buf) == 0 {
		r.s.base, r.s.buf = nil, nil
	}
}

func (c *Config) formatOf(s Stream) (format, error) {
	switch c.Format {
	case CSV:
		return newRows(c, s)
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
