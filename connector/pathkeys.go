package connector

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/headrace/headrace/internal/redact"
)

// PathFaults reports the file keys of v, a struct or a pointer to one, that hold
// no file name but what belongs into the file: a key, a certificate, a token.
// File keys are text fields with the tag path:"file"; those of embedded structs
// count, those of other structs within v do not. at stands before each key, and
// inline says, by key, which other keys take the text itself. The value is never
// repeated.
func PathFaults(v any, at string, inline map[string]string) []Fault {
	var out []Fault
	value := reflect.Indirect(reflect.ValueOf(v))
	for i := range value.NumField() {
		f := value.Type().Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("mapstructure"), ",")
		switch {
		case f.Type.Kind() == reflect.Struct && (f.Anonymous || options == "squash"):
			out = append(out, PathFaults(value.Field(i).Interface(), at, inline)...)
		case f.Tag.Get("path") == "file":
			if message := noPath(value.Field(i).String(), inline[key]); message != "" {
				out = append(out, Fault{Path: at + key, Message: message})
			}
		}
	}
	return out
}

// noPath says why a value is no file name; "" when it can be one.
func noPath(value, inline string) string {
	shape := redact.Shape(value)
	if shape == "" {
		return ""
	}
	if shape != redact.PEM {
		if _, err := os.Stat(value); err == nil {
			return "" // a long name, or one of random letters, is a name all the same
		}
	}
	if inline == "" {
		return "holds " + shape + ", not a path; write it into a file and give the name of that"
	}
	return "holds " + shape + ", not a path; use " + inline
}

// LookedAt says where a file that is not there was looked for: the absolute
// place of a relative path, and what of is the folder it starts at. It is empty
// for an absolute path, which says that itself.
func LookedAt(path, dir, of string) string {
	if filepath.IsAbs(path) {
		return ""
	}
	from, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	return "; looked at " + redact.Path(filepath.Join(from, path)) + ", as relative paths start at " + of
}
