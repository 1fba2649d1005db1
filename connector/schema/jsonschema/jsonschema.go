// Package jsonschema validates JSON by JSON Schema, drafts 4 to 2020-12. A
// schema without $schema is draft 7, as in Confluent's serializers. Schemas
// refer to others by the names of their references only: nothing is fetched.
package jsonschema

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/formats/jsonscan"
	"github.com/headrace/headrace/connector/schema/jsonpath"
)

// Reference is a schema that another one refers to by name.
type Reference struct{ Name, Text string }

// Schema is a compiled schema. It is safe for concurrent use.
type Schema struct {
	compiled *jsonschema.Schema
	title    string
}

// base is the address of the schema; names of references without a scheme are
// resolved against it, as the $ref that mentions them is.
const base = "schema:///schema.json"

// Parse compiles the text of a schema. An error is of kind Invalid.
func Parse(text string, references ...Reference) (*Schema, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.UseLoader(nothing{})
	for _, r := range references {
		doc, err := document(r.Text)
		if err == nil {
			err = add(c, r.Name, doc)
		}
		if err != nil {
			return nil, connector.Errorf(connector.Invalid, "the JSON schema %s that is referred to is not valid: %w", r.Name, err)
		}
	}
	doc, err := document(text)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "the JSON schema is not valid: %w", err)
	}
	at := base
	if id := identifier(doc); id != "" {
		at = id // a relative $ref begins there
	}
	if err := c.AddResource(at, doc); err != nil {
		return nil, connector.Errorf(connector.Invalid, "the JSON schema is not valid: %w", err)
	}
	compiled, err := c.Compile(at)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "the JSON schema is not valid: %w", firstLine(err))
	}
	s := &Schema{compiled: compiled}
	if m, ok := doc.(map[string]any); ok {
		s.title, _ = m["title"].(string)
	}
	return s, nil
}

func document(text string) (any, error) {
	if err := jsonscan.Check([]byte(text)); err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(strings.NewReader(text))
}

// identifier is the absolute $id (id in draft 4) of a schema, or "".
func identifier(doc any) string {
	m, _ := doc.(map[string]any)
	for _, key := range []string{"$id", "id"} {
		if id, ok := m[key].(string); ok {
			if u, err := url.Parse(id); err == nil && u.IsAbs() {
				u.Fragment = ""
				return u.String()
			}
		}
	}
	return ""
}

// add makes a reference known under its name, and under its own $id, which a
// $ref may use as well.
func add(c *jsonschema.Compiler, name string, doc any) error {
	at := name
	if u, err := url.Parse(name); err != nil || !u.IsAbs() {
		at = "schema:///" + (&url.URL{Path: name}).EscapedPath()
	}
	if err := c.AddResource(at, doc); err != nil {
		return err
	}
	if id := identifier(doc); id != "" && id != at {
		var exists *jsonschema.ResourceExistsError
		if err := c.AddResource(id, doc); err != nil && !errors.As(err, &exists) {
			return err
		}
	}
	return nil
}

// nothing refuses to load what no reference names.
type nothing struct{}

func (nothing) Load(at string) (any, error) {
	return nil, fmt.Errorf("%s is none of the schema's references; register it and name it there", strings.TrimPrefix(at, "schema:///"))
}

func firstLine(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	var load *jsonschema.LoadURLError
	if errors.As(err, &load) {
		return load.Err
	}
	return errors.New(line)
}

// Name is the schema's title, which the record-name strategies use.
func (s *Schema) Name() string { return s.title }

// Encode checks a JSON text against the schema and appends it to dst. An error
// is of kind Invalid and names the JSON paths.
func (s *Schema) Encode(dst, value []byte) ([]byte, error) {
	if err := jsonscan.Check(value); err != nil {
		return dst, err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return dst, connector.Errorf(connector.Invalid, "$: not JSON")
	}
	if err := s.compiled.Validate(v); err != nil {
		return dst, connector.Errorf(connector.Invalid, "%s", explain(err))
	}
	return append(dst, value...), nil
}

// Decode appends a JSON text to dst. It is not checked against the schema:
// what is stored is shown, as in Confluent's deserializers.
func (s *Schema) Decode(dst, data []byte) ([]byte, error) {
	if err := jsonscan.Check(data); err != nil {
		return dst, err
	}
	return append(dst, data...), nil
}

// maxFaults bounds the faults that an error lists.
const maxFaults = 5

// explain lists the innermost faults: path and keyword, never values.
func explain(err error) string {
	var v *jsonschema.ValidationError
	if !errors.As(err, &v) {
		return "$: does not fit the schema"
	}
	var faults []string
	more := 0
	var walk func(v *jsonschema.ValidationError)
	walk = func(v *jsonschema.ValidationError) {
		for _, cause := range v.Causes {
			walk(cause)
		}
		switch {
		case len(v.Causes) > 0:
		case len(faults) < maxFaults:
			faults = append(faults, path(v)+": "+reason(v.ErrorKind))
		default:
			more++
		}
	}
	walk(v)
	text := strings.Join(faults, "; ")
	if more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

func path(v *jsonschema.ValidationError) string {
	var b strings.Builder
	b.WriteByte('$')
	for _, step := range v.InstanceLocation {
		if i, err := strconv.Atoi(step); err == nil && strconv.Itoa(i) == step {
			b.WriteString(jsonpath.Item(i))
		} else {
			b.WriteString(jsonpath.Member(step))
		}
	}
	return b.String()
}

func reason(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "expected " + strings.Join(k.Want, " or ") + ", got " + k.Got
	case *kind.Required:
		return "missing " + names(k.Missing)
	case *kind.AdditionalProperties:
		return "the schema has no " + names(k.Properties)
	case *kind.FalseSchema:
		return "the schema allows nothing here"
	}
	keyword := k.KeywordPath()
	if len(keyword) == 0 {
		return "does not fit the schema"
	}
	return "does not fit the schema's " + strconv.Quote(keyword[len(keyword)-1])
}

func names(list []string) string {
	out := make([]string, 0, maxFaults)
	for i, name := range list {
		if i == maxFaults {
			out = append(out, "…")
			break
		}
		out = append(out, strings.TrimPrefix(jsonpath.Member(name), "."))
	}
	return strings.Join(out, ", ")
}
