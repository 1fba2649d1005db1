package openapi

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// schemas collects the named types of a document.
type schemas struct {
	named map[string]any
	types map[string]reflect.Type
	twice string // why the document is wrong: two types of one name
}

var (
	rawType       = reflect.TypeFor[json.RawMessage]()
	timeType      = reflect.TypeFor[time.Time]()
	marshalerType = reflect.TypeFor[encoding.TextMarshaler]()
	describedType = reflect.TypeFor[Described]()
)

// Described is a type whose JSON is not what its Go type looks like. The zero
// value must be able to tell.
type Described interface{ JSONSchema() map[string]any }

// of is the schema (JSON Schema 2020-12) of a value of the type, as
// encoding/json writes it. Named structs become references.
func (s *schemas) of(t reflect.Type) map[string]any {
	switch t {
	case nil:
		return map[string]any{}
	case rawType:
		return map[string]any{}
	case timeType:
		return map[string]any{"type": "string", "format": "date-time"}
	}
	if t.Kind() != reflect.Pointer && t.Implements(describedType) {
		return reflect.Zero(t).Interface().(Described).JSONSchema()
	}
	if t.Kind() != reflect.Pointer && t.Implements(marshalerType) {
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return nullable(s.of(t.Elem()))
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Int32, reflect.Uint32:
		return map[string]any{"type": "integer", "format": "int32"}
	case reflect.Int, reflect.Int64, reflect.Uint, reflect.Uint64, reflect.Int16, reflect.Uint16, reflect.Int8, reflect.Uint8:
		return map[string]any{"type": "integer", "format": "int64"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return map[string]any{"type": "string", "contentEncoding": "base64"}
		}
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		return s.ref(t)
	default: // an interface holds anything
		return map[string]any{}
	}
}

// nullable lets a schema be null as well.
func nullable(schema map[string]any) map[string]any {
	switch kind := schema["type"].(type) {
	case string:
		schema["type"] = []string{kind, "null"}
		return schema
	case []string:
		schema["type"] = append(append([]string{}, kind...), "null")
		return schema
	}
	if len(schema) == 0 {
		return schema
	}
	return map[string]any{"anyOf": []any{schema, map[string]any{"type": "null"}}}
}

func (s *schemas) ref(t reflect.Type) map[string]any {
	name := schemaName(t)
	if name == "" {
		return s.object(t)
	}
	if other, known := s.types[name]; known && other != t {
		s.twice = "two types are called " + name + ": " + other.PkgPath() + " and " + t.PkgPath()
	}
	s.types[name] = t
	if _, known := s.named[name]; !known {
		s.named[name] = nil // a type may hold itself
		s.named[name] = s.object(t)
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

// schemaName is the type's name; that of List[path/admin.Topic] is TopicList.
func schemaName(t reflect.Type) string {
	outer, argument, generic := strings.Cut(t.Name(), "[")
	if !generic {
		return outer
	}
	argument = strings.TrimSuffix(argument, "]")
	return argument[strings.LastIndexAny(argument, "./")+1:] + outer
}

// object is the schema of a struct. A field is required when it is always
// written, or when its tag required says so; in a request that is the only
// way, since there all fields are pointers.
func (s *schemas) object(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	s.fields(t, properties, &required)
	object := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		object["required"] = required
	}
	return object
}

func (s *schemas) fields(t reflect.Type, properties map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			s.fields(f.Type, properties, required)
			continue
		}
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		must := f.Tag.Get("required") == "true"
		kind := f.Type
		if must && kind.Kind() == reflect.Pointer {
			kind = kind.Elem() // the pointer only tells that it is missing
		}
		schema := s.of(kind)
		if values := f.Tag.Get("enum"); values != "" {
			schema["enum"] = strings.Split(values, ",")
			if f.Type.Kind() == reflect.Pointer && !must {
				schema["enum"] = append(toAny(strings.Split(values, ",")), nil)
			}
		}
		if doc := f.Tag.Get("doc"); doc != "" {
			schema["description"] = doc
		}
		properties[name] = schema
		if must || kind.Kind() != reflect.Pointer && !strings.Contains(options, "omitempty") {
			*required = append(*required, name)
		}
	}
}

func toAny(list []string) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}
