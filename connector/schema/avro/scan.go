package avro

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/schema/jsonpath"
)

// fault is what is wrong with a value, with the path to it, which is built
// from the inside out. It never holds a value.
type fault struct {
	path []string // reversed
	what string
}

func (f *fault) Error() string {
	var b strings.Builder
	b.WriteByte('$')
	for i := len(f.path) - 1; i >= 0; i-- {
		b.WriteString(f.path[i])
	}
	b.WriteString(": ")
	b.WriteString(f.what)
	return b.String()
}

func wrong(what string) *fault { return &fault{what: what} }

// in adds a member's name to the path.
func (f *fault) in(name string) *fault {
	f.path = append(f.path, jsonpath.Member(name))
	return f
}

func (f *fault) at(i int) *fault {
	f.path = append(f.path, jsonpath.Item(i))
	return f
}

func (f *fault) invalid() error { return &connector.Error{Kind: connector.Invalid, Err: f} }

// reader walks over JSON (RFC 8259) and checks every byte that it passes.
type reader struct {
	in  []byte
	pos int
}

// next skips blanks and returns the byte there, 0 at the end.
func (r *reader) next() byte {
	for r.pos < len(r.in) {
		switch c := r.in[r.pos]; c {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return c
		}
	}
	return 0
}

func (r *reader) broken(what string) *fault {
	return wrong("not JSON at byte " + strconv.Itoa(r.pos+1) + ": " + what)
}

// unexpected says that a value of another kind is here.
func (r *reader) unexpected(want string) *fault {
	var got string
	switch c := r.next(); {
	case c == 0 && r.pos >= len(r.in):
		return r.broken("the text ends where a value should be")
	case c == '"':
		got = "a string"
	case c == '{':
		got = "an object"
	case c == '[':
		got = "an array"
	case c == 't' || c == 'f':
		got = "a boolean"
	case c == 'n':
		got = "null"
	case c == '-' || c >= '0' && c <= '9':
		got = "a number"
	default:
		return r.broken("no value begins like this")
	}
	return wrong("expected " + want + ", got " + got)
}

func (r *reader) literal(text string) *fault {
	if !bytes.HasPrefix(r.in[r.pos:], []byte(text)) {
		return r.broken("no value begins like this")
	}
	r.pos += len(text)
	return nil
}

// number reads a number; whole tells that it has neither fraction nor exponent.
func (r *reader) number() (text []byte, whole bool, f *fault) {
	in, start := r.in, r.pos
	i := start
	if in[i] == '-' {
		i++
	}
	switch {
	case i < len(in) && in[i] == '0':
		i++
	case i < len(in) && in[i] >= '1' && in[i] <= '9':
		i = digits(in, i)
	default:
		return nil, false, r.broken("a number without digits")
	}
	whole = true
	if i < len(in) && in[i] == '.' {
		whole = false
		end := digits(in, i+1)
		if end == i+1 {
			return nil, false, r.broken("a number without digits behind the point")
		}
		i = end
	}
	if i < len(in) && in[i]|0x20 == 'e' {
		whole = false
		i++
		if i < len(in) && (in[i] == '+' || in[i] == '-') {
			i++
		}
		end := digits(in, i)
		if end == i {
			return nil, false, r.broken("a number without digits in its exponent")
		}
		i = end
	}
	r.pos = i
	return in[start:i], whole, nil
}

func digits(in []byte, i int) int {
	for i < len(in) && in[i] >= '0' && in[i] <= '9' {
		i++
	}
	return i
}

// skip passes over a value of any kind.
func (r *reader) skip(depth int) *fault {
	switch c := r.next(); c {
	case '"':
		_, _, f := r.text()
		return f
	case 't':
		return r.literal("true")
	case 'f':
		return r.literal("false")
	case 'n':
		return r.literal("null")
	case '{', '[':
		if depth >= MaxDepth {
			return tooDeep()
		}
		r.pos++
		closing := c + 2 // both in ASCII
		if r.next() == closing {
			r.pos++
			return nil
		}
		for {
			if c == '{' {
				if _, _, f := r.name(); f != nil {
					return f
				}
			}
			if f := r.skip(depth + 1); f != nil {
				return f
			}
			if more, f := r.more(closing); f != nil || !more {
				return f
			}
		}
	default:
		if c == '-' || c >= '0' && c <= '9' {
			_, _, f := r.number()
			return f
		}
		return r.unexpected("a value")
	}
}

func tooDeep() *fault { return wrong("nested deeper than " + strconv.Itoa(MaxDepth) + " levels") }

// more reads the comma before the next element, or the closing bracket.
func (r *reader) more(closing byte) (bool, *fault) {
	switch r.next() {
	case ',':
		r.pos++
		return true, nil
	case closing:
		r.pos++
		return false, nil
	default:
		return false, r.broken("a comma or " + string(closing) + " must be here")
	}
}
