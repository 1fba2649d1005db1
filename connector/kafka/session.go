package kafka

import (
	"encoding/binary"
)

// sessionReader finds the session's lifetime in the answers to
// SaslAuthenticate (KIP-368), which the library keeps to itself. Requests and
// answers of a login alternate, so it needs no correlation.
type sessionReader struct {
	version int16 // of the request that waits for its answer; -1 for another kind
	buf     []byte
}

const (
	keySASLAuthenticate = 36
	maxAuthAnswer       = 64 << 10
)

// expect looks at a request on its way out: size, key, version.
func (r *sessionReader) expect(frame []byte) {
	r.version, r.buf = -1, r.buf[:0]
	if len(frame) >= 8 && binary.BigEndian.Uint16(frame[4:]) == keySASLAuthenticate {
		r.version = int16(binary.BigEndian.Uint16(frame[6:]))
	}
}

// read looks at a piece of the answer. ok means that it is whole and names a
// lifetime.
func (r *sessionReader) read(piece []byte) (ms int64, ok bool) {
	if r.version < 1 || len(r.buf)+len(piece) > maxAuthAnswer {
		return 0, false
	}
	r.buf = append(r.buf, piece...)
	if len(r.buf) < 8 || len(r.buf) < 4+int(binary.BigEndian.Uint32(r.buf)) {
		return 0, false
	}
	flexible := r.version >= 2
	p := parcel(r.buf[8:]) // behind size and correlation id
	r.version = -1
	if flexible {
		p.skip(1) // no tagged fields in the header
	}
	code := p.number(2)
	p.bytes(flexible, 2) // error message
	p.bytes(flexible, 4) // the mechanism's answer
	ms = p.number(8)
	return ms, code == 0 && p != nil && ms >= 0
}

// parcel is what is left of an answer; nil once it was too short.
type parcel []byte

func (p *parcel) skip(n int) {
	if n < 0 || n > len(*p) {
		*p = nil
		return
	}
	*p = (*p)[n:]
}

func (p *parcel) number(width int) (v int64) {
	if len(*p) < width {
		*p = nil
		return -1
	}
	for _, b := range (*p)[:width] {
		v = v<<8 | int64(b)
	}
	*p = (*p)[width:]
	return v
}

// bytes skips a text or bytes field: a length of width bytes, all ones for
// null, or a compact one.
func (p *parcel) bytes(compact bool, width int) {
	if compact {
		n, used := binary.Uvarint(*p)
		if used <= 0 || n > uint64(len(*p)) {
			*p = nil
			return
		}
		p.skip(used)
		p.skip(max(0, int(n)-1))
		return
	}
	n := p.number(width)
	if null := int64(1)<<(8*width) - 1; n != null {
		p.skip(int(n))
	}
}
