package produce

import (
	"context"
	"errors"
	"net/http"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/schema"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// Schemas is *schema.Schemas: it appends JSON in a format with a Schema Registry
// to dst. It is safe for concurrent use and keeps its own bounded caches.
type Schemas interface {
	Encode(ctx context.Context, dst []byte, ref schema.Ref, data []byte) (encoded []byte, used schema.Used, err error)
}

var errNoRegistry = wire.Payload("Schema Registry must be configured when using schemas.")

// spare is the room for the header and for what grows: most formats are
// smaller than their JSON.
const spare = 16

// encode is Schemas.Encode with the registry's errors as answers: 42205 where
// the schema is of no use, 40301 where the registry refuses, 42207 where it does
// not have the schema or cannot be asked. What is wrong with the data stays as
// it is, of kind Invalid.
func (h *Handler) encode(ctx context.Context, ref schema.Ref, data []byte) ([]byte, schema.Used, error) {
	out, used, err := h.cfg.Schemas.Encode(ctx, make([]byte, 0, len(data)+spare), ref, data)
	if err == nil {
		return out, used, nil
	}
	text := firstLine(err.Error())
	var invalid *schema.SchemaError
	var refused *schema.ResponseError
	switch {
	case errors.As(err, &invalid):
		err = wire.Errorf(wire.CodeInvalidSchema, "Invalid schema: %s", text)
	case errors.As(err, &refused) && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden):
		err = wire.Errorf(wire.CodeKafkaAuthorization, "%s", text)
	case errors.As(err, &refused) || connector.KindOf(err) != connector.Invalid:
		err = wire.Errorf(wire.CodeSerializing, "Error serializing message. %s", text)
	}
	return nil, schema.Used{}, err
}

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
	with := &req.valueSchema
	if key {
		with = &req.keySchema
	}
	switch {
	case with.text != "" || with.id != 0:
	case key:
		return nil, wire.Errorf(wire.CodeKeySchemaMissing, "Request includes keys but does not include key schema")
	default:
		return nil, wire.Errorf(wire.CodeValueSchemaMissing, "Request includes values but does not include value schema")
	}
	ref := schema.Ref{Topic: req.topic, Key: key, Type: schema.TypeOf(req.format), ID: with.id}
	if with.id == 0 {
		ref.Text = with.text
	}
	encoded, used, err := h.encode(ctx, ref, data)
	if err != nil {
		return nil, err
	}
	with.id = used.ID // the records behind this one are spared the look-up
	return encoded, nil
}

// schemaErrorV2 is the answer when a part of a record could not be encoded.
func schemaErrorV2(err error, record int, part string) error {
	var own *wire.Error
	switch {
	case errors.As(err, &own):
		return own
	default:
		return badBody("records[%d].%s: %s", record, part, firstLine(err.Error()))
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
