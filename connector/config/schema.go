package config

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"

	"github.com/headrace/headrace/connector"
)

// Schema returns the JSON Schema (2020-12) of the files that decode into v, a
// struct or a pointer to one. Defaults are the values that v holds. Where a
// value is not text, text with ${…} or {{ … }} is allowed too, since it is
// resolved before the type is checked.
func Schema(v any, title string) map[string]any {
	s := schemaOf(reflect.ValueOf(v), field{}, nil)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = title
	return s
}

// interpolated is what may stand in place of a value of any type.
func interpolated() map[string]any {
	return map[string]any{"type": "string", "pattern": `\$\{|\{\{`}
}

func orInterpolated(s map[string]any) map[string]any {
	return map[string]any{"anyOf": []any{s, interpolated()}}
}

// schemaOf describes a value; parents are the struct types around it, so that
// a type that holds itself ends.
func schemaOf(v reflect.Value, f field, parents []reflect.Type) map[string]any {
	for v.Kind() == reflect.Pointer && v.Type() != nodeType {
		v = current(v)
	}
	if !v.IsValid() {
		return map[string]any{}
	}
	t := v.Type()
	switch {
	case t == nodeType:
		return map[string]any{}
	case t == durationType || t == reflect.TypeFor[connector.Duration]():
		return map[string]any{"type": "string", "examples": []any{"500ms", "30s", "1h30m"}}
	case t == reflect.TypeFor[connector.ByteSize]():
		return map[string]any{"type": []any{"string", "integer"}, "examples": []any{1048576, "64KiB", "10MiB"}}
	case t == secretType:
		return map[string]any{"type": text(), "writeOnly": true}
	case t.Kind() == reflect.Struct && readsText(t):
		if len(fields(v)) == 0 {
			return map[string]any{"type": text()}
		}
		return map[string]any{"anyOf": []any{map[string]any{"type": text()}, object(v, parents)}}
	case t.Kind() == reflect.Struct:
		return object(v, parents)
	case len(f.enum) > 0 && t.Kind() == reflect.String:
		return orInterpolated(enumSchema(f.enum))
	case readsText(t) || t.Kind() == reflect.String:
		return map[string]any{"type": text()}
	default:
		return plainSchema(t, f, parents)
	}
}

// text lists what a text field takes: unquoted numbers and switches too.
func text() []any { return []any{"string", "number", "boolean"} }

func enumSchema(enum []string) map[string]any {
	values := make([]any, 0, 2*len(enum))
	for _, e := range enum {
		values = append(values, e)
		if lower := strings.ToLower(e); lower != e {
			values = append(values, lower)
		}
		if i, err := strconv.Atoi(e); err == nil { // written as a number as well
			values = append(values, i)
		}
	}
	return map[string]any{"enum": values}
}

func plainSchema(t reflect.Type, f field, parents []reflect.Type) map[string]any {
	switch t.Kind() {
	case reflect.Bool:
		return orInterpolated(map[string]any{"type": "boolean"})
	case reflect.Float32, reflect.Float64:
		return orInterpolated(map[string]any{"type": "number"})
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return orInterpolated(map[string]any{"type": "integer", "minimum": 0})
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return orInterpolated(map[string]any{"type": "integer"})
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(fresh(t.Elem()), f, parents)}
	case reflect.Slice:
		list := map[string]any{"type": "array", "items": schemaOf(fresh(t.Elem()), f, parents)}
		if t.Elem().Kind() == reflect.String {
			return map[string]any{"anyOf": []any{list, map[string]any{"type": "string"}}}
		}
		return list
	default:
		return map[string]any{}
	}
}

func object(v reflect.Value, parents []reflect.Type) map[string]any {
	for _, p := range parents {
		if p == v.Type() {
			return map[string]any{"type": "object"}
		}
	}
	parents = append(parents[:len(parents):len(parents)], v.Type())
	properties := make(map[string]any)
	required := []any{}
	for _, f := range fields(v) {
		s := schemaOf(f.value, f, parents)
		if f.doc != "" {
			s["description"] = f.doc
		}
		if d, ok := defaultOf(f.value); ok {
			s["default"] = d
		}
		if f.required && f.value.IsZero() {
			required = append(required, f.key)
		}
		properties[f.key] = s
	}
	s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// defaultOf returns a default that says something: not a zero, and never a
// secret.
func defaultOf(v reflect.Value) (any, bool) {
	for v.Kind() == reflect.Pointer && !v.IsNil() && v.Type() != nodeType {
		v = v.Elem()
	}
	if v.IsZero() || v.Type() == secretType {
		return nil, false
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		return string(b), err == nil
	}
	switch v.Kind() {
	case reflect.String:
		return v.String(), true
	case reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return v.Interface(), true
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.String && v.Type().Elem() != secretType {
			list := make([]any, v.Len())
			for i := range list {
				list[i] = v.Index(i).String()
			}
			return list, true
		}
	}
	return nil, false
}
