package openapi

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/gateway/route"
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

type text string

func (text) JSONSchema() map[string]any {
	return map[string]any{"type": []string{"string", "number", "boolean"}}
}

type number int64

func (number) JSONSchema() map[string]any {
	return map[string]any{"anyOf": []any{map[string]any{"type": "integer"}}}
}

type failure struct {
	Code int `json:"error_code" doc:"the status"`
}

type body struct {
	Name *text   `json:"name" required:"true"`
	Kind *string `json:"kind,omitempty" enum:"X,Y"`
	N    *number `json:"n"`
}

func TestSchemas(t *testing.T) {
	doc, err := Document(Info{Title: "T", Version: "1"}, route.Table{Error: route.Response{Value: failure{}}, Routes: []route.Route{{
		Method: "POST", Path: "/v3/x/{id}", ID: "x", Summary: "s",
		Request:   &route.Body{Types: []string{route.JSON}, Value: body{}},
		Responses: []route.Response{{Status: 200, Value: page[inner]{}}},
	}, {Method: "GET", Path: "/hidden", ID: "hidden", Hidden: true}}})
	if err != nil {
		t.Fatal(err)
	}
	if paths := doc["paths"].(map[string]map[string]any); len(paths) != 1 {
		t.Errorf("paths %v", paths)
	}
	text, err := json.Marshal(doc["components"].(map[string]any)["schemas"])
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	const expected = `{
	"failure": {"type":"object","required":["error_code"],"properties":{"error_code":{"type":"integer","format":"int64","description":"the status"}}},
	"inner": {"type":"object","required":["a"],"properties":{"a":{"type":"string"}}},
	"body": {"type":"object","required":["name"],"properties":{
		"name":{"type":["string","number","boolean"]},
		"kind":{"type":["string","null"],"enum":["X","Y",null]},
		"n":{"anyOf":[{"anyOf":[{"type":"integer"}]},{"type":"null"}]}}},
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
	if _, err := Document(Info{}, route.Table{Routes: []route.Route{{ID: "x", Path: "/a"}}}, route.Table{Routes: []route.Route{{ID: "x", Path: "/b"}}}); err == nil {
		t.Error("two operations of one name were accepted")
	}
	type inner struct{ B bool }
	ok := func(v any) []route.Response { return []route.Response{{Status: 200, Value: v}} }
	if _, err := Document(Info{}, route.Table{Routes: []route.Route{{ID: "x", Path: "/a", Responses: ok(inner{})}, {ID: "y", Path: "/b", Responses: ok(other())}}}); err == nil {
		t.Error("two types of one name were accepted")
	}
}

func other() any { return inner{} }

func TestOneShapeIsOnePath(t *testing.T) {
	doc, err := Document(Info{}, route.Table{Routes: []route.Route{
		{ID: "x", Method: "GET", Path: "/a/{b}/{c}"},
		{ID: "y", Method: "POST", Path: "/a/{d}/{e}", Params: []route.Param{{Name: "e", In: "path", Type: int32(0), Required: true}}}}})
	if err != nil {
		t.Fatal(err)
	}
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
