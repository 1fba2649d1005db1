package records

import (
	"bytes"

	"github.com/headrace/headrace/connector"
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
		return s.useless(s.pos.Line+1, s.tooLong())
	}
	b := s.tracker.batch(1)
	b.block = append(b.block[:0], s.buf[:min(len(s.buf), badBytes)]...)
	s.reject(b.add(s.pos.Line+1), b.block, s.tooLong())
	s.skipping, s.skipped = true, int64(len(s.buf))
	s.buf = nil
	s.newBlock(nil)
	return s.tracker.publish(s.out, b, s.pos) // a restart comes back to its beginning
}

// useless is the error of a stream that cannot be read on because of a record.
func (s *splitter) useless(line int64, err error) error {
	return connector.Errorf(connector.Invalid, "%s:%d: the header: %w", s.stream.Name, line, err)
}

func (s *splitter) tooLong() error {
	return connector.Errorf(connector.TooLarge, "longer than max_record_bytes (%d)", s.limit())
}

// skip drops the rest of a record over the limit; false until it has ended.
func (s *splitter) skip(final bool) bool {
	i := bytes.IndexByte(s.buf, '\n')
	if i < 0 && !final {
		s.skipped += int64(len(s.buf))
		s.buf = nil
		return false
	}
	n := i + 1
	if i < 0 {
		n = len(s.buf)
	}
	s.pos.Offset += s.skipped
	s.advance(s.buf[:n], 1)
	s.skipping, s.skipped = false, 0
	s.buf = s.buf[n:]
	if len(s.buf) == 0 { // nothing follows that would carry the position
		s.tracker.mark.Done(s.tracker.mark.Begin(s.pos))
	}
	return true
}
