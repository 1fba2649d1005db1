// Package jsonscan is the one reader of JSON texts between a source and a sink:
// what it takes, every stage takes, byte for byte. It finds places and leaves
// the bytes where they are. Names may repeat, and the last one counts; numbers
// are their text; half of a surrogate pair is allowed in a string, as RFC 8259
// has it.
package jsonscan

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/headrace/headrace/connector"
)

// MaxDepth bounds the nesting of JSON values.
const MaxDepth = 1000

// syntaxError is what is wrong with a JSON text, without the text.
type syntaxError struct {
	offset int
	what   string
}

func (e *syntaxError) Error() string {
	return fmt.Sprintf("not JSON at byte %d: %s", e.offset+1, e.what)
}

func invalid(offset int, what string) error {
	return &connector.Error{Kind: connector.Invalid, Err: &syntaxError{offset, what}}
}

// Check reports what is wrong with b as one JSON text (RFC 8259) in UTF-8, and
// nil when nothing is. Names may repeat; nesting is bounded by MaxDepth.
func Check(b []byte) error {
	if !utf8.Valid(b) {
		return invalid(firstBroken(b), "broken UTF-8")
	}
	if Valid(b) {
		return nil
	}
	return fault(b)
}

// fault says what is wrong with b, which is not JSON.
func fault(b []byte) error {
	i, err := scanValue(b, Space(b, 0), 0)
	if err != nil {
		return err
	}
	if i = Space(b, i); i != len(b) {
		return invalid(i, "something follows the value")
	}
	return nil
}

// Unfinished reports that b is the beginning of a JSON text: nothing is wrong
// with it but that it ends too early.
func Unfinished(b []byte) bool {
	var e *syntaxError
	return errors.As(fault(b), &e) && e.offset >= len(b)
}

func firstBroken(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// Space returns the place behind what JSON allows between tokens.
func Space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// Trim cuts off what JSON allows around a text.
func Trim(b []byte) []byte {
	b = b[Space(b, 0):]
	n := len(b)
	for n > 0 && class[b[n-1]] == blank {
		n--
	}
	return b[:n]
}

// scanValue returns the end of the value that begins at i.
func scanValue(b []byte, i, depth int) (int, error) {
	if i >= len(b) {
		return i, invalid(i, "the text ends where a value should be")
	}
	switch c := b[i]; {
	case c == '"':
		return scanString(b, i)
	case c == '{' || c == '[':
		if depth >= MaxDepth {
			return i, invalid(i, fmt.Sprintf("nested deeper than %d levels", MaxDepth))
		}
		if c == '{' {
			return scanObject(b, i, depth+1)
		}
		return scanArray(b, i, depth+1)
	case c == '-' || '0' <= c && c <= '9':
		return scanNumber(b, i)
	default:
		return scanLiteral(b, i)
	}
}

func scanObject(b []byte, i, depth int) (int, error) {
	i = Space(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return i, invalid(i, "a name in quotes should be here")
		}
		end, err := scanString(b, i)
		if err != nil {
			return end, err
		}
		if i = Space(b, end); i >= len(b) || b[i] != ':' {
			return i, invalid(i, "a colon should be here")
		}
		if end, err = scanValue(b, Space(b, i+1), depth); err != nil {
			return end, err
		}
		if i = Space(b, end); i < len(b) && b[i] == '}' {
			return i + 1, nil
		}
		if i >= len(b) || b[i] != ',' {
			return i, invalid(i, "a comma or } should be here")
		}
		i = Space(b, i+1)
	}
}

func scanArray(b []byte, i, depth int) (int, error) {
	i = Space(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1, nil
	}
	for {
		end, err := scanValue(b, i, depth)
		if err != nil {
			return end, err
		}
		if i = Space(b, end); i < len(b) && b[i] == ']' {
			return i + 1, nil
		}
		if i >= len(b) || b[i] != ',' {
			return i, invalid(i, "a comma or ] should be here")
		}
		i = Space(b, i+1)
	}
}

func scanString(b []byte, i int) (int, error) {
	start := i
	for i++; i < len(b); {
		switch c := b[i]; {
		case c == '"':
			return i + 1, nil
		case c < 0x20:
			return i, invalid(i, "a control character in a string; write it as \\u00XX")
		case c != '\\':
			i++
			continue
		}
		n := escapeLen(b[i:])
		if n == 0 {
			return i, invalid(i, "an unknown escape in a string")
		}
		i += n
	}
	return i, invalid(start, "a string does not end")
}

// escapeLen is the length of the escape that b begins with, 0 if it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if !('0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f') {
				return 0
			}
		}
		return 6
	}
	return 0
}

func digits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

func scanNumber(b []byte, i int) (int, error) {
	start := i
	if b[i] == '-' {
		i++
	}
	switch end := digits(b, i); {
	case end == i:
		if i < len(b) && (b[i] == 'I' || b[i] == 'N') {
			return start, invalid(start, "NaN and Infinity are not JSON; use null or leave the field out")
		}
		return i, invalid(i, "a digit should be here")
	case b[i] == '0' && end > i+1:
		return i, invalid(i, "a number with a leading zero")
	default:
		i = end
	}
	if i < len(b) && b[i] == '.' {
		end := digits(b, i+1)
		if end == i+1 {
			return end, invalid(end, "a digit should follow the point")
		}
		i = end
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		end := digits(b, i)
		if end == i {
			return end, invalid(end, "a digit should follow the exponent")
		}
		i = end
	}
	return i, nil
}

func scanLiteral(b []byte, i int) (int, error) {
	for _, word := range [...]string{"true", "false", "null"} {
		if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
			return i + len(word), nil
		}
	}
	for _, word := range [...]string{"NaN", "Infinity"} {
		if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
			return i, invalid(i, "NaN and Infinity are not JSON; use null or leave the field out")
		}
	}
	return i, invalid(i, "a value should be here")
}
