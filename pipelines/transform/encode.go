package transform

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headrace/headrace/connector"
)

// output is the message as the expressions want it.
type output struct {
	connector.Message
	keep    bool
	nothing bool // the new data is nil
}

func (o *output) setKeep(v any) error {
	b, ok := v.(bool)
	if !ok {
		return fmt.Errorf("is %s instead of true or false", kind(v))
	}
	o.keep = b
	return nil
}

func (o *output) setData(v any) error {
	b, err := appendJSON(nil, v, 0)
	if err != nil {
		return err
	}
	o.Value, o.nothing = b, v == nil
	return nil
}

// finish makes a tombstone of nil data with a key, which may be a new one.
func (o *output) finish() {
	if o.nothing && o.Key != nil {
		o.Value = nil
	}
}

func (o *output) setKey(v any) error {
	o.Key = nil
	switch v := v.(type) {
	case nil:
	case string:
		if v != "" {
			o.Key = []byte(v)
		}
	default:
		b, err := appendJSON(nil, v, 0)
		if err != nil {
			return err
		}
		o.Key = b
	}
	return nil
}

func (o *output) setTime(v any) error {
	switch v := v.(type) {
	case nil:
		o.Time = time.Time{}
	case time.Time:
		o.Time = v
	case string:
		t, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return errors.New("is a text that is not an RFC 3339 time")
		}
		o.Time = t
	default:
		ms, ok := integer(v)
		if !ok || ms < 0 {
			return fmt.Errorf("is %s instead of ms since 1970, a date or an RFC 3339 text", kind(v))
		}
		o.Time = time.UnixMilli(ms)
	}
	return nil
}

func (o *output) setTopic(v any) error {
	switch v := v.(type) {
	case nil:
		o.Topic = ""
	case string:
		o.Topic = v
	default:
		return fmt.Errorf("is %s instead of a text", kind(v))
	}
	return nil
}

func (o *output) setPartition(v any) error {
	if v == nil {
		o.Partition = connector.AnyPartition
		return nil
	}
	n, ok := integer(v)
	if !ok || n < 0 || n > math.MaxInt32 {
		return fmt.Errorf("is %s instead of a whole number from 0", kind(v))
	}
	o.Partition = int32(n)
	return nil
}

// setHeaders takes a map, whose names are sorted, or a list of {key, value}.
func (o *output) setHeaders(v any) error {
	o.Headers = nil
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if err := o.addHeader(name, v[name]); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			h, ok := item.(map[string]any)
			name, named := h["key"].(string)
			if !ok || !named {
				return errors.New("is a list with something else than {key, value}")
			}
			if err := o.addHeader(name, h["value"]); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("is %s instead of a map or a list", kind(v))
	}
	return nil
}

func (o *output) addHeader(name string, v any) error {
	h := connector.Header{Key: name}
	switch v := v.(type) {
	case nil:
	case string:
		h.Value = []byte(v)
	default:
		b, err := appendJSON(nil, v, 0)
		if err != nil {
			return err
		}
		h.Value = b
	}
	o.Headers = append(o.Headers, h)
	return nil
}

// integer returns a whole number.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) <= 1<<53
	}
	return 0, false
}

// kind names what v is, without its value.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "nil"
	case bool:
		return "a bool"
	case string:
		return "a text"
	case int, int64, float64, json.Number:
		return "a number outside its bounds or in the wrong place"
	case map[string]any:
		return "a map"
	case []any:
		return "a list"
	default:
		return fmt.Sprintf("a %T", v)
	}
}

const maxDepth = 1000

// appendJSON appends v; members of maps are sorted by name.
func appendJSON(dst []byte, v any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return dst, errors.New("is nested too deep")
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case json.Number:
		return append(dst, v...), nil
	case string:
		if !utf8.ValidString(v) {
			return dst, errors.New("is a text that is not UTF-8")
		}
		return jsontext.AppendQuote(dst, v)
	case []any:
		return appendList(dst, v, depth)
	case map[string]any:
		return appendMap(dst, v, depth)
	}
	b, err := json.Marshal(v) // floats, and what functions return
	if err != nil {
		return dst, fmt.Errorf("is a %T that JSON cannot hold", v)
	}
	return append(dst, b...), nil
}

func appendList(dst []byte, v []any, depth int) (_ []byte, err error) {
	dst = append(dst, '[')
	for i, item := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(dst, item, depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func appendMap(dst []byte, v map[string]any, depth int) (_ []byte, err error) {
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(v)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(dst, name, depth+1); err != nil {
			return dst, err
		}
		dst = append(dst, ':')
		if dst, err = appendJSON(dst, v[name], depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}
