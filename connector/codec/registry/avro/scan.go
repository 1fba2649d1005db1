package avro

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/codec/registry/jsonpath"
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

// text reads a string and returns what is between the quotes, still escaped.
func (r *reader) text() (raw []byte, escaped bool, f *fault) {
	in := r.in
	start := r.pos + 1
	ascii := true
	for i := start; i < len(in); i++ {
		c := in[i]
		switch {
		case c == '"':
			r.pos = i + 1
			raw = in[start:i]
			if !ascii && !utf8.Valid(raw) {
				r.pos = start
				return nil, false, r.broken("a string that is not UTF-8")
			}
			return raw, escaped, nil
		case c == '\\':
			escaped = true
			if i++; i >= len(in) || !escape(in[i:]) {
				r.pos = i
				return nil, false, r.broken("an escape that JSON does not know")
			}
		case c < ' ':
			r.pos = i
			return nil, false, r.broken("a control character in a string")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	r.pos = len(in)
	return nil, false, r.broken("a string without an end")
}

// escape checks what follows a backslash.
func escape(b []byte) bool {
	switch b[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		_, ok := hex4(b)
		return ok
	default:
		return false
	}
}

// hex4 reads uXXXX.
func hex4(b []byte) (v rune, ok bool) {
	if len(b) < 5 || b[0] != 'u' {
		return 0, false
	}
	for _, c := range b[1:5] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		v = v<<4 | rune(c)
	}
	return v, true
}

// unescape appends the characters of an escaped string. It is false for half
// of a surrogate pair, which is no character.
func unescape(dst, raw []byte) ([]byte, bool) {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' {
			dst = append(dst, c)
			continue
		}
		i++
		switch c = raw[i]; c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			v, _ := hex4(raw[i:])
			i += 4
			if utf16.IsSurrogate(v) {
				if i+2 >= len(raw) || raw[i+1] != '\\' {
					return dst, false
				}
				low, ok := hex4(raw[i+2:])
				if v = utf16.DecodeRune(v, low); !ok || v == utf8.RuneError {
					return dst, false
				}
				i += 6
			}
			dst = utf8.AppendRune(dst, v)
			continue
		}
		dst = append(dst, c)
	}
	return dst, true
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

// name reads a member's name and its colon.
func (r *reader) name() (raw []byte, escaped bool, f *fault) {
	if r.next() != '"' {
		return nil, false, r.broken("a member's name must be here")
	}
	if raw, escaped, f = r.text(); f != nil {
		return nil, false, f
	}
	if r.next() != ':' {
		return nil, false, r.broken("a colon must follow the name")
	}
	r.pos++
	return raw, escaped, nil
}

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
