package avro

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"
)

// decoder writes JSON while it reads Avro binary.
type decoder struct {
	in  []byte
	out []byte
	max int // len(out) may not pass it
}

// Decode appends the Avro JSON encoding of binary data to dst. All of data
// must be one value. An error is of kind Invalid, names the path and comes
// with dst as it was.
func (s *Schema) Decode(dst, data []byte) ([]byte, error) {
	d := &decoder{in: data, out: dst, max: len(dst) + MaxOutput}
	f := d.value(s.root, 0)
	if f == nil && len(d.in) > 0 {
		f = wrong(strconv.Itoa(len(d.in)) + " bytes follow the Avro value; it was written with another schema")
	}
	if f != nil {
		return dst, f.invalid()
	}
	return d.out, nil
}

var (
	errShort   = "the Avro data ends early; it was written with another schema or cut"
	errVarint  = "a length or number has too many bytes; the data was written with another schema"
	errLength  = "a length is negative or beyond the end; the data was written with another schema"
	errTooLong = "the value has more than " + strconv.Itoa(MaxOutput>>20) + " MiB of JSON"
)

func (d *decoder) varint() (int64, *fault) {
	v, n := binary.Varint(d.in)
	if n <= 0 {
		if n == 0 {
			return 0, wrong(errShort)
		}
		return 0, wrong(errVarint)
	}
	d.in = d.in[n:]
	return v, nil
}

func (d *decoder) take(n int) ([]byte, *fault) {
	if n > len(d.in) {
		return nil, wrong(errShort)
	}
	b := d.in[:n]
	d.in = d.in[n:]
	return b, nil
}

// block reads a length and so many bytes.
func (d *decoder) block() ([]byte, *fault) {
	n, f := d.varint()
	if f != nil {
		return nil, f
	}
	if n < 0 || n > int64(len(d.in)) {
		return nil, wrong(errLength)
	}
	return d.take(int(n))
}

func (d *decoder) value(n *node, depth int) *fault {
	switch {
	case depth > MaxDepth:
		return tooDeep()
	case len(d.out) > d.max:
		return wrong(errTooLong)
	}
	switch n.kind {
	case kindNull:
		d.out = append(d.out, "null"...)
		return nil
	case kindBoolean, kindInt, kindLong, kindFloat, kindDouble:
		return d.scalar(n)
	case kindString:
		b, f := d.block()
		if f == nil {
			d.out = appendString(d.out, b)
		}
		return f
	case kindBytes:
		b, f := d.block()
		if f == nil {
			d.out = appendLatin(d.out, b)
		}
		return f
	case kindFixed:
		b, f := d.take(n.size)
		if f == nil {
			d.out = appendLatin(d.out, b)
		}
		return f
	case kindEnum:
		i, f := d.varint()
		if f != nil {
			return f
		}
		if i < 0 || i >= int64(len(n.symbols)) {
			return wrong("enum " + n.name + " has no symbol with this number; the data was written with another schema")
		}
		d.out = append(append(append(d.out, '"'), n.symbols[i]...), '"')
		return nil
	case kindRecord:
		return d.record(n, depth)
	case kindArray, kindMap:
		return d.list(n, depth)
	default:
		return d.union(n, depth)
	}
}

func (d *decoder) scalar(n *node) *fault {
	switch n.kind {
	case kindBoolean:
		b, f := d.take(1)
		if f == nil {
			d.out = strconv.AppendBool(d.out, b[0] == 1)
		}
		return f
	case kindFloat:
		b, f := d.take(4)
		if f == nil {
			d.out = appendFloat(d.out, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 32)
		}
		return f
	case kindDouble:
		b, f := d.take(8)
		if f == nil {
			d.out = appendFloat(d.out, math.Float64frombits(binary.LittleEndian.Uint64(b)), 64)
		}
		return f
	default:
		v, f := d.varint()
		if f != nil {
			return f
		}
		if n.kind == kindInt && int64(int32(v)) != v {
			return wrong(errVarint)
		}
		d.out = strconv.AppendInt(d.out, v, 10)
		return nil
	}
}

func (d *decoder) record(n *node, depth int) *fault {
	d.out = append(d.out, '{')
	for i := range n.fields {
		field := &n.fields[i]
		if i > 0 {
			d.out = append(d.out, ',')
		}
		d.out = append(d.out, field.head...)
		if f := d.value(field.node, depth+1); f != nil {
			return f.in(field.name)
		}
	}
	d.out = append(d.out, '}')
	return nil
}

// list reads the blocks of an array or a map.
func (d *decoder) list(n *node, depth int) *fault {
	opening, closing := byte('['), byte(']')
	if n.kind == kindMap {
		opening, closing = '{', '}'
	}
	d.out = append(d.out, opening)
	for i := 0; ; {
		count, f := d.varint()
		if f != nil {
			return f
		}
		if count < 0 { // with the block's size in bytes, which nobody needs here
			if count == math.MinInt64 {
				return wrong(errLength)
			}
			count = -count
			if _, f := d.varint(); f != nil {
				return f
			}
		}
		if count == 0 {
			d.out = append(d.out, closing)
			return nil
		}
		for ; count > 0; count-- {
			if i > 0 {
				d.out = append(d.out, ',')
			}
			if f := d.element(n, i, depth); f != nil {
				return f
			}
			i++
		}
	}
}

func (d *decoder) element(n *node, i, depth int) *fault {
	if n.kind == kindArray {
		if f := d.value(n.item, depth+1); f != nil {
			return f.at(i)
		}
		return nil
	}
	name, f := d.block()
	if f != nil {
		return f
	}
	d.out = append(appendString(d.out, name), ':')
	if f := d.value(n.item, depth+1); f != nil {
		return f.in(string(name))
	}
	return nil
}

func (d *decoder) union(n *node, depth int) *fault {
	i, f := d.varint()
	if f != nil {
		return f
	}
	if i < 0 || i >= int64(len(n.labels)) {
		return wrong("the union has no branch with this number; the data was written with another schema")
	}
	l := &n.labels[i]
	if l.node.kind == kindNull {
		d.out = append(d.out, "null"...)
		return nil
	}
	d.out = append(d.out, l.head...)
	if f := d.value(l.node, depth+1); f != nil {
		return f.in(l.name)
	}
	d.out = append(d.out, '}')
	return nil
}

const hexDigits = "0123456789abcdef"

// appendControl escapes one of the characters that JSON wants escaped.
func appendControl(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}

// appendString writes s as a JSON string. Bytes that are not UTF-8 become the
// replacement character, as in Java.
func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			tail := s[i:min(i+utf8.UTFMax, len(s))]
			if r, size = utf8.DecodeRuneInString(string(tail)); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			dst = append(append(dst, s[start:i]...), "\ufffd"...)
		} else {
			dst = appendControl(append(dst, s[start:i]...), c)
		}
		i += size
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// appendLatin writes bytes as the JSON string of the code points 0 to 255.
func appendLatin(dst, b []byte) []byte {
	dst = append(dst, '"')
	for _, c := range b {
		switch {
		case c >= utf8.RuneSelf:
			dst = utf8.AppendRune(dst, rune(c))
		case c < ' ' || c == '"' || c == '\\':
			dst = appendControl(dst, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// appendFloat writes a number as Java's Double.toString does, 1.0 and 1.0E10,
// and what is no number as a string.
func appendFloat(dst []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Infinity"`...)
	}
	start := len(dst)
	if a := math.Abs(v); a == 0 || a >= 1e-3 && a < 1e7 {
		dst = strconv.AppendFloat(dst, v, 'f', -1, bits)
		for _, c := range dst[start:] {
			if c == '.' {
				return dst
			}
		}
		return append(dst, '.', '0')
	}
	dst = strconv.AppendFloat(dst, v, 'e', -1, bits)
	for i := start; i < len(dst); i++ {
		if dst[i] == 'e' {
			return javaExponent(dst, start, i)
		}
	}
	return dst
}

// javaExponent rewrites 1e+07 as 1.0E7; the e is at i.
func javaExponent(dst []byte, start, i int) []byte {
	var tail [8]byte
	n := copy(tail[:], dst[i+1:])
	mantissa := dst[start:i]
	dst = dst[:i]
	if len(mantissa) <= 2 { // a digit, perhaps a sign: no point
		dst = append(dst, '.', '0')
	}
	dst = append(dst, 'E')
	exponent := tail[:n]
	if exponent[0] == '-' {
		dst = append(dst, '-')
	}
	exponent = exponent[1:]
	if len(exponent) > 1 && exponent[0] == '0' {
		exponent = exponent[1:]
	}
	return append(dst, exponent...)
}
