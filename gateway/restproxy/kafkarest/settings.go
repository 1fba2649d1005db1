package kafkarest

import (
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway/restproxy"
)

// restPaths are the settings of the REST proxy by their keys here: the fields'
// tags name them.
var restPaths = pathsByKey(reflect.TypeFor[restproxy.Settings](), "")

// httpPaths are those of the HTTP server, which knows nothing of kafka-rest.
var httpPaths = map[string]string{
	"compression.enable":            "compression",
	"http2.enabled":                 "http2",
	"idle.timeout.ms":               "idle_timeout",
	"shutdown.graceful.ms":          "drain_timeout",
	"server.connection.limit":       "max_connections",
	"access.control.allow.origin":   "cors.allowed_origins",
	"access.control.allow.methods":  "cors.allowed_methods",
	"access.control.allow.headers":  "cors.allowed_headers",
	"access.control.expose.headers": "cors.exposed_headers",
}

// zeroIsDefault are the keys with which the original means no limit.
var zeroIsDefault = map[string]bool{
	"server.connection.limit": true, "api.v3.produce.request.size.limit.max.bytes": true, "max.request.size": true, "delivery.timeout.ms": true,
}

func pathsByKey(t reflect.Type, prefix string) map[string]string {
	out := map[string]string{}
	for i := range t.NumField() {
		f := t.Field(i)
		path := prefix + f.Tag.Get("mapstructure")
		if f.Type.Kind() == reflect.Struct {
			for key, inner := range pathsByKey(f.Type, path+".") {
				out[key] = inner
			}
			continue
		}
		if key := f.Tag.Get("also"); key != "" {
			out[key] = path
		}
	}
	return out
}

// at is the setting of a path, in v.
func at(v reflect.Value, path string) reflect.Value {
	name, rest, nested := strings.Cut(path, ".")
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("mapstructure") != name {
			continue
		}
		if nested {
			return at(v.Field(i), rest)
		}
		return v.Field(i)
	}
	return reflect.Value{}
}

// setting is what a key stands for, if it is one value of the HTTP server or
// the REST proxy.
func (r *reading) setting(key string) (reflect.Value, bool) {
	if path := restPaths[key]; path != "" {
		return at(reflect.ValueOf(&r.Rest).Elem(), path), true
	}
	if path := httpPaths[key]; path != "" {
		return at(reflect.ValueOf(&r.HTTP).Elem(), path), true
	}
	return reflect.Value{}, false
}

// keyOf names a fault by the key of kafka-rest that the setting has, else by
// its path.
func keyOf(paths map[string]string, path string) string {
	for key, p := range paths {
		if p == path {
			return key
		}
	}
	return path
}

// put reads a value of the type that the setting has. The error says what it
// should be.
func put(setting reflect.Value, key, value string) error {
	switch to := setting.Addr().Interface().(type) {
	case *string:
		*to = value
	case *[]string:
		*to = split(value)
	case *bool:
		on, err := boolean(value)
		if err != nil {
			return err
		}
		*to = on
	case *connector.Duration:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 || n > int64(1<<62)/int64(time.Millisecond) {
			return wanted("a number of milliseconds")
		}
		*to = connector.Duration(time.Duration(n) * time.Millisecond)
	case **bool:
		on, err := boolean(value)
		if err != nil {
			return err
		}
		*to = &on
	case **int:
		n, err := strconv.Atoi(value)
		if err != nil {
			return wanted("a number")
		}
		*to = &n
	default: // an int or a connector.ByteSize
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return wanted("a number")
		}
		if n != 0 || !zeroIsDefault[key] {
			setting.SetInt(n)
		}
	}
	return nil
}

func boolean(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, wanted("true or false")
}
