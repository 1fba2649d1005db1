// Package lines writes messages as lines of text, for the sinks that print or
// store them.
package lines

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/formats/jsonscan"
)

// The formats of a line.
const (
	// Value is the value alone: JSON over several lines becomes one line.
	// Keys, headers and times are left out, a tombstone is refused.
	Value = "value"
	// JSON is {"data": …, "metadata": {…}} with all that the message has; a
	// source that reads it gets the same message.
	JSON = "json"
)

// Append appends m as one line with its end. On an error, of kind Invalid,
// dst comes back as it was.
func Append(dst []byte, format string, m *connector.Message) ([]byte, error) {
	start := len(dst)
	var err error
	if format == JSON {
		dst, err = appendJSON(dst, m)
	} else {
		dst, err = appendValue(dst, m.Value)
	}
	if err != nil {
		return dst[:start], err
	}
	return append(dst, '\n'), nil
}

func appendValue(dst, value []byte) ([]byte, error) {
	if value == nil {
		return dst, connector.Errorf(connector.Invalid, "a tombstone has no value to write; use format json")
	}
	if bytes.IndexByte(value, '\n') < 0 {
		return append(dst, value...), nil
	}
	one := bytes.NewBuffer(dst)
	if json.Compact(one, value) != nil {
		return dst, connector.Errorf(connector.Invalid, "the value has several lines and is not JSON; use format json")
	}
	return one.Bytes(), nil
}

func appendJSON(dst []byte, m *connector.Message) (_ []byte, err error) {
	dst = append(dst, `{"data":`...)
	if dst, err = appendData(dst, m); err != nil {
		return dst, err
	}
	start := len(dst)
	dst = append(dst, `,"metadata":{`...)
	empty := len(dst)
	member := func(name string) {
		if len(dst) > empty {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), name...), `":`...)
	}
	if m.Topic != "" {
		member("dest_topic")
		if dst, err = appendText(dst, "the topic", m.Topic); err != nil {
			return dst, err
		}
	}
	if m.Key != nil {
		member("key")
		if len(m.Key) > 0 && utf8.Valid(m.Key) {
			dst, _ = jsonscan.AppendString(dst, m.Key)
		} else {
			dst = appendBinary(dst, m.Key)
		}
	}
	if !m.Time.IsZero() {
		member("time")
		dst = strconv.AppendInt(dst, m.Time.UnixMilli(), 10)
	}
	if m.Partition >= 0 {
		member("partition")
		dst = strconv.AppendInt(dst, int64(m.Partition), 10)
	}
	if len(m.Headers) > 0 {
		member("headers")
		if dst, err = appendHeaders(dst, m.Headers); err != nil {
			return dst, err
		}
	}
	if len(dst) == empty {
		return append(dst[:start], '}'), nil
	}
	return append(dst, "}}"...), nil
}

// appendData writes the value as it stands where it is JSON, and as
// {"$binary": base64} where it is not, or would be read as something else.
func appendData(dst []byte, m *connector.Message) ([]byte, error) {
	v := jsonscan.Trim(m.Value)
	switch {
	case m.Value == nil && m.Key == nil:
		return dst, connector.Errorf(connector.Invalid, "a tombstone without a key cannot be told from null")
	case m.Value == nil:
		return append(dst, "null"...), nil
	case string(v) == "null" && m.Key != nil, // a tombstone
		len(v) > 0 && v[0] == '{' && bytes.HasPrefix(v[jsonscan.Space(v, 1):], []byte(`"$binary"`)),
		!utf8.Valid(v):
		return appendBinary(dst, m.Value), nil
	}
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		if jsonscan.Valid(v) {
			return append(dst, v...), nil
		}
		return appendBinary(dst, m.Value), nil
	}
	one := bytes.NewBuffer(dst)
	if json.Compact(one, v) != nil {
		return appendBinary(dst, m.Value), nil
	}
	return one.Bytes(), nil
}

func appendBinary(dst, b []byte) []byte {
	dst = append(dst, `{"$binary":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, `"}`...)
}

func appendHeaders(dst []byte, headers []connector.Header) (_ []byte, err error) {
	dst = append(dst, '[')
	for i, h := range headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"key":`...)
		if dst, err = appendText(dst, "a header's name", h.Key); err != nil {
			return dst, err
		}
		dst = append(dst, `,"value":`...)
		if h.Value == nil {
			dst = append(dst, "null"...)
		} else if dst, err = appendText(dst, "a header's value", string(h.Value)); err != nil {
			return dst, err
		}
		dst = append(dst, '}')
	}
	return append(dst, ']'), nil
}

func appendText(dst []byte, what, s string) ([]byte, error) {
	out, ok := jsonscan.AppendString(dst, s)
	if !ok || !utf8.ValidString(s) {
		return dst, connector.Errorf(connector.Invalid, "%s is not UTF-8 text", what)
	}
	return out, nil
}
