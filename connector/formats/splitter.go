package formats

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/slab"
)

// The sizes of what is read and published at a time.
const (
	blockBytes = 256 << 10 // read at a time; a larger record gets a larger block
	perBatch   = 4096      // records
	smallBatch = 32 << 10  // a batch of less is copied out of its block, which would be too much to hold for it
	badBytes   = 64 << 10  // kept of a record that is too large: a dead letter must fit
	tailBytes  = 256       // that a Position remembers
	madeBytes  = 2 << 20   // of a batch whose messages are larger than its records
)

// byteOrderMark may stand at the beginning of a text.
var byteOrderMark = []byte("\xef\xbb\xbf")

// format tells records apart and makes messages of them.
type format interface {
	// cut returns the length of the first record of data with its line end. It
	// is 0 when data, which is not empty, does not hold the whole of it; with
	// final there is nothing behind data, and it is not 0. An error says that
	// the record is none; its length is that of a line.
	cut(data []byte, final bool) (n int, err error)
	// decode makes a message of a whole record. keep is false when it is none:
	// a blank line, a header. The error, if any, is the record's.
	decode(record []byte, m *connector.Message, b *slab.Slab) (keep bool, err error)
	// lines is how many lines a record has.
	lines(record []byte) int64
	// copies reports that decode leaves nothing that points into the record.
	copies() bool
	// overhead is how much larger a message can be than its record.
	overhead() int
	// ready is false until what makes the first records readable was decoded.
	ready() bool
}

// splitter cuts one stream into batches.
type splitter struct {
	cfg    *Config
	ctx    context.Context // of the run
	stream Stream
	format format
	slabs  slab.Pool
	out    connector.Output

	base     []byte   // the block that buf is a part of
	buf      []byte   // read and not published
	pos      Position // of the end of the last record
	skipped  int64    // bytes read and dropped behind pos, of a record over the limit
	skipping bool
	scanned  int   // of buf is known to have no line end
	cuts     []cut // of the next batch
}

// cut is a record in buf.
type cut struct {
	end int
	err error
}

// run reads the stream to its end. A stream that goes on has no last record: what
// follows the last line end stays where it is.
func (s *splitter) run() error {
	if s.base == nil {
		s.first()
	}
	for s.ctx.Err() == nil {
		rerr := s.read()
		if s.pos.Offset == 0 && !s.skipping && len(s.buf) > 0 {
			if err := s.look(); err != nil {
				return err
			}
		}
		if err := s.drain(rerr == io.EOF && !s.stream.GoesOn); err != nil {
			return err
		}
		if rerr == io.EOF {
			return nil
		}
		if rerr != nil {
			return fmt.Errorf("%s:%d: read behind byte %d: %w", s.stream.Name, s.pos.Line+1,
				s.pos.Offset+s.skipped+int64(len(s.buf)), streamError(rerr))
		}
	}
	return nil
}

func streamError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the compressed data ends too early; the file is cut off")
	}
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return errors.New("the zstd content looks back further than 128 MiB; compress it with --long=27 or less")
	}
	return err
}

// read reads once, or until the block is full where that does not wait.
func (s *splitter) read() error {
	if len(s.buf) == cap(s.base) { // one record fills it, and is below the limit
		s.base = make([]byte, 0, 2*cap(s.base))
	}
	s.buf = append(s.base[:0], s.buf...)
	for {
		n, err := s.stream.Src.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if err != nil || !s.stream.Fill && n > 0 || len(s.buf) == cap(s.buf) {
			if s.stream.Read != nil {
				s.stream.Read(s.pos.Offset + s.skipped + int64(len(s.buf)))
			}
			return err
		}
	}
}

// first makes the first block: of a small stream a small one, for there may be
// many of them.
func (s *splitter) first() {
	if size := s.stream.Size; size > 0 && size < blockBytes && len(s.buf) == 0 {
		s.base = make([]byte, 0, size+1) // with room to see the end
		s.buf = s.base
		return
	}
	s.newBlock(nil)
}

// newBlock gives the splitter a block to itself, spare if that is large
// enough, and moves what is not published into it.
func (s *splitter) newBlock(spare []byte) {
	if need := max(blockBytes, len(s.buf)); cap(spare) < need {
		spare = make([]byte, 0, need)
	}
	s.base = spare[:0]
	s.buf = append(s.base, s.buf...)
}

// drain publishes the whole records in buf, and all of it when it is final.
func (s *splitter) drain(final bool) error {
	for len(s.buf) > 0 && s.ctx.Err() == nil {
		if s.skipping {
			if ended, err := s.skip(final); !ended || err != nil {
				return err
			}
			continue
		}
		if !final && len(s.buf) <= s.limit()+2 && bytes.IndexByte(s.buf[s.scanned:], '\n') < 0 {
			s.scanned = len(s.buf)
			return nil
		}
		s.scanned = 0
		whole := s.collect(final)
		var err error
		switch {
		case whole:
			err = s.publish()
		case len(s.buf) > s.limit()+2:
			err = s.oversize()
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// collect cuts the records of the next batch; false when not one is whole.
func (s *splitter) collect(final bool) bool {
	s.cuts = s.cuts[:0]
	at := s.mark()
	made := 0
	for at < len(s.buf) && len(s.cuts) < perBatch && made < madeBytes {
		n, err := s.format.cut(s.buf[at:], final)
		if n == 0 {
			break
		}
		at += n
		made += s.format.overhead()
		s.cuts = append(s.cuts, cut{at, err})
	}
	return len(s.cuts) > 0
}

// mark is the length of the byte order mark that buf begins with.
func (s *splitter) mark() int {
	if s.pos.Offset == 0 && bytes.HasPrefix(s.buf, byteOrderMark) {
		return len(byteOrderMark)
	}
	return 0
}

// limit is the size of the largest record, without its line end.
func (s *splitter) limit() int { return int(s.cfg.MaxRecordBytes) }

// publish makes a batch of s.cuts. The batch takes over the block that was
// read, unless it is small or its messages do not point into it.
func (s *splitter) publish() error {
	total := s.cuts[len(s.cuts)-1].end
	b := s.slabs.Get(len(s.cuts))
	text := s.buf[:total:total]
	s.buf = s.buf[total:]
	switch {
	case s.format.copies():
		b.Block = b.Block[:0]
	case total < smallBatch:
		if cap(b.Block) > 2*smallBatch {
			b.Block = nil
		}
		b.Block = append(b.Block[:0], text...)
		text = b.Block
	default:
		spare := b.Block
		b.Block = s.base
		s.newBlock(spare)
	}
	lines, err := s.decode(b, text)
	if err != nil {
		return err
	}
	from := s.pos
	s.pos = from.pass(text, lines)
	return s.hand(b, from)
}

// hand publishes a batch that begins at from and ends at s.pos.
func (s *splitter) hand(b *slab.Slab, from Position) error {
	batch := b.Batch()
	if place := s.stream.Place; place != nil {
		batch.After = place(s.pos)
		batch.Behind = func(i int) connector.Position {
			m := b.Behind(i)
			at := from // with its tail: the bytes behind it may be gone
			at.Offset, at.Line = from.Offset+int64(m[0]), from.Line+int64(m[1])
			return place(at)
		}
	}
	return s.out.Publish(s.ctx, batch)
}

// decode makes the messages of a batch and counts its lines.
func (s *splitter) decode(b *slab.Slab, text []byte) (lines int64, err error) {
	from := 0
	if s.pos.Offset == 0 && bytes.HasPrefix(text, byteOrderMark) {
		from = len(byteOrderMark)
	}
	for _, c := range s.cuts {
		record := text[from:c.end:c.end]
		from = c.end
		line := s.pos.Line + lines + 1
		lines += s.format.lines(record)
		m := b.Add(line)
		keep, err := true, c.err
		ready := s.format.ready()
		if err == nil && len(withoutLineEnd(record)) > s.limit() {
			err = s.tooLong()
		}
		if err == nil {
			keep, err = s.format.decode(record, m, b)
		}
		switch {
		case err != nil && !ready:
			return 0, s.useless(line, err)
		case err != nil:
			s.reject(m, keepBytes(b, record, s.format.copies()), err)
		case !keep:
			b.Drop()
			continue
		}
		b.Mark(slab.Mark{int32(c.end), int32(lines)})
	}
	return lines, nil
}

// keepBytes returns bytes of the batch that hold the record.
func keepBytes(b *slab.Slab, record []byte, copies bool) []byte {
	if !copies {
		return record
	}
	from := len(b.Block)
	b.Block = append(b.Block, record[:min(len(record), badBytes)]...)
	return b.Block[from:len(b.Block):len(b.Block)]
}

// reject makes m a record that could not be decoded.
func (s *splitter) reject(m *connector.Message, raw []byte, err error) {
	kind := connector.KindOf(err)
	if kind == connector.Unknown {
		kind = connector.Invalid
	}
	raw = withoutLineEnd(raw)
	*m = connector.Message{Partition: connector.AnyPartition, Seq: m.Seq, Value: raw[:min(len(raw), badBytes)],
		Err: connector.Errorf(kind, "%s:%d: %w", s.stream.Name, m.Seq, err)}
}

func withoutLineEnd(record []byte) []byte {
	record = bytes.TrimSuffix(record, []byte("\n"))
	return bytes.TrimSuffix(record, []byte("\r"))
}
