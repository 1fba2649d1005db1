package formats

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/formats/jsonscan"
)

// Envelope decodes Mage's messages: a scalar, or a map whose only keys are
// "data" and "metadata". Anything else is data as it stands, so a record that
// owns a column called data keeps all of its columns.
type Envelope struct {
	// Loose is Mage's own rule: a key "data" anywhere in the map makes it an
	// envelope, and what stands beside it is dropped.
	Loose bool
	// NullAsJSON sends the data null of a keyed message as the text null
	// instead of a tombstone.
	NullAsJSON bool
}

// Decode fills Value, and with an envelope Key, Topic, Time, Partition and
// Headers, from one JSON text. Value is part of line, not a copy.
//
//   - metadata null is no metadata; members other than dest_topic, key, time,
//     partition and headers are not looked at.
//   - key: a string is its UTF-8, a number or any other JSON its text;
//     {"$binary": base64} is bytes; null and "" are no key.
//   - data null with a key is a tombstone, without one the text null;
//     {"$binary": base64} is bytes.
//   - time is in ms since the epoch.
//   - headers is a map of names to strings, or a list of {"key", "value"}.
//
// An error is of kind Invalid and names the byte, never the text.
func (e *Envelope) Decode(line []byte, m *connector.Message) error {
	line = jsonscan.Trim(line)
	m.Value = line
	if !utf8.Valid(line) || !jsonscan.Valid(line) {
		return jsonscan.Check(line)
	}
	if len(line) < 2 || line[0] != '{' || !e.maybe(line) {
		return nil
	}
	var data, metadata []byte
	other := false
	jsonscan.Members(line, func(name, value []byte) {
		switch {
		case jsonscan.NameIs(name, "data"):
			data = value
		case jsonscan.NameIs(name, "metadata"):
			metadata = value
		default:
			other = true
		}
	})
	if e.Loose {
		if data == nil {
			data = line
		}
	} else if data == nil || other {
		return nil
	}
	if err := decodeMetadata(metadata, m); err != nil {
		return err
	}
	return e.setData(data, m)
}

// maybe tells quickly that an object is no envelope: its first name begins
// like neither of the two.
func (e *Envelope) maybe(line []byte) bool {
	if e.Loose {
		return true
	}
	i := jsonscan.Space(line, 1) + 1 // the first byte of the name, or the end of {}
	return i < len(line) && (line[i] == 'd' || line[i] == 'm' || line[i] == '\\')
}

func (e *Envelope) setData(data []byte, m *connector.Message) error {
	if string(data) == "null" && m.Key != nil && !e.NullAsJSON {
		m.Value = nil
		return nil
	}
	raw, ok, err := binary64("data", data)
	if ok || err != nil {
		m.Value = raw
		return err
	}
	m.Value = data
	return nil
}

// binary64 reads {"$binary": base64}.
func binary64(what string, value []byte) (raw []byte, ok bool, err error) {
	if len(value) < 2 || value[0] != '{' || !bytes.HasPrefix(value[jsonscan.Space(value, 1):], []byte(`"$binary"`)) {
		return nil, false, nil
	}
	var v map[string]string
	if json.Unmarshal(value, &v) != nil || len(v) != 1 {
		return nil, false, nil
	}
	raw, err = base64.StdEncoding.DecodeString(v["$binary"])
	if err != nil {
		return nil, true, connector.Errorf(connector.Invalid, "%s: $binary is not base64", what)
	}
	return raw, true, nil
}

func decodeMetadata(metadata []byte, m *connector.Message) (err error) {
	if metadata == nil || string(metadata) == "null" {
		return nil
	}
	if metadata[0] != '{' {
		return connector.Errorf(connector.Invalid, "metadata is neither a map nor null")
	}
	jsonscan.Members(metadata, func(name, value []byte) {
		if err != nil || string(value) == "null" {
			return
		}
		switch string(name[1 : len(name)-1]) {
		case "dest_topic":
			m.Topic, err = text("metadata.dest_topic", value)
		case "key":
			m.Key, err = Key(value)
		case "time":
			m.Time, err = millis(value)
		case "partition":
			m.Partition, err = partition(value)
		case "headers":
			m.Headers, err = headers(value)
		}
	})
	return err
}

func text(what string, value []byte) (string, error) {
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return "", connector.Errorf(connector.Invalid, "%s is not a string", what)
	}
	return s, nil
}

// Key returns the bytes of a key given as JSON; see Envelope.Decode. The
// result is nil for null and "".
func Key(value []byte) ([]byte, error) {
	switch {
	case string(value) == "null" || string(value) == `""`:
		return nil, nil
	case value[0] == '"' && bytes.IndexByte(value, '\\') < 0:
		return value[1 : len(value)-1], nil
	case value[0] == '"':
		s, err := text("metadata.key", value)
		return []byte(s), err
	}
	if raw, ok, err := binary64("metadata.key", value); ok {
		return raw, err
	}
	return value, nil
}

func millis(value []byte) (time.Time, error) {
	ms, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(string(value), 64)
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return time.Time{}, connector.Errorf(connector.Invalid, "metadata.time is not a whole number of milliseconds")
		}
		ms = int64(f)
	}
	if ms < 0 {
		return time.Time{}, connector.Errorf(connector.Invalid, "metadata.time is before 1970")
	}
	return time.UnixMilli(ms), nil
}

func partition(value []byte) (int32, error) {
	n, err := strconv.ParseInt(string(value), 10, 32)
	if err != nil || n < 0 {
		return connector.AnyPartition, connector.Errorf(connector.Invalid, "metadata.partition is not a whole number from 0")
	}
	return int32(n), nil
}

func headers(value []byte) ([]connector.Header, error) {
	var out []connector.Header
	add := func(key string, v *string) {
		h := connector.Header{Key: key}
		if v != nil {
			h.Value = []byte(*v)
		}
		out = append(out, h)
	}
	if value[0] == '[' {
		var list []struct {
			Key   string  `json:"key"`
			Value *string `json:"value"`
		}
		if json.Unmarshal(value, &list) == nil {
			for _, h := range list {
				add(h.Key, h.Value)
			}
			return out, nil
		}
	} else if value[0] == '{' {
		var err error
		jsonscan.Members(value, func(name, v []byte) {
			var key string
			var s *string
			if json.Unmarshal(name, &key) != nil || json.Unmarshal(v, &s) != nil {
				err = errHeaders
				return
			}
			add(key, s)
		})
		if err == nil {
			return out, nil
		}
	}
	return nil, errHeaders
}

var errHeaders = connector.Errorf(connector.Invalid, `metadata.headers is neither a map of strings nor a list of {"key", "value"}`)
