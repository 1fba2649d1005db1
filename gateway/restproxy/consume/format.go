package consume

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
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
	formatString = "string" // asked for by a request; it has no media type
)

var (
	formats = []string{formatBinary, formatJSON, schema.FormatAvro, schema.FormatJSONSchema, schema.FormatProtobuf}
	// readFormats are those that a request may ask for.
	readFormats = append([]string{formatString}, formats...)
	// embeddedTypes are the media types of formats, stateTypes all that bodies
	// of v2 may have.
	embeddedTypes = mediaTypes()
	stateTypes    = append([]string{wire.V2, wire.JSON}, embeddedTypes...)
)

func mediaTypes() []string {
	types := make([]string, len(formats))
	for i, f := range formats {
		types[i] = mediaTypeOf(f)
	}
	return types
}

// typesV3 are the names that v3 has for the formats.
var typesV3 = func() map[string]string {
	names := map[string]string{}
	for _, f := range readFormats {
		names[f] = strings.ToUpper(f)
	}
	return names
}()

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

// payloads writes keys and values as JSON, each in its own format.
type payloads struct {
	ctx     context.Context
	format  string // of values
	keys    string // of keys
	decoder Decoder
	away    error // why the decoder could not say anything: a later try may
}

// append adds the JSON of data, or says why that cannot be.
func (p *payloads) append(o []byte, format string, data []byte) ([]byte, string) {
	switch {
	case data == nil:
		return append(o, "null"...), ""
	case format == formatBinary:
		return appendBase64(o, data), ""
	case format == formatString:
		if !utf8.Valid(data) {
			return o, "the bytes are not UTF-8"
		}
		out, _ := jsontext.AppendQuote(o, data) // it fails on what is not UTF-8
		return out, ""
	case format == formatJSON:
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
			return o, firstLine(err.Error())
		}
		return append(o, text...), ""
	}
}

func appendBase64(o, data []byte) []byte {
	o = append(o, '"')
	o = base64.StdEncoding.AppendEncode(o, data)
	return append(o, '"')
}

// unread adds what is said of a part that is not in its format: members of the
// object that stands for it.
func appendUnread(o, data []byte, reason string) []byte {
	o = append(o, `"error_code":`...)
	o = strconv.AppendInt(o, wire.CodeSerialization, 10)
	o = append(o, `,"message":`...)
	o = wire.AppendText(o, reason)
	o = append(o, `,"raw":`...)
	return appendBase64(o, data)
}

// partV2 adds a key or value of v2. One that is not in its format is an object
// with the reason and the bytes: it hides neither the other half nor the other
// records.
func (p *payloads) partV2(o []byte, format string, data []byte) ([]byte, string) {
	o, bad := p.append(o, format, data)
	if bad != "" {
		o = append(appendUnread(append(o, '{'), data, bad), '}')
	}
	return o, bad
}

// partV3 adds a key or value of v3.
func (p *payloads) partV3(o []byte, format string, data []byte) ([]byte, string) {
	o = append(o, `{"type":"`...)
	o = append(o, typesV3[format]...)
	o = append(o, `","data":`...)
	o, bad := p.append(o, format, data)
	if bad != "" {
		o = appendUnread(append(o, "null,"...), data, bad)
	}
	return append(o, '}'), bad
}

// both adds a record's key and value under their names, each by part, and
// returns what is wrong with them.
func (p *payloads) both(o []byte, rec *reader.Record, part func([]byte, string, []byte) ([]byte, string)) ([]byte, string) {
	o, badKey := part(append(o, `,"key":`...), p.keys, rec.Key)
	o, bad := part(append(o, `,"value":`...), p.format, rec.Value)
	if bad != "" {
		bad = "value: " + bad
	}
	if badKey != "" {
		bad = strings.TrimSuffix("key: "+badKey+"; "+bad, "; ")
	}
	return o, bad
}

// readFormat is the format that a query parameter asks for, otherwise where it
// is not there.
func (h *Handler) readFormat(query url.Values, name, otherwise string) (string, error) {
	f := query.Get(name)
	switch {
	case f == "":
		return otherwise, nil
	case !slices.Contains(readFormats, f):
		return "", wire.Errorf(http.StatusBadRequest, "Bad Request: %s must be one of binary, string, json, avro, jsonschema and protobuf", name)
	case hasSchema(f) && h.cfg.Decoder == nil:
		return "", errNoRegistry()
	default:
		return f, nil
	}
}

func errNoRegistry() error {
	return wire.Payload("Schema Registry must be configured when using schemas.")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// appendBad adds the error of a record that cannot be read in the format.
func appendBad(o []byte, reason string) []byte {
	o = append(o, `,"error_code":`...)
	o = strconv.AppendInt(o, wire.CodeSerialization, 10)
	o = append(o, `,"error":`...)
	return wire.AppendText(o, reason)
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
