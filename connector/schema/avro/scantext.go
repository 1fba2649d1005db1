package avro

import (
	"unicode/utf16"
	"unicode/utf8"
)

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
