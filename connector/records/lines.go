package records

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/codec"
)

// blockBytes is how much is read at a time. A record that is larger gets a
// block of its own.
const blockBytes = 256 << 10

// Stream is one input to read.
type Stream struct {
	Name string // in errors: the file, "stdin" …
	Src  io.Reader
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
// records that are wrong are published with Message.Err set. When the
// Tracker's Context ends it returns early without an error.
func (c *Config) Publish(t *Tracker, s Stream, out connector.Publisher) error {
	var err error
	if c.Format == CSV {
		err = c.publishRows(t, s, out)
	} else {
		err = c.publishLines(t, s, out)
	}
	if t.ctx.Err() != nil {
		return nil // the tracker knows why
	}
	return err
}

// lineReader cuts a stream into batches of whole lines.
type lineReader struct {
	cfg      *Config
	stream   Stream
	envelope codec.Envelope
	pos      Position
	rest     []byte // the beginning of the line that the last block cut
	skipping bool   // inside a line over the limit; its beginning was published
}

func (c *Config) publishLines(t *Tracker, s Stream, out connector.Publisher) error {
	r := &lineReader{cfg: c, stream: s, envelope: c.envelope(), pos: s.Start}
	for t.ctx.Err() == nil {
		b := t.batch()
		end, err := r.fill(b)
		if perr := t.publish(out, b, r.pos); perr != nil {
			return perr
		}
		if err != nil {
			return err
		}
		if end {
			return nil
		}
	}
	return nil
}

// fill reads until b has at least one whole line or the stream has ended. An
// error is that of the stream; what was read before it is in b.
func (r *lineReader) fill(b *batch) (end bool, err error) {
	if cap(b.block) < blockBytes {
		b.block = make([]byte, blockBytes)
	}
	b.block = b.block[:cap(b.block)]
	n := copy(b.block, r.rest)
	r.rest = r.rest[:0]
	for {
		if n == len(b.block) {
			if n >= int(r.cfg.MaxRecordBytes)+blockBytes {
				r.oversize(b, n)
				return false, nil
			}
			bigger := make([]byte, 2*n)
			copy(bigger, b.block)
			b.block = bigger
		}
		m, err := r.stream.Src.Read(b.block[n:])
		from := n
		n += m
		if r.stream.Read != nil {
			r.stream.Read(r.pos.Offset + int64(n))
		}
		last := bytes.LastIndexByte(b.block[from:n], '\n')
		switch {
		case err != nil && err != io.EOF:
			if last >= 0 {
				r.lines(b, b.block[:from+last+1])
			}
			return false, fmt.Errorf("%s: read at byte %d: %w", r.stream.Name, r.pos.Offset, streamError(err))
		case err == io.EOF:
			r.lines(b, b.block[:n])
			return true, nil
		case last >= 0:
			last += from + 1
			r.rest = append(r.rest, b.block[last:n]...)
			r.lines(b, b.block[:last])
			return false, nil
		}
	}
}

func streamError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the compressed data ends too early; the file is cut off")
	}
	return err
}

// oversize publishes the beginning of a line over the limit and drops the rest
// of it while it is read.
func (r *lineReader) oversize(b *batch, n int) {
	if !r.skipping {
		r.add(b, b.block[:n:n])
		r.skipping = true
	}
	r.pos.Offset += int64(n)
}

// lines makes a message of each line in text.
func (r *lineReader) lines(b *batch, text []byte) {
	for len(text) > 0 {
		i := bytes.IndexByte(text, '\n')
		line, n := text, len(text)
		if i >= 0 {
			line, n = text[:i], i+1
		}
		r.pos.Offset += int64(n)
		text = text[n:]
		if r.skipping {
			r.skipping = false
			continue
		}
		r.add(b, line)
	}
}

func (r *lineReader) add(b *batch, line []byte) {
	r.pos.Line++
	if len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	if len(line) == 0 {
		return // a blank line is no record
	}
	b.slab = append(b.slab, connector.Message{Partition: connector.AnyPartition, Seq: r.pos.Line})
	m := &b.slab[len(b.slab)-1]
	limit := int(r.cfg.MaxRecordBytes)
	switch {
	case len(line) > limit:
		m.Value = line[:limit:limit]
		m.Err = connector.Errorf(connector.Invalid, "%s:%d: the line is longer than max_record_bytes (%d)", r.stream.Name, r.pos.Line, limit)
	case r.cfg.Format == Text:
		m.Value = line
	default:
		if err := r.envelope.Decode(line, m); err != nil {
			m.Err = connector.Errorf(connector.Invalid, "%s:%d: %w", r.stream.Name, r.pos.Line, err)
		}
	}
}
