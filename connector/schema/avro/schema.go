// Package avro turns the Avro JSON encoding into Avro binary and back, in one
// pass and without values in between, by the rules of Java's JsonDecoder and
// JsonEncoder that the Kafka REST Proxy uses: a union's value is null or
// {"branch": value}, bytes and fixed are strings of the code points 0 to 255,
// every field of a record must be there, and a logical type is its underlying
// type. Where Java would lose data in silence (1.5 for an int, a code point
// above 255, a number too large for a float) the value is refused instead.
//
// Memory and depth are bounded on any input: the schema, the JSON and the
// binary may all come from strangers.
package avro

import (
	"encoding/json"
	"fmt"

	"github.com/twmb/avro"

	"github.com/headrace/headrace/connector"
)

// Limits.
const (
	// MaxDepth bounds the nesting of values.
	MaxDepth = 200
	// MaxOutput bounds what one Decode appends: a few bytes of Avro can stand
	// for any number of nulls.
	MaxOutput = 64 << 20
)

// Schema is a compiled schema. It is safe for concurrent use.
type Schema struct {
	root *node
}

// Parse compiles the text of a schema. references are the texts of the schemas
// that it needs, in order: each may use those before it. An error is of kind
// Invalid.
func Parse(text string, references ...string) (*Schema, error) {
	var cache avro.SchemaCache
	c := &compiler{named: map[string]*node{}}
	for _, r := range references {
		if _, err := c.parse(&cache, r); err != nil {
			return nil, connector.Errorf(connector.Invalid, "a referenced Avro schema is not valid: %w", err)
		}
	}
	root, err := c.parse(&cache, text)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "the Avro schema is not valid: %w", err)
	}
	return &Schema{root: root}, nil
}

// Name is the full name of the schema's record, enum or fixed type, and "" of
// other types.
func (s *Schema) Name() string {
	switch s.root.kind {
	case kindRecord, kindEnum, kindFixed:
		return s.root.name
	default:
		return ""
	}
}

// compiler builds nodes from the Parsing Canonical Form, in which names are
// full and what is of no use here is left out.
type compiler struct {
	named map[string]*node
}

func (c *compiler) parse(cache *avro.SchemaCache, text string) (*node, error) {
	schema, err := cache.Parse(text)
	if err != nil {
		return nil, err
	}
	n, err := c.compile(schema.Canonical(), 0)
	if err == nil {
		n.fallbacks(schema.Root(), 0)
	}
	return n, err
}

type canonical struct {
	Type    json.RawMessage `json:"type"`
	Name    string          `json:"name"`
	Fields  []canonical     `json:"fields"`
	Symbols []string        `json:"symbols"`
	Items   json.RawMessage `json:"items"`
	Values  json.RawMessage `json:"values"`
	Size    int             `json:"size"`
}

func (c *compiler) compile(text json.RawMessage, depth int) (*node, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("it is nested deeper than %d levels", MaxDepth)
	}
	switch {
	case len(text) == 0:
		return nil, fmt.Errorf("a type is missing")
	case text[0] == '"':
		var name string
		if err := json.Unmarshal(text, &name); err != nil {
			return nil, err
		}
		if k, ok := primitives[name]; ok {
			return &node{kind: k, name: name}, nil
		}
		if n := c.named[name]; n != nil {
			return n, nil
		}
		return nil, fmt.Errorf("type %s is not defined", name)
	case text[0] == '[':
		return c.union(text, depth)
	}
	var s canonical
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	var name string
	if s.Type[0] != '"' {
		return c.compile(s.Type, depth+1)
	}
	if err := json.Unmarshal(s.Type, &name); err != nil {
		return nil, err
	}
	switch name {
	case "record", "error":
		return c.record(&s, depth)
	case "enum":
		n := &node{kind: kindEnum, name: s.Name}
		for _, symbol := range s.Symbols {
			n.symbols = append(n.symbols, []byte(symbol))
		}
		n.index = indexOf(s.Symbols)
		c.named[s.Name] = n
		return n, nil
	case "fixed":
		n := &node{kind: kindFixed, name: s.Name, size: s.Size}
		c.named[s.Name] = n
		return n, nil
	case "array", "map":
		n := &node{kind: kindArray, name: name}
		items := s.Items
		if name == "map" {
			n.kind, items = kindMap, s.Values
		}
		var err error
		n.item, err = c.compile(items, depth+1)
		return n, err
	default:
		return c.compile(s.Type, depth+1)
	}
}

func (c *compiler) record(s *canonical, depth int) (*node, error) {
	n := &node{kind: kindRecord, name: s.Name}
	c.named[s.Name] = n // before its fields: they may name it
	names := make([]string, len(s.Fields))
	for i := range s.Fields {
		f := &s.Fields[i]
		inner, err := c.compile(f.Type, depth+1)
		if err != nil {
			return nil, err
		}
		names[i] = f.Name
		n.fields = append(n.fields, field{name: f.Name, head: append(appendString(nil, f.Name), ':'), node: inner})
	}
	n.index = indexOf(names)
	return n, nil
}

func (c *compiler) union(text json.RawMessage, depth int) (*node, error) {
	var branches []json.RawMessage
	if err := json.Unmarshal(text, &branches); err != nil {
		return nil, err
	}
	n := &node{kind: kindUnion, name: "union"}
	for _, b := range branches {
		inner, err := c.compile(b, depth+1)
		if err != nil {
			return nil, err
		}
		head := append(append([]byte{'{'}, appendString(nil, inner.name)...), ':')
		n.labels = append(n.labels, label{name: inner.name, head: head, node: inner})
	}
	return n, nil
}
