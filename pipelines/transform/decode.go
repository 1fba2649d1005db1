package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// reader decodes JSON to what expressions calculate with: int for whole
// numbers of 64 bits, float64 for others that it holds exactly to the last
// digit, and json.Number for the rest, which can be passed on but not
// calculated with.
type reader struct {
	dec jsontext.Decoder
	src bytes.Reader
}

// decode returns the value of b; a string when b is not JSON but text.
func (r *reader) decode(b []byte) (any, error) {
	if b == nil {
		return nil, nil
	}
	r.src.Reset(b)
	r.dec.Reset(&r.src, jsontext.AllowDuplicateNames(true))
	v, err := r.value()
	if err == nil {
		_, err = r.dec.ReadToken()
		if errors.Is(err, io.EOF) {
			return v, nil
		}
	}
	if !utf8.Valid(b) {
		return nil, errors.New("the value is neither JSON nor UTF-8 text")
	}
	return string(b), nil
}

func (r *reader) value() (any, error) {
	tok, err := r.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch tok.Kind() {
	case '{':
		return r.object()
	case '[':
		return r.list()
	case '"':
		return tok.String(), nil
	case '0':
		return number(tok.String()), nil
	case 't', 'f':
		return tok.Bool(), nil
	default:
		return nil, nil
	}
}

func (r *reader) object() (any, error) {
	out := map[string]any{}
	for r.dec.PeekKind() != '}' {
		name, err := r.dec.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		out[key] = v
	}
	_, err := r.dec.ReadToken()
	return out, err
}

func (r *reader) list() (any, error) {
	out := []any{}
	for r.dec.PeekKind() != ']' {
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	_, err := r.dec.ReadToken()
	return out, err
}

// exactDigits is how many significant decimal digits a float64 always holds.
const exactDigits = 15

func number(s string) any {
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
	return f
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
