package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/headrace/headrace/connector/formats/jsonscan"
)

// record decodes the value of one record to what expressions calculate with,
// and remembers the text of what comes out untouched: maps and lists, and
// numbers that would be written otherwise.
//
// A number is an int when it is a whole one of 64 bits, a float64 when that
// holds it exactly to the last digit, and a json.Number, which can be passed on
// but not calculated with, for the rest.
type record struct {
	texts map[*float64][]byte
	raw   map[origin][]byte
	parts []map[string]any // maps of wanted members, which no expression can hand on
	used  int              // of parts
}

// origin is a map or a list that was decoded. The record's variables hold it
// while the expressions run, so that no other is at its place.
type origin struct {
	at     uintptr
	length int // of a list; -1 for a map
}

// kept bounds the room that one record leaves to the next.
const kept = 1024

// forget frees what the record held.
func (r *record) forget() {
	if len(r.texts) > kept || len(r.raw) > kept || len(r.parts) > kept {
		*r = record{}
		return
	}
	for _, m := range r.parts[:r.used] {
		clear(m)
	}
	r.used = 0
	clear(r.texts)
	clear(r.raw)
}

// decode returns what w wants of b; a string when b is not JSON but text.
func (r *record) decode(b []byte, w *wanted) (any, error) {
	if b == nil {
		return nil, nil
	}
	if !utf8.Valid(b) {
		return nil, errors.New("the value is neither JSON nor UTF-8 text")
	}
	text := jsonscan.Trim(b)
	if !w.whole {
		if v, ok := r.members(text, w); ok {
			return v, nil
		}
	}
	if jsonscan.Valid(text) {
		return r.value(text), nil
	}
	return string(b), nil
}

// members returns the wanted members of an object; false when b is none. Of a
// name that is there twice the last counts.
func (r *record) members(b []byte, w *wanted) (map[string]any, bool) {
	if r.used == len(r.parts) {
		r.parts = append(r.parts, make(map[string]any, len(w.names)))
	}
	out := r.parts[r.used]
	r.used++
	ok := jsonscan.Members(b, func(name, value []byte) {
		for i, n := range w.names {
			if !jsonscan.NameIs(name, n) {
				continue
			}
			if m, ok := r.part(value, w.below[i]); ok {
				out[n] = m
			} else {
				out[n] = r.value(value)
			}
			return
		}
	})
	return out, ok
}

// part is members for a value that is known to be JSON.
func (r *record) part(value []byte, w *wanted) (map[string]any, bool) {
	if w.whole || value[0] != '{' {
		return nil, false
	}
	return r.members(value, w)
}

// value decodes checked JSON, without blanks around it, as a whole.
func (r *record) value(b []byte) any {
	switch b[0] {
	case '{':
		out := map[string]any{}
		jsonscan.Members(b, func(name, value []byte) { out[text(name)] = r.value(value) })
		r.remember(originOf(out, -1), b)
		return out
	case '[':
		out := make([]any, 0, 4) // with a place of its own when it is empty
		jsonscan.Items(b, func(value []byte) { out = append(out, r.value(value)) })
		r.remember(originOf(out, len(out)), b)
		return out
	case '"':
		return text(b)
	case 't':
		return true
	case 'f':
		return false
	case 'n':
		return nil
	default:
		return r.number(b)
	}
}

func (r *record) remember(o origin, b []byte) {
	if r.raw == nil {
		r.raw = map[origin][]byte{}
	}
	r.raw[o] = b
}

// text returns what a string in quotes means.
func text(quoted []byte) string {
	if inner := quoted[1 : len(quoted)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	return string(jsonscan.AppendText(nil, quoted))
}

// exactDigits is how many significant decimal digits a float64 always holds.
const exactDigits = 15

func (r *record) number(b []byte) any {
	if n, ok := small(b); ok {
		return n
	}
	s := string(b)
	if n, err := strconv.Atoi(s); err == nil && s != "-0" {
		return n
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || significant(s) > exactDigits && strconv.FormatFloat(f, 'g', -1, 64) != s && strconv.FormatFloat(f, 'f', -1, 64) != s {
		return json.Number(s)
	}
	if f == 0 && significant(s) > 0 {
		return json.Number(s) // too small for a float64
	}
	var room [32]byte
	if string(appendFloat(room[:0], f)) == s {
		return f
	}
	if r.texts == nil {
		r.texts = map[*float64][]byte{}
	}
	r.texts[&f] = b
	return &f
}

// small reads a whole number of few digits.
func small(b []byte) (n int, ok bool) {
	if len(b) > 15 || b[0] == '-' {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// appendFloat appends f as encoding/json does.
func appendFloat(dst []byte, f float64) []byte {
	if abs := math.Abs(f); abs == 0 || 1e-6 <= abs && abs < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); n-start >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// significant counts the digits of s without leading and trailing zeros.
func significant(s string) int {
	count, zeros := 0, 0
	for i := 0; i < len(s) && s[i]|0x20 != 'e'; i++ {
		switch c := s[i]; {
		case c == '0':
			if count > 0 {
				zeros++
			}
		case '1' <= c && c <= '9':
			count, zeros = count+zeros+1, 0
		}
	}
	return count
}
