// Package schemas gives the Kafka REST Proxy's produce and consume endpoints
// the formats with a Schema Registry, and the registry's errors the codes of
// the original.
package schemas

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/schema"
	"github.com/headrace/headrace/gateway/restproxy/consume"
	"github.com/headrace/headrace/gateway/restproxy/produce"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// Adapter implements produce.Schemas and consume.Decoder.
type Adapter struct{ schemas *schema.Schemas }

var (
	_ produce.Schemas = Adapter{}
	_ consume.Decoder = Adapter{}
)

// New returns the formats of a registry.
func New(s *schema.Schemas) Adapter { return Adapter{s} }

// jsonSchema is the type's name in the REST API; the registry says JSON.
const jsonSchema = "JSONSCHEMA"

func toRegistry(kind string) string {
	if kind == jsonSchema {
		return schema.JSONSchema
	}
	return kind
}

func fromRegistry(kind string) string {
	if kind == schema.JSONSchema {
		return jsonSchema
	}
	return kind
}

// spare is the room for the header and for what grows: most formats are
// smaller than their JSON.
const spare = 16

// Encode implements produce.Schemas.
func (a Adapter) Encode(ctx context.Context, ref produce.SchemaRef, data []byte) ([]byte, produce.SchemaUsed, error) {
	out, used, err := a.schemas.Encode(ctx, make([]byte, 0, len(data)+spare), schema.Ref{
		Topic: ref.Topic, Key: ref.Key, Type: toRegistry(ref.Type), Subject: ref.Subject, Strategy: ref.Strategy,
		ID: ref.ID, Version: ref.Version, Text: ref.Schema,
	}, data)
	if err != nil {
		return nil, produce.SchemaUsed{}, answer(err)
	}
	return out, produce.SchemaUsed{Type: fromRegistry(used.Type), Subject: used.Subject, ID: used.ID, Version: used.Version}, nil
}

// Decode implements consume.Decoder.
func (a Adapter) Decode(ctx context.Context, data []byte) ([]byte, error) {
	return a.schemas.Decode(ctx, nil, data)
}

// answer gives an error the code of the original: 42205 where the schema is of
// no use, 40301 where the registry refuses, 42207 where it does not have the
// schema or cannot be asked. What is wrong with the data stays as it is.
func answer(err error) error {
	var invalid *schema.SchemaError
	if errors.As(err, &invalid) {
		return wire.Errorf(wire.CodeInvalidSchema, "Invalid schema: %s", firstLine(err))
	}
	var refused *schema.ResponseError
	if errors.As(err, &refused) {
		switch refused.Status {
		case http.StatusUnauthorized, http.StatusForbidden:
			return wire.Errorf(wire.CodeKafkaAuthorization, "%s", firstLine(err))
		default:
			return serializing(err)
		}
	}
	if connector.KindOf(err) == connector.Invalid {
		return err
	}
	return serializing(err)
}

func serializing(err error) error {
	return wire.Errorf(wire.CodeSerializing, "Error serializing message. %s", firstLine(err))
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
