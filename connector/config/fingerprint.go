package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"reflect"
	"slices"
)

// Fingerprint tells whether settings are the same as others: decoded structs,
// with everything that was resolved into them and what stands in the files that
// they name (text fields with the tag path:"file"). Secrets count and cannot be
// read from it. Functions, channels and fields that are not exported do not
// count.
func Fingerprint(settings ...any) string {
	h := sha256.New()
	for _, s := range settings {
		fingerprint(h, reflect.ValueOf(s), 0)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// deepest bounds what is followed: settings are not as deep.
const deepest = 40

func fingerprint(h hash.Hash, v reflect.Value, depth int) {
	if depth > deepest || !v.IsValid() {
		fmt.Fprint(h, "nothing;")
		return
	}
	fmt.Fprint(h, v.Type(), "=")
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			fingerprint(h, v.Elem(), depth+1)
		}
	case reflect.Struct:
		fingerprintStruct(h, v, depth)
	case reflect.Slice, reflect.Array:
		fmt.Fprint(h, v.Len(), ":")
		for i := range v.Len() {
			fingerprint(h, v.Index(i), depth+1)
		}
	case reflect.Map:
		fingerprintMap(h, v, depth)
	case reflect.String:
		fmt.Fprintf(h, "%q", v.String())
	case reflect.Bool:
		fmt.Fprint(h, v.Bool())
	case reflect.Float32, reflect.Float64:
		fmt.Fprint(h, v.Float())
	default:
		switch {
		case v.CanInt():
			fmt.Fprint(h, v.Int())
		case v.CanUint():
			fmt.Fprint(h, v.Uint())
		}
	}
	fmt.Fprint(h, ";")
}

func fingerprintStruct(h hash.Hash, v reflect.Value, depth int) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue // what was made of the others
		}
		fmt.Fprint(h, f.Name, " ")
		fingerprint(h, v.Field(i), depth+1)
		if f.Tag.Get("path") == "file" && f.Type.Kind() == reflect.String {
			fingerprintFile(h, v.Field(i).String())
		}
	}
}

func fingerprintMap(h hash.Hash, v reflect.Value, depth int) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		return slices.Compare([]byte(fmt.Sprint(a)), []byte(fmt.Sprint(b)))
	})
	fmt.Fprint(h, len(keys), ":")
	for _, k := range keys {
		fingerprint(h, k, depth+1)
		fingerprint(h, v.MapIndex(k), depth+1)
	}
}

// largestFile bounds what is read of a file: those that settings name hold
// certificates and keys.
const largestFile = 16 << 20

func fingerprintFile(h hash.Hash, name string) {
	if name == "" {
		return
	}
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		fmt.Fprint(h, "no file;")
		return
	}
	f, err := os.Open(name)
	if err != nil {
		fmt.Fprint(h, "unreadable;")
		return
	}
	defer f.Close()
	_, _ = io.Copy(h, io.LimitReader(f, largestFile)) // what can be read is compared
}
