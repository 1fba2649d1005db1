package produce

import (
	"bytes"
	"encoding/base64"
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// compact removes the white space between the tokens of a valid JSON value, in
// place. Numbers and strings keep their spelling.
func compact(v []byte) []byte {
	i := bytes.IndexAny(v, " \t\r\n")
	if i < 0 {
		return v
	}
	// The first blank may be inside a string: start over from the value's
	// beginning, without writing until something was removed.
	out, inString := 0, false
	for j := 0; j < len(v); j++ {
		c := v[j]
		switch {
		case inString:
			if c == '\\' {
				v[out] = c
				out++
				j++
				c = v[j] // valid JSON has a character behind a backslash
			} else if c == '"' {
				inString = false
			}
		case c == '"':
			inString = true
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		}
		v[out] = c
		out++
	}
	return v[:out]
}

// text returns the characters of a JSON string. They lie in raw when it has no
// escapes, else in memory of their own.
func text(raw []byte) []byte {
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	out, err := jsontext.AppendUnquote(make([]byte, 0, len(inner)), raw)
	if err != nil {
		return inner // raw came from the decoder: it is a valid string
	}
	return out
}

var errBase64 = errors.New("not base64")

// decodeBase64 decodes a JSON string of base64 in place, with or without
// padding, as the original's decoders do together.
func decodeBase64(raw []byte) ([]byte, error) {
	src := text(raw)
	if bytes.IndexByte(src, '\n') >= 0 || bytes.IndexByte(src, '\r') >= 0 {
		return nil, errBase64 // Go skips line breaks, the original does not
	}
	padded := len(src)
	for padded > 0 && len(src)-padded < 2 && src[padded-1] == '=' {
		padded--
	}
	if padded < len(src) && len(src)%4 != 0 {
		return nil, errBase64
	}
	src = src[:padded]
	n, err := base64.RawStdEncoding.Decode(src, src)
	if err != nil {
		return nil, errBase64
	}
	return src[:n:n], nil
}

// appendTime writes milliseconds as Java's Instant does: UTC, three digits of
// fraction or none.
func appendTime(b []byte, ms int64) []byte {
	layout := "2006-01-02T15:04:05Z"
	if ms%1000 != 0 {
		layout = "2006-01-02T15:04:05.000Z"
	}
	return time.UnixMilli(ms).UTC().AppendFormat(b, layout)
}

// name compares the raw form of an object's name.
func nameOf(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	return string(text(raw))
}
