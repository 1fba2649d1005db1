package config

import (
	"path/filepath"
	"reflect"
)

// ResolvePaths makes the relative file names in v, a pointer to a decoded
// struct, start at dir: those in text fields with the tag path:"file", at any
// depth. Empty and absolute names stay, and so does everything when dir is ""
// or ".".
func ResolvePaths(v any, dir string) {
	if dir != "" && filepath.Clean(dir) != "." {
		resolvePaths(reflect.ValueOf(v), dir)
	}
}

func resolvePaths(v reflect.Value, dir string) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		f := v.Field(i)
		if !f.CanSet() {
			continue
		}
		if v.Type().Field(i).Tag.Get("path") != "file" {
			resolvePaths(f, dir)
		} else if name := f.String(); name != "" && !filepath.IsAbs(name) {
			f.SetString(filepath.Join(dir, name))
		}
	}
}
