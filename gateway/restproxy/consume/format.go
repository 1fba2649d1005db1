package consume

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/connector/schema"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// The embedded formats.
const (
	formatBinary = "binary"
	formatJSON   = "json"
	formatString = "string" // stateless reads only
)

var formats = []string{formatBinary, formatJSON, schema.FormatAvro, schema.FormatJSONSchema, schema.FormatProtobuf}

func hasSchema(format string) bool { return schema.TypeOf(format) != "" }

func mediaTypeOf(format string) string { return "application/vnd.kafka." + format + ".v2+json" }

// formatOf is the embedded format of a media type, "" for others.
func formatOf(mediaType string) string {
	name, ok := strings.CutPrefix(mediaType, "application/vnd.kafka.")
	name, ok2 := strings.CutSuffix(name, ".v2+json")
	if ok && ok2 && slices.Contains(formats, name) {
		return name
	}
	return ""
}

func integer(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// payloads writes keys and values as JSON.
type payloads struct {
	ctx     context.Context
	format  string
	typeV3  string // the format's name in v3
	decoder Decoder
	away    error // why the decoder could not say anything: a later try may
}

// append adds the JSON of data, or says why that cannot be.
func (p *payloads) append(o, data []byte) ([]byte, string) {
	switch {
	case data == nil:
		return append(o, "null"...), ""
	case p.format == formatBinary:
		o = append(o, '"')
		o = base64.StdEncoding.AppendEncode(o, data)
		return append(o, '"'), ""
	case p.format == formatString:
		if !utf8.Valid(data) {
			return o, "the bytes are not UTF-8"
		}
		out, _ := jsontext.AppendQuote(o, data) // it fails on what is not UTF-8
		return out, ""
	case p.format == formatJSON:
		if !jsontext.Value(data).IsValid(jsontext.AllowDuplicateNames(true)) {
			return o, "the bytes are not JSON"
		}
		return append(o, data...), ""
	default:
		text, err := p.decoder.Decode(p.ctx, nil, data)
		if err != nil {
			if connector.KindOf(err).Retriable() {
				p.away = err
			}
			return o, err.Error()
		}
		return append(o, text...), ""
	}
}

// both adds a record's key and value under their names. When one of them
// cannot be read both are null and the reason is returned: one bad record is
// no wall before the others.
func (p *payloads) both(o []byte, rec *reader.Record, before, between, after string) ([]byte, string) {
	start := len(o)
	o = append(o, before...)
	part := "key: "
	o, bad := p.append(o, rec.Key)
	if bad == "" {
		o = append(o, between...)
		part = "value: "
		o, bad = p.append(o, rec.Value)
	}
	if bad != "" {
		bad = part + bad
		o = append(o[:start], before...)
		o = append(o, "null"...)
		o = append(o, between...)
		o = append(o, "null"...)
	}
	return append(o, after...), bad
}

func appendText(o []byte, s string) []byte {
	out, _ := jsontext.AppendQuote(o, s) // the error says that a character was replaced
	return out
}

// appendBad adds the error of a record that cannot be read in the format.
func appendBad(o []byte, reason string) []byte {
	o = append(o, `,"error_code":`...)
	o = strconv.AppendInt(o, wire.CodeSerialization, 10)
	o = append(o, `,"error":`...)
	line, _, _ := strings.Cut(reason, "\n")
	return appendText(o, line)
}

// writer sends an answer in pieces, so that it needs not be held as a whole.
type writer struct {
	w   http.ResponseWriter
	buf []byte
}

const writeAt = 64 << 10

func (w *writer) flush(force bool) {
	if force || len(w.buf) >= writeAt {
		_, _ = w.w.Write(w.buf) // the client is gone; nobody is left to tell
		w.buf = w.buf[:0]
	}
}
