package avro

import (
	"encoding/binary"
	"strconv"
	"sync"
	"unicode/utf8"
)

// encoder writes Avro binary while it reads JSON.
type encoder struct {
	reader
	out   []byte
	spans []int // where the fields of records that are out of order begin
	names []byte
	spare int // bytes that may still be read twice
	plain bool
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// Encode appends the binary of a value in the Avro JSON encoding to dst. An
// error is of kind Invalid, names the JSON path and comes with dst as it was.
func (s *Schema) Encode(dst, value []byte) ([]byte, error) { return s.encode(dst, value, false) }

func (s *Schema) encode(dst, value []byte, plain bool) ([]byte, error) {
	e := encoders.Get().(*encoder)
	e.in, e.pos, e.out, e.plain = value, 0, dst, plain
	e.spare = 1<<20 + 16*len(value)
	f := e.value(s.root, 0)
	if f == nil {
		if e.next(); e.pos < len(e.in) {
			f = e.broken("something follows the value")
		}
	}
	out := e.out
	e.in, e.out = nil, nil
	e.spans, e.names = e.spans[:0], e.names[:0]
	if cap(e.spans) <= 1024 && cap(e.names) <= 1024 {
		encoders.Put(e)
	}
	if f != nil {
		return dst, f.invalid()
	}
	return out, nil
}

func (e *encoder) value(n *node, depth int) *fault {
	if depth > MaxDepth {
		return tooDeep()
	}
	c := e.next()
	switch n.kind {
	case kindNull:
		if c != 'n' {
			return e.unexpected("null")
		}
		return e.literal("null")
	case kindBoolean:
		return e.boolean(c)
	case kindInt:
		return e.integer(c, 32, "an int")
	case kindLong:
		return e.integer(c, 64, "a long")
	case kindFloat:
		return e.float(c, 32, "a float")
	case kindDouble:
		return e.float(c, 64, "a double")
	case kindString:
		return e.str(c)
	case kindBytes:
		return e.bytes(c)
	case kindFixed:
		return e.fixed(n, c)
	case kindEnum:
		return e.enum(n, c)
	case kindRecord:
		return e.record(n, c, depth)
	case kindArray:
		return e.array(n, c, depth)
	case kindMap:
		return e.object(n, c, depth)
	default:
		if e.plain {
			return e.plainUnion(n, c, depth)
		}
		return e.union(n, c, depth)
	}
}

func (e *encoder) boolean(c byte) *fault {
	switch c {
	case 't':
		e.out = append(e.out, 1)
		return e.literal("true")
	case 'f':
		e.out = append(e.out, 0)
		return e.literal("false")
	default:
		return e.unexpected("a boolean")
	}
}

var errSurrogate = "the string holds half of a surrogate pair"

func (e *encoder) str(c byte) *fault {
	if c != '"' {
		return e.unexpected("a string")
	}
	raw, escaped, f := e.text()
	if f != nil {
		return f
	}
	return e.chars(raw, escaped)
}

// chars writes a string with its length.
func (e *encoder) chars(raw []byte, escaped bool) *fault {
	if !escaped {
		e.out = binary.AppendVarint(e.out, int64(len(raw)))
		e.out = append(e.out, raw...)
		return nil
	}
	start := len(e.out)
	var ok bool
	if e.out, ok = unescape(e.out, raw); !ok {
		return wrong(errSurrogate)
	}
	e.prefix(start, int64(len(e.out)-start))
	return nil
}

// prefix puts the varint v before what was written since start.
func (e *encoder) prefix(start int, v int64) {
	var head [binary.MaxVarintLen64]byte
	n := binary.PutVarint(head[:], v)
	e.out = append(e.out, head[:n]...)
	copy(e.out[start+n:], e.out[start:len(e.out)-n])
	copy(e.out[start:], head[:n])
}

// latin writes the code points 0 to 255 of a string as bytes.
func (e *encoder) latin(want string) *fault {
	raw, escaped, f := e.text()
	if f != nil {
		return f
	}
	if escaped {
		var ok bool
		if e.names, ok = unescape(e.names[:0], raw); !ok {
			return wrong(errSurrogate)
		}
		raw = e.names
	}
	for i := 0; i < len(raw); {
		if raw[i] < utf8.RuneSelf {
			e.out = append(e.out, raw[i])
			i++
			continue
		}
		r, n := utf8.DecodeRune(raw[i:])
		if r > 0xff {
			return wrong("expected " + want + ": a string of the code points 0 to 255, got one above")
		}
		e.out = append(e.out, byte(r))
		i += n
	}
	return nil
}

func (e *encoder) bytes(c byte) *fault {
	if c != '"' {
		return e.unexpected("bytes")
	}
	start := len(e.out)
	if f := e.latin("bytes"); f != nil {
		return f
	}
	e.prefix(start, int64(len(e.out)-start))
	return nil
}

func (e *encoder) fixed(n *node, c byte) *fault {
	if c != '"' {
		return e.unexpected("fixed " + n.name)
	}
	start := len(e.out)
	if f := e.latin("fixed " + n.name); f != nil {
		return f
	}
	if got := len(e.out) - start; got != n.size {
		return wrong("expected fixed " + n.name + " of " + strconv.Itoa(n.size) + " bytes, got " + strconv.Itoa(got))
	}
	return nil
}

func (e *encoder) enum(n *node, c byte) *fault {
	if c != '"' {
		return e.unexpected("enum " + n.name)
	}
	raw, escaped, f := e.text()
	if f != nil {
		return f
	}
	if escaped {
		e.names, _ = unescape(e.names[:0], raw) // half a pair is no symbol
		raw = e.names
	}
	i := n.symbol(raw)
	if i < 0 {
		return wrong("the string is no symbol of enum " + n.name)
	}
	e.out = binary.AppendVarint(e.out, int64(i))
	return nil
}
