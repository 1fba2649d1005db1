package produce

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// requestV2 is what a v2 body says beside its records.
type requestV2 struct {
	format                 string
	topic                  string
	partition              int32
	max                    int
	keySchema, valueSchema schemaV2
	seen                   bool   // records were there
	failed                 bool   // 207 where records failed
	metadata               bool   // records may have headers and a timestamp
	key                    []byte // of formatRaw
}

type schemaV2 struct {
	text string
	id   int
}

func unrecognized(rawName []byte) error {
	return wire.Errorf(http.StatusUnprocessableEntity, "Unrecognized field: %s", nameOf(rawName))
}

func badBody(format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, "Bad Request: "+format, args...)
}

// syntax turns an error of the decoder into the answer.
func syntax(err error) error {
	var s *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badBody("the body is not JSON: it ends early")
	case errors.As(err, &s):
		return badBody("the body is not JSON: %v at byte %d", s.Err, s.ByteOffset)
	default:
		return err
	}
}

// decodeV2 reads the body in buf into messages. Nothing is published when any
// of it is wrong, so the first fault is the answer.
func (b *batch) decodeV2(req *requestV2) error {
	switch kind := b.dec.PeekKind(); kind {
	case '{':
	case 'n':
		return wire.Errorf(http.StatusUnprocessableEntity, "must not be null")
	default:
		if _, err := b.dec.ReadToken(); errors.Is(err, io.EOF) {
			return wire.Errorf(http.StatusUnprocessableEntity, "must not be null")
		} else if err != nil {
			return syntax(err)
		}
		return badBody("the body must be a JSON object")
	}
	if err := b.token(); err != nil {
		return err
	}
	for b.dec.PeekKind() != '}' {
		name, err := b.dec.ReadValue()
		if err != nil {
			return syntax(err)
		}
		if err := b.fieldV2(req, name); err != nil {
			return err
		}
	}
	if err := b.token(); err != nil {
		return err
	}
	if _, err := b.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return badBody("there is more than one JSON value in the body")
	}
	switch {
	case !req.seen:
		return wire.Errorf(http.StatusUnprocessableEntity, "records must not be null")
	case len(b.messages) == 0:
		return wire.Errorf(http.StatusUnprocessableEntity, "records may not be empty")
	}
	return nil
}

func (b *batch) fieldV2(req *requestV2, name []byte) error {
	schema := &req.keySchema
	switch string(name) {
	case `"records"`:
		return b.recordsV2(req)
	case `"value_schema"`:
		schema = &req.valueSchema
		fallthrough
	case `"key_schema"`:
		v, err := b.dec.ReadValue()
		switch {
		case err != nil:
			return syntax(err)
		case v.Kind() == '"':
			schema.text = string(text(v))
		case v.Kind() != 'n':
			return badBody("a schema must be a string")
		}
		return nil
	case `"value_schema_id"`:
		schema = &req.valueSchema
		fallthrough
	case `"key_schema_id"`:
		v, err := b.dec.ReadValue()
		if err != nil {
			return syntax(err)
		}
		id, ok := integer(v)
		if !ok || v.Kind() != 'n' && id <= 0 {
			return badBody("a schema id must be an integer of at least 1")
		}
		schema.id = id
		return nil
	default:
		return unrecognized(name)
	}
}

// integer reads a JSON number, a string that holds one, or null, which is 0.
func integer(v jsontext.Value) (int, bool) {
	switch v.Kind() {
	case 'n':
		return 0, true
	case '"':
		v = v[1 : len(v)-1]
		fallthrough
	case '0':
		n, err := strconv.ParseInt(string(v), 10, 32)
		return int(n), err == nil
	default:
		return 0, false
	}
}

func (b *batch) recordsV2(req *requestV2) error {
	switch kind := b.dec.PeekKind(); kind {
	case '[':
	case 'n':
		return b.token()
	default:
		if err := b.token(); err != nil {
			return err
		}
		return badBody("records must be an array")
	}
	if err := b.token(); err != nil {
		return err
	}
	req.seen = true
	b.messages = b.messages[:0] // of two fields with the name the last one counts
	for b.dec.PeekKind() != ']' {
		if len(b.messages) == req.max {
			return wire.Errorf(http.StatusRequestEntityTooLarge, "more than %d records in one request; send them in several", req.max)
		}
		b.messages = append(b.messages, connector.Message{Topic: req.topic, Partition: req.partition})
		if err := b.recordV2(req, &b.messages[len(b.messages)-1]); err != nil {
			return err
		}
	}
	return b.token()
}

// token reads the next token, which was peeked at.
func (b *batch) token() error {
	if _, err := b.dec.ReadToken(); err != nil {
		return syntax(err)
	}
	return nil
}

func (b *batch) recordV2(req *requestV2, m *connector.Message) error {
	if kind := b.dec.PeekKind(); kind != '{' {
		if err := b.token(); err != nil {
			return err
		}
		return badBody("records[%d] must be an object", len(b.messages)-1)
	}
	if err := b.token(); err != nil {
		return err
	}
	for b.dec.PeekKind() != '}' {
		name, err := b.dec.ReadValue()
		if err != nil {
			return syntax(err)
		}
		switch string(name) {
		case `"key"`:
			m.Key, err = b.payloadV2(req.format)
		case `"value"`:
			m.Value, err = b.payloadV2(req.format)
		case `"partition"`:
			err = b.partitionV2(m)
		case `"headers"`, `"timestamp"`:
			if !req.metadata {
				return unrecognized(name)
			}
			err = b.metadataV2(m, name[1] == 'h')
		default:
			err = unrecognized(name)
		}
		if err != nil {
			return err
		}
	}
	return b.token()
}

// payloadV2 reads a key or value. Those of the formats with a schema stay
// JSON: the schema may come behind them.
func (b *batch) payloadV2(format string) ([]byte, error) {
	v, err := b.dec.ReadValue()
	if err != nil {
		return nil, syntax(err)
	}
	switch {
	case v.Kind() == 'n':
		return nil, nil
	case format != formatBinary:
		return compact(v), nil
	case v.Kind() != '"':
		return nil, badBody("records[%d]: a key or value must be a base64 string", len(b.messages)-1)
	}
	data, err := decodeBase64(v)
	if err != nil {
		return nil, badBody("records[%d]: a key or value is not a valid base64 string", len(b.messages)-1)
	}
	return data, nil
}

// metadataV2 reads headers or a timestamp, in the shapes of v3.
func (b *batch) metadataV2(m *connector.Message, headers bool) error {
	rec := recordV3{firstHeader: len(b.headers)}
	if headers {
		if err := b.decodeHeaders(&rec); err != nil {
			return syntax(err)
		}
		m.Headers = b.headers[rec.firstHeader:len(b.headers):len(b.headers)]
	} else {
		v, err := b.dec.ReadValue()
		if err != nil {
			return syntax(err)
		}
		rec.decodeTime(v)
		m.Time = rec.time
	}
	if rec.failure.code != 0 {
		return wire.Errorf(rec.failure.code, "%s (records[%d])", rec.failure.message, len(b.messages)-1)
	}
	return nil
}

func (b *batch) partitionV2(m *connector.Message) error {
	v, err := b.dec.ReadValue()
	if err != nil {
		return syntax(err)
	}
	n, ok := integer(v)
	switch {
	case !ok:
		return badBody("records[%d]: partition must be an integer", len(b.messages)-1)
	case n < 0:
		return wire.Errorf(http.StatusUnprocessableEntity, "records[%d].partition must be greater than or equal to 0", len(b.messages)-1)
	case v.Kind() != 'n':
		m.Partition = int32(n)
	}
	return nil
}
