package jaas

import (
	"fmt"
	"strings"
)

type kind uint8

const (
	word kind = iota
	quoted
	equals
	semicolon
)

type token struct {
	kind kind
	text string
	at   int // byte offset, from 1
}

// scan splits a line as Java's StreamTokenizer does for Kafka, with two
// differences that only help: any character but the special ones may stand in
// a bare word, and a bare slash, which Java takes for the start of a comment
// and so loses unquoted paths, is an error.
func scan(s string) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c <= ' ':
			i++
		case c == ';':
			out = append(out, token{semicolon, ";", i + 1})
			i++
		case c == '=':
			out = append(out, token{equals, "=", i + 1})
			i++
		case strings.HasPrefix(s[i:], "//"):
			if n := strings.IndexAny(s[i:], "\r\n"); n >= 0 {
				i += n
			} else {
				i = len(s)
			}
		case strings.HasPrefix(s[i:], "/*"):
			n := strings.Index(s[i+2:], "*/")
			if n < 0 {
				return nil, fmt.Errorf("the JAAS line has a comment without an end at character %d", i+1)
			}
			i += n + 4
		case c == '/':
			return nil, slash(i)
		case c == '"' || c == '\'':
			text, n, err := unquote(s[i:], i)
			if err != nil {
				return nil, err
			}
			out = append(out, token{quoted, text, i + 1})
			i += n
		default:
			n := strings.IndexFunc(s[i:], func(r rune) bool { return r <= ' ' || strings.ContainsRune(`;="'/`, r) })
			if n < 0 {
				n = len(s) - i
			}
			if i+n < len(s) && s[i+n] == '/' {
				return nil, slash(i + n)
			}
			out = append(out, token{word, s[i : i+n], i + 1})
			i += n
		}
	}
	return out, nil
}

func slash(i int) error {
	return fmt.Errorf("the JAAS line has a / outside of quotes at character %d, where Java starts a comment; put the value into double quotes", i+1)
}

// unquote reads a quoted string with C escapes and returns the text and the
// length of what it read.
func unquote(s string, at int) (string, int, error) {
	var out strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case s[0]:
			return out.String(), i + 1, nil
		case '\n', '\r':
			return "", 0, fmt.Errorf("the JAAS line has a quoted value with a line break, begun at character %d", at+1)
		case '\\':
			if i+1 == len(s) {
				return "", 0, fmt.Errorf("the JAAS line has a quoted value without an end, begun at character %d", at+1)
			}
			b, n := escape(s[i+1:])
			out.WriteByte(b)
			i += n
		default:
			out.WriteByte(c)
		}
	}
	return "", 0, fmt.Errorf("the JAAS line has a quoted value without an end, begun at character %d; a \" within it is written \\\", and username and password as keys of sasl_config need no quotes", at+1)
}

// escape reads what follows a backslash: a letter of C, up to three octal
// digits, or any character for itself.
func escape(s string) (b byte, n int) {
	if i := strings.IndexByte("abfnrtv", s[0]); i >= 0 {
		return "\a\b\f\n\r\t\v"[i], 1
	}
	digits, most := 0, 2
	if s[0] <= '3' {
		most = 3
	}
	v := 0
	for digits < most && digits < len(s) && s[digits] >= '0' && s[digits] <= '7' {
		v = v*8 + int(s[digits]-'0')
		digits++
	}
	if digits == 0 {
		return s[0], 1
	}
	return byte(v), digits
}
