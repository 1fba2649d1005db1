package schema

import (
	"reflect"
	"testing"
)

// Two Refs that differ in any field are two calls of the registry.
func TestKeyHasEveryField(t *testing.T) {
	keys := map[string]string{Ref{}.key(): "none"}
	for i := range reflect.TypeFor[Ref]().NumField() {
		var r Ref
		f := reflect.ValueOf(&r).Elem().Field(i)
		switch f.Kind() {
		case reflect.String:
			f.SetString(`x" "`)
		case reflect.Int:
			f.SetInt(1)
		default:
			f.SetBool(true)
		}
		name := reflect.TypeFor[Ref]().Field(i).Name
		if other, taken := keys[r.key()]; taken {
			t.Errorf("%s is not in the key: it is that of %s", name, other)
		}
		keys[r.key()] = name
	}
}
