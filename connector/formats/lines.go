package formats

import (
	"bytes"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/slab"
)

// jsonLines and textLines are the formats whose records are lines. A blank
// line is no record.
type (
	jsonLines struct{ envelope Envelope }
	textLines struct{}
)

func cutLine(data []byte, final bool) int {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1
	}
	if final {
		return len(data)
	}
	return 0
}

func (*jsonLines) cut(data []byte, final bool) (int, error) { return cutLine(data, final), nil }
func (*jsonLines) lines([]byte) int64                       { return 1 }
func (*jsonLines) copies() bool                             { return false }

func (*jsonLines) overhead() int { return 0 }
func (*jsonLines) ready() bool   { return true }

func (f *jsonLines) decode(record []byte, m *connector.Message, _ *slab.Slab) (bool, error) {
	if record = withoutLineEnd(record); len(record) == 0 || len(bytes.TrimSpace(record)) == 0 {
		return false, nil
	}
	return true, f.envelope.Decode(record, m)
}

func (textLines) cut(data []byte, final bool) (int, error) { return cutLine(data, final), nil }
func (textLines) lines([]byte) int64                       { return 1 }
func (textLines) copies() bool                             { return false }

func (textLines) overhead() int { return 0 }
func (textLines) ready() bool   { return true }

func (textLines) decode(record []byte, m *connector.Message, _ *slab.Slab) (bool, error) {
	m.Value = withoutLineEnd(record)
	return len(m.Value) > 0, nil
}
