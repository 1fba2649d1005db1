package codec

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/headrace/headrace/connector"
)

// Type is what a column of text becomes in JSON.
type Type uint8

// The types of a column.
const (
	String Type = iota // a JSON string
	Int                // an integer of any size, digits kept
	Float              // a number, digits kept
	Bool               // true or false (also TRUE, False, t, f, 1, 0)
	Auto               // a number where the text is one as JSON writes it, else a string
)

// ParseType returns the type of a name in a configuration file.
func ParseType(name string) (Type, bool) {
	for i, n := range [...]string{"string", "int", "float", "bool", "auto"} {
		if n == name {
			return Type(i), true
		}
	}
	return String, false
}

// Row encodes rows of text as JSON objects, columns in order. It is not safe
// for concurrent use.
type Row struct {
	names []string
	heads [][]byte // `{"name":` for the first, `,"name":` for the others
	types []Type
	nulls map[string]bool
}

// NewRow returns a Row for the columns. Texts in nulls become null in every
// column.
func NewRow(names []string, typeOf func(name string) Type, nulls []string) *Row {
	r := &Row{names: names, nulls: map[string]bool{}}
	for _, n := range nulls {
		r.nulls[n] = true
	}
	for i, name := range names {
		text, err := json.Marshal(name)
		if err != nil { // a string always has a JSON form
			text = []byte(`""`)
		}
		start := byte(',')
		if i == 0 {
			start = '{'
		}
		r.heads = append(r.heads, append(append([]byte{start}, text...), ':'))
		r.types = append(r.types, typeOf(name))
	}
	return r
}

// Append appends the object of one row to dst. On an error, of kind Invalid,
// dst comes back as it was.
func (r *Row) Append(dst []byte, fields []string) ([]byte, error) {
	if len(fields) != len(r.names) {
		return dst, connector.Errorf(connector.Invalid, "the row has %d columns instead of %d", len(fields), len(r.names))
	}
	out := dst
	for i, field := range fields {
		out = append(out, r.heads[i]...)
		var ok bool
		if out, ok = r.value(out, r.types[i], field); !ok {
			return dst, connector.Errorf(connector.Invalid, "column %q: not %s", r.names[i],
				[...]string{"UTF-8 text", "an integer", "a number", "true or false", "UTF-8 text"}[r.types[i]])
		}
	}
	if len(fields) == 0 {
		out = append(out, '{')
	}
	return append(out, '}'), nil
}

func (r *Row) value(dst []byte, t Type, s string) ([]byte, bool) {
	if len(r.nulls) > 0 && r.nulls[s] {
		return append(dst, "null"...), true
	}
	switch t {
	case Int:
		return append(dst, s...), isNumber(s) && isDigits(s)
	case Float:
		return append(dst, s...), isNumber(s)
	case Bool:
		v, err := strconv.ParseBool(s)
		return strconv.AppendBool(dst, v), err == nil
	case Auto:
		if isNumber(s) {
			return append(dst, s...), true
		}
	}
	return appendString(dst, s)
}

func isNumber(s string) bool {
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return false
	}
	end, err := scanNumber([]byte(s), 0)
	return err == nil && end == len(s)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c != '-' || i > 0) {
			return false
		}
	}
	return true
}

// appendString appends s as a JSON string; false when it is not UTF-8.
func appendString(dst []byte, s string) ([]byte, bool) {
	if !utf8.ValidString(s) {
		return dst, false
	}
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = fmt.Appendf(dst, `\u%04x`, c)
		}
		start = i + 1
	}
	return append(append(dst, s[start:]...), '"'), true
}
