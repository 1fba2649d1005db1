package config

import (
	"reflect"
	"strings"

	"github.com/headrace/headrace/internal/redact"
)

// Masker hides known secrets in texts that leave the process: logs, errors,
// pages. What feeds a key that holds a secret is known, wherever it came from;
// the values of other keys (hosts, topics, names) and the program's own words
// stay readable, wherever they came from. It is safe for concurrent use; the
// zero value is ready. A nil Masker hides nothing.
type Masker struct {
	set redact.Set
}

// Add makes secret known, whole and in pieces, and in the encodings that
// servers repeat it in. Secrets of less than three bytes are not hidden.
func (m *Masker) Add(secret string) {
	if m != nil {
		m.set.Add(secret)
	}
}

// Open keeps the value of a key that holds no secret readable, and the words in
// it: of a URL or an address its host, of a path its folders. A value that looks
// like a secret all the same is hidden instead.
func (m *Masker) Open(value string) {
	switch {
	case m == nil:
		return
	case redact.Shape(value) != "":
		m.set.Add(value)
		return
	}
	m.set.Open(value)
	if scheme, rest, ok := strings.Cut(value, "://"); ok {
		if at := strings.LastIndexByte(rest, '@'); at >= 0 { // who logs in, and how
			m.set.Add(value)
			rest = rest[at+1:]
		}
		value = scheme + "," + rest
	}
	for _, word := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(", /?&=", r) }) {
		m.set.Open(word)
		if host, port, ok := strings.Cut(word, ":"); ok {
			m.set.Open(host)
			m.set.Open(port)
		}
	}
}

// Learn adds every Secret within v, a value that was not decoded from a Node.
func (m *Masker) Learn(v any) { m.learn(reflect.ValueOf(v)) }

func (m *Masker) learn(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			m.learn(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			m.learn(v.Field(i))
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			m.learn(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			m.learn(v.MapIndex(key))
		}
	case reflect.String:
		if v.Type() == secretType {
			m.Add(v.String())
		}
	}
}

// Mask returns text with every known secret replaced by "******".
func (m *Masker) Mask(text string) string {
	if m == nil {
		return text
	}
	return m.set.Mask(text)
}
