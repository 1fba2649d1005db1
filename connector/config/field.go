package config

import (
	"encoding"
	"reflect"
	"strings"
	"time"

	"github.com/headrace/headrace/connector"
)

// Defaulter is implemented by structs that have defaults of their own where
// nobody can set them before: behind a nil pointer and in lists and maps.
// SetDefaults is called before the struct is decoded.
type Defaulter interface {
	SetDefaults()
}

var (
	nodeType        = reflect.TypeFor[*Node]()
	secretType      = reflect.TypeFor[connector.Secret]()
	durationType    = reflect.TypeFor[time.Duration]()
	unmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// field is one key that a struct knows.
type field struct {
	key      string
	doc      string
	enum     []string
	required bool
	reread   string // key that gets the file which the value came from
	value    reflect.Value
}

// fields returns the keys of a struct in order, those of embedded structs
// among them. v is not changed.
func fields(v reflect.Value) []field {
	var all []field
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("mapstructure"), ",")
		switch {
		case squashed(f, options):
			all = append(all, fields(v.Field(i))...)
		case key == "" || key == "-" || !f.IsExported():
		default:
			all = append(all, field{
				key: key, doc: docOf(f.Tag), enum: enumOf(f.Tag.Get("enum")),
				required: f.Tag.Get("required") == "true", reread: f.Tag.Get("reread"), value: v.Field(i),
			})
		}
	}
	return all
}

// docOf is the line of the reference: with the key's name elsewhere, if it has one.
func docOf(tag reflect.StructTag) string {
	if also := tag.Get("also"); also != "" {
		return tag.Get("doc") + " (" + also + ")"
	}
	return tag.Get("doc")
}

func squashed(f reflect.StructField, options string) bool {
	return f.Type.Kind() == reflect.Struct && (f.Anonymous || f.IsExported() && options == "squash")
}

func enumOf(tag string) []string {
	if tag == "" {
		return nil
	}
	return strings.Split(tag, ",")
}

// readsText reports whether a scalar becomes a t by UnmarshalText.
func readsText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(unmarshalerType)
}

// fresh returns a new value of type t with its own defaults.
func fresh(t reflect.Type) reflect.Value {
	p := reflect.New(t)
	if d, ok := p.Interface().(Defaulter); ok {
		d.SetDefaults()
	}
	return p.Elem()
}

// current returns the value that v points to, or a fresh one behind nil.
func current(v reflect.Value) reflect.Value {
	if v.IsNil() {
		return fresh(v.Type().Elem())
	}
	return v.Elem()
}
