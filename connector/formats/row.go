package formats

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/formats/jsonscan"
)

// columnType is what a column of text becomes in JSON.
type columnType uint8

// The types of a column.
const (
	textColumn  columnType = iota // a JSON string
	intColumn                     // an integer of any size, digits kept
	floatColumn                   // a number, digits kept
	boolColumn                    // true or false (also TRUE, False, t, f, 1, 0)
	autoColumn                    // a number where the text is one as JSON writes it, else a string
)

// parseType returns the type of a name in a configuration file.
func parseType(name string) (columnType, bool) {
	for i, n := range [...]string{"string", "int", "float", "bool", "auto"} {
		if n == name {
			return columnType(i), true
		}
	}
	return textColumn, false
}

// row encodes rows of text as JSON objects, columns in order. It is not safe
// for concurrent use.
type row struct {
	names []string
	heads [][]byte // `{"name":` for the first, `,"name":` for the others
	types []columnType
	nulls map[string]bool
}

// newRow returns a row for the columns. Texts in nulls become null in every
// column.
func newRow(names []string, typeOf func(name string) columnType, nulls []string) *row {
	r := &row{names: names, nulls: map[string]bool{}}
	for _, n := range nulls {
		r.nulls[n] = true
	}
	for i, name := range names {
		text, _ := jsonscan.AppendString(nil, name) // checked by setColumns
		start := byte(',')
		if i == 0 {
			start = '{'
		}
		r.heads = append(r.heads, append(append([]byte{start}, text...), ':'))
		r.types = append(r.types, typeOf(name))
	}
	return r
}

// append appends the object of one row to dst. On an error, of kind Invalid,
// dst comes back as it was.
func (r *row) append(dst []byte, fields []string) ([]byte, error) {
	if len(fields) != len(r.names) {
		return dst, connector.Errorf(connector.Invalid, "the row has %d columns instead of %d", len(fields), len(r.names))
	}
	out := dst
	for i, field := range fields {
		out = append(out, r.heads[i]...)
		var ok bool
		if out, ok = r.value(out, r.types[i], field); !ok {
			hint := ""
			if absent[strings.ToLower(strings.TrimSpace(field))] {
				hint = fmt.Sprintf("; if the cell's %q means null, add it to null_values", field)
			}
			return dst, connector.Errorf(connector.Invalid, "column %q: not %s%s", r.names[i],
				[...]string{"UTF-8 text", "an integer", "a number", "true or false", "UTF-8 text"}[r.types[i]], hint)
		}
	}
	if len(fields) == 0 {
		out = append(out, '{')
	}
	return append(out, '}'), nil
}

// absent are what people write into a cell that has no value.
var absent = map[string]bool{"": true, "na": true, "n/a": true, "nan": true, "null": true, "nil": true, "none": true, "-": true, "?": true, `\n`: true, "#n/a": true}

func (r *row) value(dst []byte, t columnType, s string) ([]byte, bool) {
	if len(r.nulls) > 0 && r.nulls[s] {
		return append(dst, "null"...), true
	}
	switch t {
	case intColumn:
		return append(dst, s...), jsonscan.IsInteger(s)
	case floatColumn:
		return append(dst, s...), jsonscan.IsNumber(s)
	case boolColumn:
		v, err := strconv.ParseBool(s)
		return strconv.AppendBool(dst, v), err == nil
	case autoColumn:
		if jsonscan.IsNumber(s) {
			return append(dst, s...), true
		}
	}
	return jsonscan.AppendString(dst, s)
}
