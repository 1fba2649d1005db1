package openapi

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/gateway/restproxy/wire"
)

type inner struct {
	A string `json:"a"`
}

type page[T any] struct {
	inner
	Next *int32          `json:"next" doc:"the next one"`
	Data []T             `json:"data"`
	Self *page[T]        `json:"self,omitempty"`
	Any  any             `json:"any,omitempty"`
	Map  map[string]bool `json:"map,omitempty"`
}

type body struct {
	Name *wire.Text `json:"name" required:"true"`
	Kind *string    `json:"kind,omitempty" enum:"X,Y"`
	N    *wire.Int  `json:"n"`
}

func TestSchemas(t *testing.T) {
	doc := Document(Info{Title: "T", Version: "1"}, Route{
		Method: "POST", Path: "/v3/x/{id}", ID: "x", Summary: "s",
		Request:   &Body{Types: []string{wire.JSON}, Value: body{}},
		Responses: []Response{{Status: 200, Value: page[inner]{}}},
	})
	text, err := json.Marshal(doc["components"].(map[string]any)["schemas"])
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	const expected = `{
	"Error": {"type":"object","required":["error_code","message"],"properties":{
		"error_code":{"type":"integer","format":"int64","description":"the status, or a five-digit code that begins with it"},
		"message":{"type":"string","description":"what is wrong"}}},
	"inner": {"type":"object","required":["a"],"properties":{"a":{"type":"string"}}},
	"body": {"type":"object","required":["name"],"properties":{
		"name":{"type":["string","number","boolean"]},
		"kind":{"type":["string","null"],"enum":["X","Y",null]},
		"n":{"anyOf":[{"anyOf":[{"type":"integer"},{"type":"string","pattern":"^\\s*-?[0-9]+\\s*$"}]},{"type":"null"}]}}},
	"innerpage": {"type":"object","required":["a","data"],"properties":{
		"a":{"type":"string"},
		"next":{"type":["integer","null"],"format":"int32","description":"the next one"},
		"data":{"type":"array","items":{"$ref":"#/components/schemas/inner"}},
		"self":{"anyOf":[{"$ref":"#/components/schemas/innerpage"},{"type":"null"}]},
		"any":{},
		"map":{"type":"object","additionalProperties":{"type":"boolean"}}}}
	}`
	if err := json.Unmarshal([]byte(expected), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDocumentRefusesTwice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("two operations of one name were accepted")
		}
	}()
	Document(Info{}, Route{ID: "x", Path: "/a"}, Route{ID: "x", Path: "/b"})
}

func TestOneShapeIsOnePath(t *testing.T) {
	doc := Document(Info{},
		Route{ID: "x", Method: "GET", Path: "/a/{b}/{c}"},
		Route{ID: "y", Method: "POST", Path: "/a/{d}/{e}", Params: []Param{{Name: "e", In: "path", Type: int32(0), Required: true}}})
	paths := doc["paths"].(map[string]map[string]any)
	if len(paths) != 1 || paths["/a/{b}/{c}"]["get"] == nil {
		t.Fatalf("paths %v", paths)
	}
	names := map[string]any{}
	for _, p := range paths["/a/{b}/{c}"]["post"].(map[string]any)["parameters"].([]any) {
		p := p.(map[string]any)
		names[p["name"].(string)] = p["schema"].(map[string]any)["type"]
	}
	if diff := cmp.Diff(map[string]any{"b": "string", "c": "integer"}, names); diff != "" {
		t.Error(diff)
	}
}
