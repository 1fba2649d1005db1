package produce

import (
	"errors"
	"net/http"

	"github.com/headrace/headrace/connector/schema"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"strings"
)

// payload turns the data object of a record into its bytes and says in p what
// the answer tells about them.
func (c *callV3) payload(rec *recordV3, d *dataV3, key bool, p *part) ([]byte, failure) {
	if !d.present || rec.failure.code != 0 {
		return nil, failure{}
	}
	if f := d.combination(); f.code != 0 {
		f.whole = true
		return nil, f
	}
	p.present, p.kind, p.size = true, d.kind, -1
	var out []byte
	switch d.kind {
	case "BINARY":
		if d.data == nil {
			return nil, failure{}
		}
		if d.data.Kind() != '"' {
			return nil, badData("data=%s is not a base64 string.", excerpt(d.data))
		}
		var before [104]byte // decoding is in place
		n := copy(before[:], d.data)
		var err error
		if out, err = decodeBase64(d.data); err != nil {
			return nil, badData("data=%s is not a valid base64 string.", excerpt(before[:n]))
		}
	case "STRING":
		if d.data == nil {
			return nil, failure{}
		}
		if d.data.Kind() != '"' {
			return nil, badData("data=%s is not a string.", excerpt(d.data))
		}
		out = text(d.data)
	case "JSON":
		if d.data == nil {
			return nil, failure{}
		}
		out = compact(d.data)
	default:
		return c.encode(d, key, p)
	}
	p.size = len(out)
	return out, failure{}
}

// combination checks which of the schema fields go together.
func (d *dataV3) combination() failure {
	refs := d.fields & (hasSchema | hasID | hasVersion)
	switch {
	case d.fields&hasSubject != 0 && d.fields&hasStrategy != 0:
		return badData("'subject' and 'subject_name_strategy' cannot be used together.")
	case refs&(refs-1) != 0:
		return badData("Only one of 'schema_id', 'schema_version' or 'schema' can be used.")
	}
	switch d.kind {
	case "BINARY", "JSON", "STRING":
		if d.fields != 0 {
			return badData("type=%s cannot be used with schema fields.", d.kind)
		}
		return failure{}
	case "":
		if d.fields&hasSchema != 0 {
			return badData("'schema' needs a 'type' of AVRO, JSONSCHEMA or PROTOBUF.")
		}
	default:
		if d.fields&hasSchema == 0 {
			return badData("type=%s can only be used with 'schema'.", d.kind)
		}
	}
	switch d.strategy {
	case "", "TOPIC_NAME":
	case "RECORD_NAME", "TOPIC_RECORD_NAME":
		if refs&(hasSchema|hasID) == 0 {
			return badData("subject_name_strategy=%s needs 'schema_id' or 'schema'.", d.strategy)
		}
	default:
		return badData("subject_name_strategy must be one of TOPIC_NAME, RECORD_NAME and TOPIC_RECORD_NAME.")
	}
	return failure{}
}

// flattened is how a v3 error travels inside a stream.
func flattened(e *wire.Error) failure {
	if e.Status == http.StatusUnprocessableEntity {
		return failf(http.StatusUnprocessableEntity, "Error: %d : %s", e.Code, e.Message)
	}
	return failure{code: e.Code, message: e.Message}
}

func (c *callV3) encode(d *dataV3, key bool, p *part) ([]byte, failure) {
	if c.h.cfg.Schemas == nil {
		return nil, flattened(errNoRegistry)
	}
	data := []byte(d.data)
	if data == nil {
		if c.h.cfg.NullIsTombstone {
			return nil, failure{}
		}
		data = []byte("null")
	}
	ref := schema.Ref{Topic: c.topic, Key: key, Type: schema.TypeOf(strings.ToLower(d.kind)), Subject: d.subject, Strategy: d.strategy,
		ID: d.id, Version: d.version, Text: d.schema}
	out, used, err := c.h.encode(c.ctx, ref, data)
	if err != nil {
		return nil, schemaFailure(err, key)
	}
	p.kind, p.schema, p.subject, p.schemaID, p.version = strings.ToUpper(schema.FormatOf(used.Type)), true, used.Subject, used.ID, used.Version
	if out != nil {
		p.size = len(out)
	}
	return out, failure{}
}

// schemaFailure is the element of a record whose key or value could not be
// encoded.
func schemaFailure(err error, key bool) failure {
	part := "value"
	if key {
		part = "key"
	}
	var own *wire.Error
	switch {
	case errors.As(err, &own):
		return flattened(own)
	default:
		return badData("%s: %s", part, err.Error())
	}
}
