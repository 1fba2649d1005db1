package schema

import (
	"context"
	"strings"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/schema/avro"
	"github.com/headrace/headrace/connector/schema/jsonschema"
	"github.com/headrace/headrace/connector/schema/protobuf"
)

// SchemaError says that the text of a schema is of no use.
type SchemaError struct{ Err error }

// Error is what is wrong with the text.
func (e *SchemaError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *SchemaError) Unwrap() error { return e.Err }

// codec is a compiled schema.
type codec interface {
	Encode(dst, value []byte) ([]byte, error)
	Decode(dst, data []byte) ([]byte, error)
	Name() string
}

// message is a Protobuf schema that writes one of its messages.
type message struct {
	*protobuf.Schema
	written *protobuf.Message
}

func (m message) Encode(dst, value []byte) ([]byte, error) { return m.written.Encode(dst, value) }
func (m message) Name() string                             { return m.written.Name() }

// plainAvro is an Avro schema that reads plain JSON.
type plainAvro struct{ *avro.Schema }

func (p plainAvro) Encode(dst, value []byte) ([]byte, error) { return p.EncodePlain(dst, value) }

// Limits of a schema's references.
const (
	maxReferences = 200
	maxLevels     = 20
)

// named is the text of a schema that another one refers to.
type named struct{ name, text string }

// closure fetches what a schema refers to, directly or not, each before what
// uses it.
type closure struct {
	client *Client
	seen   map[Reference]bool
	out    []named
	size   int
}

func (c *closure) add(ctx context.Context, refs []Reference, level int) error {
	for _, r := range refs {
		switch {
		case c.seen[r]:
			continue
		case level >= maxLevels || len(c.seen) >= maxReferences:
			return connector.Errorf(connector.Invalid, "the schema refers to more than %d others, or over more than %d levels", maxReferences, maxLevels)
		}
		c.seen[r] = true
		found, err := c.client.Version(ctx, r.Subject, r.Version)
		if err != nil {
			return err
		}
		if c.size += len(found.Text); c.size > maxSchema {
			return tooLong()
		}
		if err := c.add(ctx, found.References, level+1); err != nil {
			return err
		}
		c.out = append(c.out, named{r.Name, found.Text})
	}
	return nil
}

func tooLong() error {
	return &SchemaError{connector.Errorf(connector.Invalid, "the schema and what it refers to are longer than %d KiB", maxSchema>>10)}
}

// compile makes a codec of a schema. messageName chooses a Protobuf message;
// "" is the first. weight is about how much memory it takes.
func compile(ctx context.Context, client *Client, s Schema, messageName string) (c codec, weight int, err error) {
	if len(s.Text) > maxSchema {
		return nil, 0, tooLong()
	}
	refs := closure{client: client, seen: map[Reference]bool{}}
	if err := refs.add(ctx, s.References, 0); err != nil {
		return nil, 0, err
	}
	if c, err = parse(s, refs.out, messageName); err != nil {
		return nil, 0, &SchemaError{err}
	}
	return c, 1024 + 16*(len(s.Text)+refs.size), nil
}

func parse(s Schema, refs []named, messageName string) (codec, error) {
	switch s.Type {
	case Avro:
		texts := make([]string, len(refs))
		for i, r := range refs {
			texts[i] = r.text
		}
		return avro.Parse(s.Text, texts...)
	case Protobuf:
		files := make([]protobuf.Reference, len(refs))
		for i, r := range refs {
			files[i] = protobuf.Reference{Name: r.name, Text: r.text}
		}
		schema, err := protobuf.Parse(s.Text, files...)
		if err != nil {
			return nil, err
		}
		m := message{Schema: schema, written: schema.First()}
		if messageName != "" {
			if m.written = schema.Message(messageName); m.written == nil {
				return nil, connector.Errorf(connector.Invalid, "the Protobuf schema has no message %s", messageName)
			}
		}
		return m, nil
	case JSONSchema:
		docs := make([]jsonschema.Reference, len(refs))
		for i, r := range refs {
			docs[i] = jsonschema.Reference{Name: r.name, Text: r.text}
		}
		return jsonschema.Parse(s.Text, docs...)
	default:
		return nil, connector.Errorf(connector.Invalid, "schemas of type %s are not supported; there are %s", s.Type, strings.Join([]string{Avro, JSONSchema, Protobuf}, ", "))
	}
}
