package produce

import (
	"context"
	"errors"
	"net/http"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// Schemas turns JSON into bytes of a format with a Schema Registry. It is safe
// for concurrent use and keeps its own bounded caches.
//
// The kind of an error says whose fault it is: Invalid, the data does not fit
// the schema or the request makes no sense; Denied, the registry refused;
// a *wire.Error is taken as it is; any other means that the schema was not to
// be had.
type Schemas interface {
	Encode(ctx context.Context, ref SchemaRef, data []byte) (encoded []byte, used SchemaUsed, err error)
}

// SchemaRef names the schema of a key or value. Without ID, Version and Schema
// it is the latest version of the subject.
type SchemaRef struct {
	Topic    string
	Key      bool
	Type     string // AVRO, JSONSCHEMA or PROTOBUF; "" takes the schema's own
	Subject  string // overrides Strategy
	Strategy string // TOPIC_NAME (also ""), RECORD_NAME or TOPIC_RECORD_NAME
	ID       int
	Version  int
	Schema   string // its text: looked up under the subject, registered when missing
}

// SchemaUsed is the schema that the bytes are written with.
type SchemaUsed struct {
	Type    string
	Subject string
	ID      int
	Version int
}

var errNoRegistry = wire.Payload("Schema Registry must be configured when using schemas.")

var typeOfFormat = map[string]string{formatAvro: "AVRO", formatJSONSchema: "JSONSCHEMA", formatProtobuf: "PROTOBUF"}

// encodeV2 encodes the keys and values of a decoded request and notes the ids
// that were used.
func (h *Handler) encodeV2(ctx context.Context, b *batch, req *requestV2) error {
	if h.cfg.Schemas == nil {
		return errNoRegistry
	}
	for i := range b.messages {
		m := &b.messages[i]
		var err error
		if m.Key, err = h.encodePartV2(ctx, req, true, m.Key); err != nil {
			return schemaErrorV2(err, i, "key")
		}
		if m.Value, err = h.encodePartV2(ctx, req, false, m.Value); err != nil {
			return schemaErrorV2(err, i, "value")
		}
	}
	return nil
}

func (h *Handler) encodePartV2(ctx context.Context, req *requestV2, key bool, data []byte) ([]byte, error) {
	if data == nil {
		return nil, nil
	}
	schema := &req.valueSchema
	if key {
		schema = &req.keySchema
	}
	switch {
	case schema.text != "" || schema.id != 0:
	case key:
		return nil, wire.Errorf(wire.CodeKeySchemaMissing, "Request includes keys but does not include key schema")
	default:
		return nil, wire.Errorf(wire.CodeValueSchemaMissing, "Request includes values but does not include value schema")
	}
	ref := SchemaRef{Topic: req.topic, Key: key, Type: typeOfFormat[req.format], ID: schema.id}
	if schema.id == 0 {
		ref.Schema = schema.text
	}
	encoded, used, err := h.cfg.Schemas.Encode(ctx, ref, data)
	if err != nil {
		return nil, err
	}
	schema.id = used.ID // the records behind this one are spared the look-up
	return encoded, nil
}

// schemaErrorV2 is the answer when a part of a record could not be encoded.
func schemaErrorV2(err error, record int, part string) error {
	var own *wire.Error
	switch {
	case errors.As(err, &own):
		return own
	case connector.KindOf(err) == connector.Invalid:
		return badBody("records[%d].%s: %s", record, part, firstLine(err.Error()))
	case connector.KindOf(err) == connector.Denied:
		return wire.Errorf(wire.CodeKafkaAuthorization, "%s", firstLine(err.Error()))
	default:
		return wire.Errorf(wire.CodeSerializing, "Error serializing message. %s", firstLine(err.Error()))
	}
}

// bodyError is the answer to a body that could not be read.
func bodyError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return badBody("reading the body: the connection ended early or was too slow")
}
