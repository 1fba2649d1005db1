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
//   - time is in ms since the epoch, or a text that ParseTime takes.
//   - headers is a map of names to scalars, or a list of {"key", "value"}; a
//     number, true or false becomes its text.
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
		switch {
		case jsonscan.NameIs(name, "dest_topic"):
			m.Topic, err = text("metadata.dest_topic", value)
		case jsonscan.NameIs(name, "key"):
			m.Key, err = Key(value)
		case jsonscan.NameIs(name, "time"):
			m.Time, err = millis(value)
		case jsonscan.NameIs(name, "partition"):
			m.Partition, err = partition(value)
		case jsonscan.NameIs(name, "headers"):
			m.Headers, err = headers(value)
		}
	})
	return err
}

// text reads a string.
func text(what string, value []byte) (string, error) {
	if value[0] != '"' {
		return "", connector.Errorf(connector.Invalid, "%s is not a string", what)
	}
	s := string(jsonscan.AppendText(nil, value))
	if !utf8.ValidString(s) {
		return "", connector.Errorf(connector.Invalid, "%s has half of a surrogate pair, which no text can hold", what)
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
		if err != nil {
			return nil, err
		}
		return []byte(s), nil
	}
	if raw, ok, err := binary64("metadata.key", value); ok {
		return raw, err
	}
	return value, nil
}

func millis(value []byte) (time.Time, error) {
	if value[0] == '"' {
		s, err := text("metadata.time", value)
		if err != nil {
			return time.Time{}, err
		}
		t, err := ParseTime(s)
		if err != nil {
			return time.Time{}, connector.Errorf(connector.Invalid, "metadata.time is %w", err)
		}
		return t, nil
	}
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

func headers(value []byte) (out []connector.Header, err error) {
	add := func(name string, v []byte) {
		h := connector.Header{Key: name}
		if h.Value, err = headerValue(name, v); err == nil {
			out = append(out, h)
		}
	}
	switch value[0] {
	case '{':
		jsonscan.Members(value, func(name, v []byte) {
			var key string
			if err == nil {
				key, err = text("the name in metadata.headers", name)
			}
			if err == nil {
				add(key, v)
			}
		})
	case '[':
		item := 0
		jsonscan.Items(value, func(v []byte) {
			if item++; err != nil {
				return
			}
			var name, of []byte
			if !jsonscan.Members(v, func(member, v []byte) {
				switch {
				case jsonscan.NameIs(member, "key"):
					name = v
				case jsonscan.NameIs(member, "value"):
					of = v
				}
			}) || name == nil {
				err = connector.Errorf(connector.Invalid, `metadata.headers: item %d is not {"key", "value"}`, item)
				return
			}
			var key string
			if key, err = text("metadata.headers: the key of item "+strconv.Itoa(item), name); err == nil {
				add(key, of)
			}
		})
	default:
		err = connector.Errorf(connector.Invalid, `metadata.headers is neither a map nor a list of {"key", "value"}`)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// headerValue reads a scalar; nil for null, and for none.
func headerValue(name string, v []byte) ([]byte, error) {
	switch {
	case v == nil || string(v) == "null":
		return nil, nil
	case v[0] == '"':
		s, err := text("metadata.headers: the value of "+strconv.Quote(name), v)
		if err != nil {
			return nil, err
		}
		return []byte(s), nil
	case v[0] == '{' || v[0] == '[':
		return nil, connector.Errorf(connector.Invalid, "metadata.headers: the value of %q is a map or a list instead of a text, a number, true or false", name)
	}
	return v, nil
}
