package records

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/codec"
)

// rowsPerBatch bounds the rows of a batch; blockBytes bounds their bytes.
const rowsPerBatch = 1000

// rowReader makes batches of JSON objects from CSV rows.
type rowReader struct {
	cfg    *Config
	stream Stream
	bound  *boundedReader
	csv    *csv.Reader
	row    *codec.Row
	pos    Position
	ends   []int // of the objects in the block
}

func (c *Config) publishRows(t *Tracker, s Stream, out connector.Publisher) error {
	r := &rowReader{cfg: c, stream: s, pos: s.Start, bound: &boundedReader{src: s.Src, limit: int64(c.MaxRecordBytes) + blockBytes}}
	r.csv = csv.NewReader(r.bound)
	r.csv.Comma = []rune(c.Delimiter)[0]
	r.csv.ReuseRecord = true
	r.csv.FieldsPerRecord = -1
	if end, err := r.header(); end || err != nil {
		return err
	}
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

// header finds the names of the columns: from the file's first row, from a
// stream that starts behind it, or from the configuration.
func (r *rowReader) header() (end bool, err error) {
	names := r.cfg.Columns
	switch {
	case r.cfg.Header && r.stream.Header != nil:
		names = r.stream.Header
	case r.cfg.Header:
		first, err := r.csv.Read()
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("%s:1: read the header: %w", r.stream.Name, streamError(err))
		}
		first[0] = string(bytes.TrimPrefix([]byte(first[0]), []byte("\xef\xbb\xbf"))) // a byte order mark
		names = append([]string(nil), first...)
		r.advance()
	}
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] {
			return false, connector.Errorf(connector.Invalid, "%s:1: column %q is there twice", r.stream.Name, n)
		}
		seen[n] = true
	}
	for n := range r.cfg.Types {
		if !seen[n] {
			return false, connector.Errorf(connector.Invalid, "%s: types names column %q, which is not there", r.stream.Name, n)
		}
	}
	if r.stream.Named != nil {
		r.stream.Named(names)
	}
	r.row = codec.NewRow(names, func(name string) codec.Type {
		if t, ok := r.cfg.Types[name]; ok {
			parsed, _ := codec.ParseType(t) // checked by Validate
			return parsed
		}
		parsed, _ := codec.ParseType(r.cfg.DefaultType)
		return parsed
	}, r.cfg.NullValues)
	return false, nil
}

func (r *rowReader) advance() {
	r.pos.Offset = r.stream.Start.Offset + r.csv.InputOffset()
	r.pos.Line++
}

// fill reads rows into one batch. An error is that of the stream.
func (r *rowReader) fill(b *batch) (end bool, err error) {
	b.block, r.ends = b.block[:0], r.ends[:0]
	for len(b.slab) < rowsPerBatch && len(b.block) < blockBytes {
		r.bound.reset()
		fields, err := r.csv.Read()
		if err == io.EOF {
			end = true
			break
		}
		var syntax *csv.ParseError
		if err != nil && !errors.As(err, &syntax) {
			r.point(b)
			return false, fmt.Errorf("%s: row %d, byte %d: %w", r.stream.Name, r.pos.Line+1, r.pos.Offset, streamError(err))
		}
		line := r.pos.Line + 1
		r.advance()
		r.add(b, fields, line, err)
	}
	if r.stream.Read != nil {
		r.stream.Read(r.pos.Offset)
	}
	r.point(b)
	return end, nil
}

func (r *rowReader) add(b *batch, fields []string, line int64, err error) {
	b.slab = append(b.slab, connector.Message{Partition: connector.AnyPartition, Seq: line})
	m := &b.slab[len(b.slab)-1]
	if err == nil {
		b.block, err = r.row.Append(b.block, fields)
	}
	if err != nil {
		var raw bytes.Buffer
		w := csv.NewWriter(&raw)
		w.Comma = r.csv.Comma
		_ = w.Write(fields) // into memory
		w.Flush()
		b.block = append(b.block, bytes.TrimSuffix(raw.Bytes(), []byte("\n"))...)
		m.Err = connector.Errorf(connector.Invalid, "%s:%d: %w", r.stream.Name, line, rowError(err))
	}
	r.ends = append(r.ends, len(b.block))
}

// rowError leaves out the position that encoding/csv counts from its own
// start.
func rowError(err error) error {
	var syntax *csv.ParseError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%w in the row", syntax.Err)
	}
	return err
}

// point sets the values, once the block does not move any more.
func (r *rowReader) point(b *batch) {
	start := 0
	for i := range b.slab {
		end := r.ends[i]
		b.slab[i].Value = b.block[start:end:end]
		start = end
	}
}

// boundedReader refuses to go on when one row takes more than limit bytes, so
// that a quote that is not closed does not read a file into memory.
type boundedReader struct {
	src   io.Reader
	limit int64
	taken int64
}

func (b *boundedReader) reset() { b.taken = 0 }

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.taken > b.limit {
		return 0, connector.Errorf(connector.Invalid, "a row is longer than max_record_bytes; is a quote not closed?")
	}
	n, err := b.src.Read(p)
	b.taken += int64(n)
	return n, err
}
