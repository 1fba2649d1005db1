package produce

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// recordV3 is one record as it was sent.
type recordV3 struct {
	id           jsontext.Value // records:batch only
	partition    int32
	firstHeader  int
	headerCount  int
	key, value   dataV3
	time         time.Time
	failure      failure // the first thing wrong with it
	unrecognized string
}

// dataV3 is a data object of a record.
type dataV3 struct {
	present  bool
	kind     string
	subject  string
	strategy string
	schema   string
	id       int
	version  int
	fields   uint8          // which of the schema fields were there
	data     jsontext.Value // nil stands for null
}

const (
	hasSubject = 1 << iota
	hasStrategy
	hasSchema
	hasID
	hasVersion
)

func (rec *recordV3) fail(f failure) {
	if rec.failure.code == 0 {
		rec.failure = f
	}
}

func badData(format string, args ...any) failure {
	return failf(http.StatusBadRequest, "Bad Request: "+format, args...)
}

// decodeRecord reads one record object of v3. What is wrong with its content
// is noted in rec and the rest is skipped; an error is broken JSON or a broken
// connection, behind which nothing can be read.
func (b *batch) decodeRecord(rec *recordV3, entry bool) error {
	*rec = recordV3{partition: connector.AnyPartition, firstHeader: len(b.headers)}
	if b.dec.PeekKind() != '{' {
		if _, err := b.dec.ReadToken(); err != nil {
			return err
		}
		rec.failure = badData("Error processing message: a record must be a JSON object")
		rec.failure.fatal = true
		return nil
	}
	if _, err := b.dec.ReadToken(); err != nil {
		return err
	}
	for b.dec.PeekKind() != '}' {
		name, err := b.dec.ReadValue()
		if err != nil {
			return err
		}
		if err := b.recordField(rec, name, entry); err != nil {
			return err
		}
	}
	rec.headerCount = len(b.headers) - rec.firstHeader
	_, err := b.dec.ReadToken()
	return err
}

func (b *batch) recordField(rec *recordV3, name jsontext.Value, entry bool) error {
	switch string(name) {
	case `"value"`:
		return b.decodeData(rec, &rec.value)
	case `"key"`:
		return b.decodeData(rec, &rec.key)
	case `"headers"`:
		return b.decodeHeaders(rec)
	case `"partition_id"`, `"timestamp"`, `"id"`:
	default:
		return b.skipUnknown(rec, name)
	}
	field := name[1] // p, t or i; the next read ends name
	if field == 'i' && !entry {
		return b.skipUnknown(rec, name)
	}
	v, err := b.dec.ReadValue()
	if err != nil {
		return err
	}
	switch field {
	case 'i':
		rec.id = v
	case 'p':
		n, ok := integer(v)
		switch {
		case !ok:
			rec.fail(badData("partition_id must be an integer."))
		case n < 0:
			rec.fail(failure{code: wire.CodePartitionNotFound, message: "Partition not found."})
		case v.Kind() != 'n':
			rec.partition = int32(n)
		}
	case 't':
		rec.decodeTime(v)
	}
	return nil
}

func (b *batch) skipUnknown(rec *recordV3, name jsontext.Value) error {
	if rec.unrecognized == "" {
		rec.unrecognized = nameOf(name)
	}
	rec.fail(badData("Error processing message: Unrecognized field \"%s\"", rec.unrecognized))
	return b.dec.SkipValue()
}

func (b *batch) decodeData(rec *recordV3, d *dataV3) error {
	if kind := b.dec.PeekKind(); kind != '{' {
		if kind != 'n' {
			rec.fail(badData("a key or value must be an object with type and data."))
		}
		return b.dec.SkipValue()
	}
	*d = dataV3{present: true}
	if _, err := b.dec.ReadToken(); err != nil {
		return err
	}
	for b.dec.PeekKind() != '}' {
		name, err := b.dec.ReadValue()
		if err != nil {
			return err
		}
		var into *string
		switch string(name) {
		case `"data"`:
			v, err := b.dec.ReadValue()
			if err != nil {
				return err
			}
			d.data = nil
			if v.Kind() != 'n' {
				d.data = v
			}
			continue
		case `"type"`:
			err = b.decodeType(rec, d)
		case `"schema_id"`:
			err = b.decodeNumber(rec, d, &d.id, hasID)
		case `"schema_version"`:
			err = b.decodeNumber(rec, d, &d.version, hasVersion)
		case `"subject"`:
			into, d.fields = &d.subject, d.fields|hasSubject
		case `"subject_name_strategy"`:
			into, d.fields = &d.strategy, d.fields|hasStrategy
		case `"schema"`:
			into, d.fields = &d.schema, d.fields|hasSchema
		default:
			err = b.skipUnknown(rec, name)
		}
		if into != nil {
			err = b.decodeText(rec, into)
		}
		if err != nil {
			return err
		}
	}
	_, err := b.dec.ReadToken()
	return err
}

func (b *batch) decodeType(rec *recordV3, d *dataV3) error {
	v, err := b.dec.ReadValue()
	if err != nil {
		return err
	}
	switch string(v) { // constants, so that none is allocated
	case `"JSON"`:
		d.kind = "JSON"
	case `"STRING"`:
		d.kind = "STRING"
	case `"BINARY"`:
		d.kind = "BINARY"
	case `"AVRO"`:
		d.kind = "AVRO"
	case `"JSONSCHEMA"`:
		d.kind = "JSONSCHEMA"
	case `"PROTOBUF"`:
		d.kind = "PROTOBUF"
	case `null`:
	default:
		rec.fail(badData("type must be one of BINARY, JSON, STRING, AVRO, JSONSCHEMA and PROTOBUF."))
	}
	return nil
}

func (b *batch) decodeNumber(rec *recordV3, d *dataV3, into *int, field uint8) error {
	v, err := b.dec.ReadValue()
	if err != nil {
		return err
	}
	n, ok := integer(v)
	if !ok {
		rec.fail(badData("schema_id and schema_version must be integers."))
	}
	if v.Kind() != 'n' {
		if ok && n <= 0 { // 0 stands for absent inside: it would be the latest
			rec.fail(badData("schema_id and schema_version must be at least 1."))
		}
		*into, d.fields = n, d.fields|field
	}
	return nil
}

func (b *batch) decodeText(rec *recordV3, into *string) error {
	v, err := b.dec.ReadValue()
	switch {
	case err != nil:
		return err
	case v.Kind() == '"':
		*into = string(text(v))
	case v.Kind() != 'n':
		rec.fail(badData("subject, subject_name_strategy and schema must be strings."))
	}
	return nil
}

// broken is the element for JSON that cannot be read; the stream ends with it.
func broken(err error) failure {
	f := badData("Error processing message: the connection ended early")
	var s *jsontext.SyntacticError
	switch {
	case errors.Is(err, errRecordTooLarge):
		f = badData("Produce request size is larger than allowed threshold")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		f = badData("Error processing message: unexpected end of input")
	case errors.As(err, &s):
		f = badData("Error processing message: %v at byte %d", s.Err, s.ByteOffset)
	}
	f.fatal = true
	return f
}

// blank reports whether nothing but white space is left in the decoder.
func blank(rest []byte) bool { return len(bytes.TrimLeft(rest, " \t\r\n")) == 0 }
