package jsonscan

import (
	"bytes"
	"unicode/utf8"
)

// Members calls f for the members of an object, names in quotes, and reports
// whether b is one, without blanks around it, that Valid takes. Where it is not,
// f may have been called for what stands before the fault.
func Members(b []byte, f func(name, value []byte)) bool {
	if len(b) == 0 || b[0] != '{' {
		return false
	}
	i := blanks(b, 1)
	if i < len(b) && b[i] == '}' {
		return i+1 == len(b)
	}
	for i < len(b) && b[i] == '"' {
		end := closing(b, i+1)
		if end < 0 {
			return false
		}
		name := b[i:end]
		if i = blanks(b, end); i >= len(b) || b[i] != ':' {
			return false
		}
		i = blanks(b, i+1)
		if end = valueEnd(b, i, 1); end < 0 {
			return false
		}
		f(name, b[i:end])
		if i = blanks(b, end); i >= len(b) || b[i] != ',' {
			return i+1 == len(b) && b[i] == '}'
		}
		i = blanks(b, i+1)
	}
	return false
}

// Items calls f for the items of a list that Valid takes, without blanks around
// it.
func Items(b []byte, f func(value []byte)) {
	i := blanks(b, 1)
	for i < len(b) && b[i] != ']' {
		end := valueEnd(b, i, 0)
		f(b[i:end])
		if i = blanks(b, end); i >= len(b) || b[i] != ',' {
			return
		}
		i = blanks(b, i+1)
	}
}

// NameIs compares a name in its quotes with text.
func NameIs(name []byte, text string) bool {
	inner := name[1 : len(name)-1]
	if string(inner) == text {
		return true
	}
	return bytes.IndexByte(inner, '\\') >= 0 && string(AppendText(nil, name)) == text
}

// AppendText appends what a checked JSON string means. Half of a surrogate pair
// without its other half, which UTF-8 has no bytes for, becomes the three bytes
// that UTF-8 would have: utf8.Valid tells, and AppendString writes it back.
func AppendText(dst, quoted []byte) []byte {
	b := quoted[1 : len(quoted)-1]
	for {
		i := bytes.IndexByte(b, '\\')
		if i < 0 {
			return append(dst, b...)
		}
		dst = append(dst, b[:i]...)
		c := b[i+1]
		b = b[i+2:]
		switch c {
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
			r := hex4(b)
			b = b[4:]
			if r >= highSurrogate && r < lowSurrogate && len(b) >= 6 && b[0] == '\\' && b[1] == 'u' {
				if low := hex4(b[2:]); low >= lowSurrogate && low <= lastSurrogate {
					r = (r-highSurrogate)<<10 | (low - lowSurrogate) + 0x10000
					b = b[6:]
				}
			}
			dst = appendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
}

// The halves of surrogate pairs.
const (
	highSurrogate = 0xd800
	lowSurrogate  = 0xdc00
	lastSurrogate = 0xdfff
)

func hex4(b []byte) (r rune) {
	for _, c := range b[:4] {
		switch {
		case c <= '9':
			c -= '0'
		default:
			c = c | 0x20 - 'a' + 10
		}
		r = r<<4 | rune(c)
	}
	return r
}

// appendRune is utf8.AppendRune that keeps halves of surrogate pairs.
func appendRune(dst []byte, r rune) []byte {
	if r >= highSurrogate && r <= lastSurrogate {
		return append(dst, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0xbf, 0x80|byte(r)&0x3f)
	}
	return utf8.AppendRune(dst, r)
}

// half returns the half of a surrogate pair that s begins with, 0 for none.
func half[T string | []byte](s T) rune {
	if len(s) >= 3 && s[0] == 0xed && s[1] >= 0xa0 && s[1] <= 0xbf && s[2]&0xc0 == 0x80 {
		return 0xd000 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f)
	}
	return 0
}

// HasHalf reports that AppendText left half of a surrogate pair in s.
func HasHalf(s string) bool {
	if utf8.ValidString(s) {
		return false
	}
	for i := range len(s) {
		if half(s[i:]) != 0 {
			return true
		}
	}
	return false
}
