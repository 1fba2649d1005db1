package avro

import (
	"encoding/binary"

	"github.com/twmb/avro"
)

// EncodePlain is Encode for JSON as other programs write it: a union's value
// stands there without its branch, and a field that is not there takes its
// default, or null where its type allows that.
//
// Of a union's branches the first one is written that takes the value: so a
// number is an int where int comes before double and it fits.
func (s *Schema) EncodePlain(dst, value []byte) ([]byte, error) { return s.encode(dst, value, true) }

// fallbacks notes the binary of the fields' defaults. Only definitions are
// walked, each once; a name that refers to one has nothing of its own.
func (n *node) fallbacks(s *avro.SchemaNode, depth int) {
	if depth > MaxDepth {
		return
	}
	switch n.kind {
	case kindRecord:
		if len(s.Fields) != len(n.fields) {
			return // a reference
		}
		for i := range s.Fields {
			f, own := &s.Fields[i], &n.fields[i]
			if f.HasDefault {
				if t, err := f.Type.Schema(); err == nil {
					own.fallback, own.hasFallback = fallback(t, f.Default)
				}
			}
			if !own.hasFallback && own.node.kind == kindUnion {
				if null := own.node.labelled([]byte("null")); null >= 0 {
					own.fallback, own.hasFallback = binary.AppendVarint(nil, int64(null)), true
				}
			}
			own.node.fallbacks(&f.Type, depth+1)
		}
	case kindArray:
		if s.Items != nil {
			n.item.fallbacks(s.Items, depth+1)
		}
	case kindMap:
		if s.Values != nil {
			n.item.fallbacks(s.Values, depth+1)
		}
	case kindUnion:
		for i := range s.Branches {
			if i < len(n.labels) {
				n.labels[i].node.fallbacks(&s.Branches[i], depth+1)
			}
		}
	}
}

func fallback(t *avro.Schema, value any) ([]byte, bool) {
	encoded, err := t.Encode(value)
	return encoded, err == nil
}

// takes reports whether a branch may hold a value that begins with c.
func (n *node) takes(c byte) bool {
	switch n.kind {
	case kindBoolean:
		return c == 't' || c == 'f'
	case kindInt, kindLong:
		return isNumber(c)
	case kindFloat, kindDouble:
		return isNumber(c) || c == '"'
	case kindString, kindBytes, kindFixed, kindEnum:
		return c == '"'
	case kindArray:
		return c == '['
	case kindRecord, kindMap:
		return c == '{'
	default:
		return false
	}
}

// plainUnion writes the first branch that takes the value. What was read in
// vain counts, since unions nest.
func (e *encoder) plainUnion(n *node, c byte, depth int) *fault {
	if c == 'n' {
		if f := e.literal("null"); f != nil {
			return f
		}
		return e.branch(n, []byte("null"))
	}
	var first *fault
	start, size := e.pos, len(e.out)
	for i := range n.labels {
		branch := n.labels[i].node
		if !branch.takes(c) {
			continue
		}
		e.out = binary.AppendVarint(e.out, int64(i))
		f := e.value(branch, depth+1)
		if f == nil {
			return nil
		}
		if first == nil {
			first = f
		}
		if e.spare -= e.pos - start; e.spare < 0 {
			return wrong("too many nested unions whose first branches do not fit")
		}
		e.pos, e.out = start, e.out[:size]
	}
	if first != nil {
		return first
	}
	return e.unexpected("a value of " + n.branches())
}
