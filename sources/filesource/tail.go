package filesource

import (
	"io"
	"os"

	"github.com/headrace/headrace/connector/formats"
)

// tail is a file that is followed.
type tail struct {
	name, part    string
	was           string // the part that its position is stored under, if another
	at            place  // while file is nil
	file          *file  // nil: closed
	size, changed int64  // when it was read last
	round         int64  // of the last scan that found it
	outside       bool   // it lies where the pattern does not look
}

func (t *tail) rename(name string) {
	t.name = name
	if t.file != nil {
		t.file.name, t.file.at.File = name, name
	}
}

// The states of a file that the pattern does not name.
type state int

const (
	there state = iota
	gone        // it was removed
	unknown
)

// outsider looks at a file that has no name that the pattern finds.
func (t *tail) outsider() (size, changed int64, is state) {
	if t.file != nil {
		info, err := t.file.in.file.Stat()
		if err != nil {
			return 0, 0, unknown
		}
		is = there
		if links(info) == 0 {
			is = gone
		}
		return info.Size(), info.ModTime().UnixNano(), is
	}
	if info, err := os.Stat(t.name); err == nil && partOf(t.name, info) == t.part {
		return info.Size(), info.ModTime().UnixNano(), there
	}
	at := t.at
	at.File = t.name
	name, sure := at.moved()
	if name == "" {
		if sure {
			return 0, 0, gone
		}
		return 0, 0, unknown
	}
	info, err := os.Stat(name)
	if err != nil {
		return 0, 0, unknown
	}
	t.name = name
	return info.Size(), info.ModTime().UnixNano(), there
}

// openToFollow opens a file to which more may be added.
func (s *source) openToFollow(name string, start place) (*file, error) {
	f := &file{source: s, name: name, keeps: true, follows: !s.cfg.packed(name)}
	if start.Header == nil && s.cfg.Format == formats.CSV && s.cfg.Header {
		start = place{}
	}
	return f, f.openAt(start)
}

// replaced says why the content before the place is not what was read; "" when
// it is.
func (f *file) replaced() string {
	if f.in.packed {
		return ""
	}
	info, err := f.in.file.Stat()
	if err != nil {
		return ""
	}
	at := f.reader.Position()
	if info.Size() < at.Offset+f.reader.Waiting() {
		return "it was cut to a smaller size"
	}
	tail := make([]byte, at.TailBytes)
	if _, err := f.in.file.ReadAt(tail, at.TailEnd-int64(at.TailBytes)); err != nil && err != io.EOF || formats.Checksum(tail) != at.Tail {
		return "the bytes before the place were changed"
	}
	return ""
}
