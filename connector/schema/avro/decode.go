package avro

import (
	"encoding/binary"
	"math"
	"strconv"
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
