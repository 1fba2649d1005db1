package formats

import (
	"bytes"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/slab"
)

// oversize handles a record over the limit whose end was not read yet. Where a
// line of it is whole (a row with a quote that is not closed), that line is the
// record; else it is published as far as it was kept, and the rest is dropped
// while it is read.
func (s *splitter) oversize() error {
	n, err := s.format.cut(s.buf, true)
	if n < len(s.buf) {
		s.cuts = append(s.cuts[:0], cut{n, err})
		return s.publish()
	}
	if !s.format.ready() {
		if bareReturn(s.buf) {
			return s.useless(s.pos.Line+1, errBareReturn)
		}
		return s.useless(s.pos.Line+1, s.tooLong())
	}
	b := s.slabs.Get(1)
	b.Block = append(b.Block[:0], s.buf[:min(len(s.buf), badBytes)]...)
	s.reject(b.Add(s.pos.Line+1), b.Block, s.tooLong())
	b.Mark(slab.Mark{})
	s.skipping, s.skipped = true, int64(len(s.buf))
	s.buf = nil
	s.newBlock(nil)
	return s.hand(b, s.pos) // a restart comes back to its beginning
}

// useless is the error of a stream that cannot be read on because of a record.
func (s *splitter) useless(line int64, err error) error {
	return connector.Errorf(connector.Invalid, "%s:%d: the header: %w", s.stream.Name, line, err)
}

func (s *splitter) tooLong() error {
	return connector.Errorf(connector.TooLarge, "longer than max_record_bytes (%d)", s.limit())
}

// skip drops the rest of a record over the limit; false until it has ended.
func (s *splitter) skip(final bool) (ended bool, err error) {
	i := bytes.IndexByte(s.buf, '\n')
	if i < 0 && !final {
		s.skipped += int64(len(s.buf))
		s.buf = nil
		return false, nil
	}
	n := i + 1
	if i < 0 {
		n = len(s.buf)
	}
	s.pos.Offset += s.skipped
	s.pos = s.pos.pass(s.buf[:n], 1)
	s.skipping, s.skipped = false, 0
	s.buf = s.buf[n:]
	if place := s.stream.Place; place != nil && len(s.buf) == 0 { // nothing follows that would carry the position
		err = s.out.Publish(s.ctx, connector.Batch{After: place(s.pos)})
	}
	return true, err
}
