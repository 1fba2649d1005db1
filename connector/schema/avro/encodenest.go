package avro

import (
	"encoding/binary"
)

// member reads a name and returns it without escapes; it is valid until the
// next one is read.
func (e *encoder) member() ([]byte, *fault) {
	raw, escaped, f := e.name()
	if f != nil || !escaped {
		return raw, f
	}
	var ok bool
	if e.names, ok = unescape(e.names[:0], raw); !ok {
		return nil, wrong(errSurrogate)
	}
	return e.names, nil
}

// record writes the fields in the schema's order. As long as the object has
// them in that order nothing is read twice.
func (e *encoder) record(n *node, c byte, depth int) *fault {
	if c != '{' {
		return e.unexpected("record " + n.name)
	}
	e.pos++
	if e.next() == '}' {
		e.pos++
		return e.absent(n, 0)
	}
	for i := 0; ; i++ {
		before := e.pos
		name, f := e.member()
		if f != nil {
			return f
		}
		if i >= len(n.fields) || n.fields[i].name != string(name) {
			e.pos = before
			return e.reorder(n, i, depth)
		}
		field := &n.fields[i]
		if f := e.value(field.node, depth+1); f != nil {
			return f.in(field.name)
		}
		more, f := e.more('}')
		switch {
		case f != nil:
			return f
		case !more:
			return e.absent(n, i+1)
		}
	}
}

// absent ends a record that has no fields from number i on.
func (e *encoder) absent(n *node, i int) *fault {
	for ; i < len(n.fields); i++ {
		if !e.plain || !n.fields[i].hasFallback {
			return missing(n, i)
		}
		e.out = append(e.out, n.fields[i].fallback...)
	}
	return nil
}

func missing(n *node, i int) *fault {
	return wrong("field " + n.fields[i].name + " of record " + n.name + " is missing").in(n.fields[i].name)
}

// reorder writes the fields of a record from number first on, whose members
// come in another order: it notes where each begins, then goes there.
func (e *encoder) reorder(n *node, first, depth int) *fault {
	base := len(e.spans)
	for range n.fields {
		e.spans = append(e.spans, -1)
	}
	defer func() { e.spans = e.spans[:base] }()
	for {
		name, f := e.member()
		if f != nil {
			return f
		}
		i := n.field(name)
		switch {
		case i < 0:
			return wrong("record " + n.name + " has no such field").in(string(name))
		case i < first || e.spans[base+i] >= 0:
			return wrong("the field is there twice").in(n.fields[i].name)
		}
		e.next()
		e.spans[base+i] = e.pos
		start := e.pos
		if f := e.skip(depth + 1); f != nil {
			return f.in(n.fields[i].name)
		}
		if e.spare -= e.pos - start; e.spare < 0 {
			return wrong("too many nested records whose fields are not in the schema's order")
		}
		if more, f := e.more('}'); f != nil {
			return f
		} else if !more {
			break
		}
	}
	end := e.pos
	for i := first; i < len(n.fields); i++ {
		at := e.spans[base+i]
		if at < 0 && e.plain && n.fields[i].hasFallback {
			e.out = append(e.out, n.fields[i].fallback...)
			continue
		}
		if at < 0 {
			return missing(n, i)
		}
		e.pos = at
		if f := e.value(n.fields[i].node, depth+1); f != nil {
			return f.in(n.fields[i].name)
		}
	}
	e.pos = end
	return nil
}

func (e *encoder) array(n *node, c byte, depth int) *fault {
	if c != '[' {
		return e.unexpected("an array")
	}
	e.pos++
	if e.next() == ']' {
		e.pos++
		e.out = append(e.out, 0)
		return nil
	}
	start := len(e.out)
	for i := 0; ; i++ {
		if f := e.value(n.item, depth+1); f != nil {
			return f.at(i)
		}
		more, f := e.more(']')
		if f != nil {
			return f
		}
		if !more {
			e.block(start, i+1)
			return nil
		}
	}
}

// block makes one block of the count items written since start, as Java does,
// and ends the list.
func (e *encoder) block(start, count int) {
	e.prefix(start, int64(count))
	e.out = append(e.out, 0)
}

func (e *encoder) object(n *node, c byte, depth int) *fault {
	if c != '{' {
		return e.unexpected("a map")
	}
	e.pos++
	if e.next() == '}' {
		e.pos++
		e.out = append(e.out, 0)
		return nil
	}
	start := len(e.out)
	for i := 1; ; i++ {
		raw, escaped, f := e.name()
		if f != nil {
			return f
		}
		if f := e.chars(raw, escaped); f != nil {
			return f
		}
		if f := e.value(n.item, depth+1); f != nil {
			return f.in(string(raw))
		}
		more, f := e.more('}')
		if f != nil {
			return f
		}
		if !more {
			e.block(start, i)
			return nil
		}
	}
}

// union reads null or {"branch": value}.
func (e *encoder) union(n *node, c byte, depth int) *fault {
	switch c {
	case 'n':
		if f := e.literal("null"); f != nil {
			return f
		}
		return e.branch(n, []byte("null"))
	case '{':
	default:
		return e.unexpected(`a union's value: null or {"branch": value} with a branch of ` + n.branches())
	}
	e.pos++
	if e.next() == '}' {
		return wrong(`expected a union's value {"branch": value} with a branch of ` + n.branches() + ", got {}")
	}
	name, f := e.member()
	if f != nil {
		return f
	}
	i := n.labelled(name)
	if f := e.branch(n, name); f != nil {
		return f
	}
	l := &n.labels[i]
	if f := e.value(l.node, depth+1); f != nil {
		return f.in(l.name)
	}
	more, f := e.more('}')
	if f == nil && more {
		return wrong("a union's value has one branch, not several; its branches are " + n.branches())
	}
	return f
}

// branch writes the number of the branch called name.
func (e *encoder) branch(n *node, name []byte) *fault {
	i := n.labelled(name)
	if i < 0 {
		what := "the union has no such branch; its branches are " + n.branches()
		if string(name) == "null" {
			return wrong("null is not allowed here; the union's branches are " + n.branches())
		}
		return wrong(what).in(string(name))
	}
	e.out = binary.AppendVarint(e.out, int64(i))
	return nil
}
