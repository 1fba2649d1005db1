package jsonschema_test

import (
	"strings"
	"testing"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/schema/jsonschema"
)

const order = `{"title":"Order","type":"object","properties":{
 "id":{"type":"integer","minimum":1},"state":{"enum":["NEW","PAID"]},
 "lines":{"type":"array","items":{"type":"object","required":["sku"],"properties":{"sku":{"type":"string","pattern":"^[A-Z]+$"}}}},
 "odd name":{"type":"boolean"}},
 "required":["id"],"additionalProperties":false}`

func parse(t testing.TB, text string, refs ...jsonschema.Reference) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.Parse(text, refs...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEncodeAndDecode(t *testing.T) {
	s := parse(t, order)
	const value = `{"id":12345678901234567890,"lines":[{"sku":"A","x":null}]}`
	got, err := s.Encode([]byte("+"), []byte(value))
	if err != nil || string(got) != "+"+value {
		t.Errorf("%s, %v", got, err)
	}
	if got, err = s.Decode([]byte("+"), []byte(value)); err != nil || string(got) != "+"+value {
		t.Errorf("%s, %v", got, err)
	}
	if got, err = s.Decode([]byte("+"), []byte(`{"id":`)); connector.KindOf(err) != connector.Invalid || string(got) != "+" {
		t.Errorf("broken: %s, %v", got, err)
	}
	if s.Name() != "Order" {
		t.Errorf("name %q", s.Name())
	}
}

func TestErrorsNameThePath(t *testing.T) {
	for _, c := range []struct{ name, json, want string }{
		{"type", `{"id":"secret"}`, `$.id: expected integer, got string`},
		{"minimum", `{"id":0}`, `$.id: does not fit the schema's "minimum"`},
		{"missing", `{}`, `$: missing id`},
		{"nested", `{"id":1,"lines":[{"sku":"A"},{}]}`, `$.lines[1]: missing sku`},
		{"pattern", `{"id":1,"lines":[{"sku":"secret"}]}`, `$.lines[0].sku: does not fit the schema's "pattern"`},
		{"enum", `{"id":1,"state":"secret"}`, `$.state: does not fit the schema's "enum"`},
		{"more", `{"id":1,"x":1}`, `$: the schema has no x`},
		{"odd name", `{"id":1,"odd name":1}`, `$["odd name"]: expected boolean, got number`},
		{"several", `{"id":0,"state":"secret"}`, `$.id: does not fit the schema's "minimum"; $.state: does not fit the schema's "enum"`},
		{"no JSON", `{"id":1`, `not JSON at byte 8`},
		{"two values", `{"id":1}{}`, `not JSON at byte 9`},
	} {
		got, err := parse(t, order).Encode([]byte("+"), []byte(c.json))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) && !strings.Contains(err.Error(), "; "+strings.SplitN(c.want, "; ", 2)[0]) {
			t.Errorf("%s: error %v\nwant %s", c.name, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), "secret") || connector.KindOf(err) != connector.Invalid || string(got) != "+" {
			t.Errorf("%s: kind %v, dst %q, %v", c.name, connector.KindOf(err), got, err)
		}
	}
}

// One schema of each draft, and a value that only its own rules refuse.
func TestDrafts(t *testing.T) {
	for _, c := range []struct{ name, schema, good, bad string }{
		{"draft 4", `{"$schema":"http://json-schema.org/draft-04/schema#","type":"integer","minimum":1,"exclusiveMinimum":true}`, `2`, `1`},
		{"draft 6", `{"$schema":"http://json-schema.org/draft-06/schema#","exclusiveMinimum":1}`, `2`, `1`},
		{"draft 7", `{"$schema":"http://json-schema.org/draft-07/schema#","if":{"type":"string"},"then":{"minLength":2}}`, `"ab"`, `"a"`},
		{"none is draft 7", `{"definitions":{"n":{"type":"number"}},"items":[{"$ref":"#/definitions/n"}]}`, `[1,"x"]`, `["x"]`},
		{"2019-09", `{"$schema":"https://json-schema.org/draft/2019-09/schema","properties":{"a":{}},"unevaluatedProperties":false}`, `{"a":1}`, `{"b":1}`},
		{"2020-12", `{"$schema":"https://json-schema.org/draft/2020-12/schema","prefixItems":[{"type":"string"}],"items":false}`, `["a"]`, `["a",1]`},
	} {
		s := parse(t, c.schema)
		if _, err := s.Encode(nil, []byte(c.good)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, err := s.Encode(nil, []byte(c.bad)); err == nil {
			t.Errorf("%s: %s is accepted", c.name, c.bad)
		}
	}
}

func TestReferences(t *testing.T) {
	money := jsonschema.Reference{Name: "money.json", Text: `{"type":"object","required":["cents"]}`}
	remote := jsonschema.Reference{Name: "state", Text: `{"$id":"https://example.com/state.json","enum":["NEW"]}`}
	for name, text := range map[string]string{
		"by name": `{"properties":{"m":{"$ref":"money.json"}}}`,
		"below an $id": `{"$id":"https://example.com/order.json","properties":{"m":{"$ref":"#/definitions/m"},"s":{"$ref":"state.json"}},
 "definitions":{"m":{"required":["cents"]}}}`,
	} {
		s := parse(t, text, money, remote)
		if _, err := s.Encode(nil, []byte(`{"m":{"cents":1},"s":"NEW"}`)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Encode(nil, []byte(`{"m":{}}`)); err == nil || err.Error() != "$.m: missing cents" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"unknown": `{"$ref":"other.json"}`, "a file": `{"$ref":"file:///etc/passwd"}`, "the web": `{"$ref":"http://127.0.0.1:1/x"}`,
	} {
		_, err := jsonschema.Parse(text)
		if connector.KindOf(err) != connector.Invalid || !strings.Contains(err.Error(), "none of the schema's references") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadSchemas(t *testing.T) {
	for name, text := range map[string]string{
		"empty": ``, "no JSON": `{`, "type": `{"type":"text"}`, "regular expression": `{"pattern":"("}`,
		"draft": `{"$schema":"http://example.com/draft"}`, "deep": strings.Repeat("[", 2000),
	} {
		if _, err := jsonschema.Parse(text); connector.KindOf(err) != connector.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDepth(t *testing.T) {
	if _, err := parse(t, `{"$ref":"#"}`).Encode(nil, []byte("1")); connector.KindOf(err) != connector.Invalid {
		t.Errorf("a schema that is itself: %v", err)
	}
	s := parse(t, `{"items":{"$ref":"#"}}`)
	if _, err := s.Encode(nil, []byte(strings.Repeat("[", 900)+strings.Repeat("]", 900))); err != nil {
		t.Error(err)
	}
	if _, err := s.Encode(nil, []byte(strings.Repeat("[", 100_000))); connector.KindOf(err) != connector.Invalid {
		t.Error(err)
	}
}

func FuzzEncode(f *testing.F) {
	f.Add(order, `{"id":1}`)
	f.Add(`{"$schema":"https://json-schema.org/draft/2020-12/schema","$dynamicRef":"#x","$defs":{"a":{"$dynamicAnchor":"x"}}}`, `[1]`)
	f.Fuzz(func(t *testing.T, schema, value string) {
		s, err := jsonschema.Parse(schema)
		if err != nil {
			return
		}
		if out, err := s.Encode(nil, []byte(value)); err == nil && string(out) != value {
			t.Fatalf("%q became %q", value, out)
		}
	})
}
