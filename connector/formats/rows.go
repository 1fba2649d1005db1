package formats

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/slab"
)

// rows is CSV as RFC 4180 has it, with what is common beside: any delimiter,
// line ends without a carriage return, blank lines, and a quote that stands
// inside a field which does not begin with one. A row becomes a JSON object.
type rows struct {
	cfg       *Config
	delimiter []byte
	named     func([]string)
	warn      func(string)
	row       *row // nil until the columns are known
	names     int  // bytes of them, and of what JSON adds
	fields    []string
	plain     []byte // the fields of a row with quotes, without them
	ends      []int
}

var (
	errOpenQuote  = errors.New("a quote is not closed")
	errBareReturn = errors.New("lines end in a carriage return alone, so that all rows are on one line; convert the line ends, with tr '\\r' '\\n' for instance")
	errAfterQuote = errors.New("something follows a closing quote; a quote inside a quoted field is written twice")
)

func newRows(cfg *Config, s Stream) (*rows, error) {
	header := s.Header
	r := &rows{cfg: cfg, delimiter: []byte(cfg.Delimiter), named: s.Named, warn: s.Warn}
	switch {
	case !cfg.Header:
		return r, r.setColumns(cfg.Columns)
	case header != nil:
		return r, r.setColumns(header)
	}
	return r, nil
}

// setColumns checks the names and fixes the types.
func (r *rows) setColumns(names []string) error {
	for i, n := range names {
		if !utf8.ValidString(n) {
			return fmt.Errorf("the name of column %d is not UTF-8; write what the file is in, such as encoding: latin1 or windows-1252", i+1)
		}
		if slices.Contains(names[:i], n) {
			return fmt.Errorf("column %q is there twice", n)
		}
	}
	for _, n := range sortedKeys(r.cfg.Types) {
		if !slices.Contains(names, n) {
			return fmt.Errorf("types names column %q, which is not there", n)
		}
	}
	r.names = 2
	for _, n := range names {
		r.names += len(n) + len(`"":"",`)
	}
	if r.named != nil {
		r.named(names)
	}
	r.row = newRow(names, func(name string) columnType {
		text, ok := r.cfg.Types[name]
		if !ok {
			text = r.cfg.DefaultType
		}
		t, _ := parseType(text) // checked by Validate
		return t
	}, r.cfg.NullValues)
	return nil
}

func (*rows) copies() bool    { return true }
func (r *rows) overhead() int { return r.names }
func (r *rows) ready() bool   { return r.row != nil }

func (*rows) lines(record []byte) int64 {
	if n := bytes.Count(record, []byte("\n")); n > 0 {
		return int64(n)
	}
	return 1 // the last, without a line end
}

func (r *rows) cut(data []byte, final bool) (int, error) {
	end := cutLine(data, final) // behind the first line end at or after at
	if end == 0 || bytes.IndexByte(data[:end], '"') < 0 {
		return end, nil
	}
	for at := 0; ; {
		if at < len(data) && data[at] == '"' {
			closed, err := closingQuote(data, at, r.delimiter, final)
			switch {
			case err != nil:
				return closed + cutLine(data[closed:], true), err
			case closed == 0 && final:
				// Most likely it is this line that is wrong, and not all behind it.
				return at + cutLine(data[at:], true), errOpenQuote
			case closed == 0:
				return 0, nil
			}
			if at = closed; at >= end {
				n := cutLine(data[at:], final)
				if n == 0 && !final {
					return 0, nil
				}
				end = at + n
			}
		}
		i := bytes.Index(data[at:end], r.delimiter)
		if i < 0 {
			return end, nil
		}
		at += i + len(r.delimiter)
	}
}

// closingQuote returns the place behind the quoted field that begins at at; 0
// when data ends before it is known. With an error it is the place of that.
func closingQuote(data []byte, at int, delimiter []byte, final bool) (int, error) {
	for at++; ; {
		i := bytes.IndexByte(data[at:], '"')
		if i < 0 {
			return 0, nil
		}
		at += i + 1
		rest := data[at:]
		switch {
		case len(rest) == 0 && final:
			return at, nil
		case len(rest) < 2+len(delimiter) && !final:
			return 0, nil // what follows may not be read yet
		case rest[0] == '"':
			at++
		case rest[0] == '\n', bytes.HasPrefix(rest, delimiter), bytes.HasPrefix(rest, []byte("\r\n")), final && string(rest) == "\r":
			return at, nil
		default:
			return at, errAfterQuote
		}
	}
}

func (r *rows) decode(record []byte, m *connector.Message, b *slab.Slab) (keep bool, err error) {
	if record = withoutLineEnd(record); len(record) == 0 {
		return false, nil
	}
	r.split(record)
	if r.row == nil {
		if bareReturn(record) {
			return false, errBareReturn
		}
		if err := r.setColumns(slices.Clone(r.fields)); err != nil {
			return false, err
		}
		r.warnOfOne()
		return false, nil
	}
	from := len(b.Block)
	if b.Block, err = r.row.append(b.Block, r.fields); err != nil {
		return true, err
	}
	m.Value = b.Block[from:len(b.Block):len(b.Block)]
	return true, nil
}

// bareReturn reports that a header has carriage returns outside of quotes: its
// rows are on the same line.
func bareReturn(header []byte) bool {
	return bytes.IndexByte(header, '\r') >= 0 && bytes.IndexByte(header, '"') < 0
}

// warnOfOne tells that a single column looks like several with another
// delimiter.
func (r *rows) warnOfOne() {
	if len(r.fields) != 1 || r.warn == nil {
		return
	}
	for _, d := range []struct{ delimiter, name string }{{";", "semicolons"}, {"\t", "tabs"}, {"|", "bars"}, {",", "commas"}} {
		if d.delimiter != r.cfg.Delimiter && strings.Contains(r.fields[0], d.delimiter) {
			r.warn(fmt.Sprintf("the header has one column, with %s in it; write delimiter: %q if they part the columns", d.name, d.delimiter))
			return
		}
	}
}

// split sets r.fields to the fields of a checked record. They share one string.
func (r *rows) split(record []byte) {
	r.fields = r.fields[:0]
	if bytes.IndexByte(record, '"') < 0 {
		text, delimiter := string(record), r.cfg.Delimiter
		for {
			i := strings.Index(text, delimiter)
			if i < 0 {
				r.fields = append(r.fields, text)
				return
			}
			r.fields = append(r.fields, text[:i])
			text = text[i+len(delimiter):]
		}
	}
	r.plain, r.ends = r.plain[:0], r.ends[:0]
	for at := 0; ; {
		if at < len(record) && record[at] == '"' {
			at = r.unquote(record, at+1)
		}
		i := bytes.Index(record[at:], r.delimiter)
		if i < 0 {
			r.plain = append(r.plain, record[at:]...)
			r.ends = append(r.ends, len(r.plain))
			break
		}
		r.plain = append(r.plain, record[at:at+i]...)
		r.ends = append(r.ends, len(r.plain))
		at += i + len(r.delimiter)
	}
	text, from := string(r.plain), 0
	for _, end := range r.ends {
		r.fields = append(r.fields, text[from:end])
		from = end
	}
}

// unquote appends a quoted field to r.plain and returns the place behind it.
func (r *rows) unquote(record []byte, at int) int {
	for {
		i := bytes.IndexByte(record[at:], '"')
		if i < 0 { // not in a checked record
			r.plain = append(r.plain, record[at:]...)
			return len(record)
		}
		r.plain = append(r.plain, record[at:at+i]...)
		at += i + 1
		if at >= len(record) || record[at] != '"' {
			return at
		}
		r.plain = append(r.plain, '"')
		at++
	}
}
