package transform

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/formats"
	"github.com/headrace/headrace/connector/formats/jsonscan"
)

// output is the message as the expressions want it. The errors of its methods
// go on from the name of a key.
type output struct {
	connector.Message
	keep    bool
	nothing bool // the new data is nil
	was     *connector.Message
	record  *record
}

func (o *output) setKeep(v any) error {
	b, ok := v.(bool)
	if !ok {
		return fmt.Errorf("must be true or false; this is %s", kind(v))
	}
	o.keep = b
	return nil
}

func (o *output) setData(v any) error {
	b, err := o.record.appendJSON(nil, v, 0)
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

func (o *output) setKey(v any) (err error) {
	if o.Key, err = o.bytes(v); len(o.Key) == 0 {
		o.Key = nil
	}
	return err
}

// bytes returns a text as it stands and anything else as JSON; nil for nil.
func (o *output) bytes(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		if jsonscan.HasHalf(v) && !o.had(v) {
			return nil, errors.New("has half of a surrogate pair, which no text can hold")
		}
		return []byte(v), nil
	default:
		return o.record.appendJSON(nil, v, 0)
	}
}

// had reports that the message came with the bytes of v, whatever they are.
func (o *output) had(v string) bool {
	return string(o.was.Key) == v || slices.ContainsFunc(o.was.Headers, func(h connector.Header) bool { return string(h.Value) == v })
}

func (o *output) setTime(v any) error {
	switch v := v.(type) {
	case nil:
		o.Time = time.Time{}
		return nil
	case time.Time:
		o.Time = v
		return nil
	case string:
		t, err := formats.ParseTime(v)
		if err != nil {
			return fmt.Errorf("is a text that is %w", err)
		}
		o.Time = t
		return nil
	}
	ms, ok := integer(v)
	if !ok || ms < 0 {
		return fmt.Errorf("is %s instead of ms since 1970, a date or a time", kind(v))
	}
	o.Time = time.UnixMilli(ms)
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
		for i, item := range v {
			h, ok := item.(map[string]any)
			name, named := h["key"].(string)
			if !ok || !named {
				return fmt.Errorf("is a list whose item %d is something else than {key, value}", i+1)
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
	b, err := o.bytes(v)
	if err != nil {
		return fmt.Errorf("has a header %q whose value %w", name, err)
	}
	o.Headers = append(o.Headers, connector.Header{Key: name, Value: b})
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
	case *float64:
		return integer(*v)
	}
	return 0, false
}

// tellable bounds the numbers that an error may show: they help to see what an
// expression is, and tell nothing about anybody.
const tellable = 1000

// kind names what v is, without its value unless that is a small number.
func kind(v any) string {
	switch n, whole := integer(v); {
	case v == nil:
		return "nil"
	case whole && -tellable < n && n < tellable:
		return fmt.Sprintf("the number %d", n)
	}
	switch v.(type) {
	case bool:
		return "a bool"
	case string:
		return "a text"
	case int, int64, float64, *float64, json.Number:
		return "a number"
	case map[string]any:
		return "a map"
	case []any:
		return "a list"
	case time.Time:
		return "a time"
	default:
		return "something else"
	}
}

const maxDepth = jsonscan.MaxDepth

// appendJSON appends v: what was decoded and is untouched as its bytes, other
// maps with their members sorted by name.
func (r *record) appendJSON(dst []byte, v any, depth int) ([]byte, error) {
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
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return dst, errors.New("is not a number or infinite, which JSON cannot hold")
		}
		return appendFloat(dst, v), nil
	case *float64:
		if text, ok := r.texts[v]; ok {
			return append(dst, text...), nil
		}
		return r.appendJSON(dst, *v, depth)
	case json.Number:
		return append(dst, v...), nil
	case string:
		out, ok := jsonscan.AppendString(dst, v)
		if !ok {
			return dst, errors.New("is a text that is not UTF-8")
		}
		return out, nil
	case []any:
		return r.appendList(dst, v, depth)
	case map[string]any:
		return r.appendMap(dst, v, depth)
	}
	b, err := json.Marshal(v) // what functions return
	if err != nil {
		return dst, fmt.Errorf("is a %T that JSON cannot hold", v)
	}
	return append(dst, b...), nil
}

// originOf returns the place of a decoded map, with length -1, or list.
func originOf(v any, length int) origin {
	return origin{reflect.ValueOf(v).Pointer(), length}
}

func (r *record) appendList(dst []byte, v []any, depth int) (_ []byte, err error) {
	if len(r.raw) > 0 {
		if b, ok := r.raw[originOf(v, len(v))]; ok {
			return append(dst, b...), nil
		}
	}
	dst = append(dst, '[')
	for i, item := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = r.appendJSON(dst, item, depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func (r *record) appendMap(dst []byte, v map[string]any, depth int) (_ []byte, err error) {
	if len(r.raw) > 0 {
		if b, ok := r.raw[originOf(v, -1)]; ok {
			return append(dst, b...), nil
		}
	}
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(v)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = r.appendJSON(dst, name, depth+1); err != nil {
			return dst, err
		}
		dst = append(dst, ':')
		if dst, err = r.appendJSON(dst, v[name], depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}
