package admin

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/headrace/headrace/gateway/openapi"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

var testInfo = openapi.Info{Title: "Headrace", Version: "test"}

// document is the OpenAPI document as clients read it.
func document(t *testing.T) map[string]any {
	t.Helper()
	h, err := openapi.Handler(testInfo, route.Table{Routes: Routes(Deps{}), Error: route.Response{Value: wire.Error{}, Types: []string{wire.V2, wire.JSON}}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/-/openapi.json", nil))
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return doc.(map[string]any)
}

func TestOpenAPIIsComplete(t *testing.T) {
	doc := document(t)
	paths := doc["paths"].(map[string]any)
	for _, r := range described() {
		item, _ := paths[r.Path].(map[string]any)
		op, _ := item[strings.ToLower(r.Method)].(map[string]any)
		if op == nil {
			t.Errorf("%s %s is not in the document", r.Method, r.Path)
			continue
		}
		given := map[string]bool{}
		params, _ := op["parameters"].([]any)
		for _, p := range params {
			p := p.(map[string]any)
			if p["in"] == "path" {
				given[p["name"].(string)] = true
			}
		}
		for _, name := range route.PathParams(r.Path) {
			if !given[name] {
				t.Errorf("%s %s: the parameter %s is not described", r.Method, r.Path, name)
			}
		}
		if r.Name == "" || r.Summary == "" || r.Tag == "" {
			t.Errorf("%s %s has no name, summary or tag", r.Method, r.Path)
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	named := doc["components"].(map[string]any)["schemas"].(map[string]any)
	for _, m := range regexp.MustCompile(`"#/components/schemas/([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
		if named[m[1]] == nil {
			t.Errorf("%s is referred to and not there", m[1])
		}
	}
}

// answers are calls whose bodies must be valid by the document.
func TestAnswersFollowTheDocument(t *testing.T) {
	p := newProxy(t)
	p.create(topicT)
	p.create(topicU)
	p.produce(t, map[int32]int{0: 3})
	member := p.join(t)
	p.must(201, "POST", "./acls", goodACL)
	p.must(204, "PUT", "./broker-configs/log.retention.ms", `{"value":"9"}`)
	doc := document(t)
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("{cluster_id}", clusterID, "{topic_name}", "t", "{topic}", "t", "{partition_id}", "0", "{partition}", "0",
		"{broker_id}", "1", "{consumer_group_id}", "g", "{consumer_id}", member)
	for _, r := range described() {
		if r.Method != "GET" {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			path := fill.Replace(r.Path)
			switch {
			case strings.HasSuffix(path, "/broker-configs/{name}"), strings.Contains(path, "/brokers/1/configs/"):
				path = strings.Replace(path, "{name}", "log.retention.ms", 1)
			default:
				path = strings.Replace(path, "{name}", "retention.ms", 1)
			}
			w := p.call("GET", path, "")
			status := "200"
			if r.ID == "getKafkaReassignment" {
				status = "default" // there is none
			}
			if (w.Code == 200) != (status == "200") {
				t.Fatalf("%s: %d %s", path, w.Code, w.Body)
			}
			at := strings.NewReplacer("~", "~0", "/", "~1")
			schema, err := compiler.Compile("openapi.json#/paths/" + at.Replace(r.Path) + "/get/responses/" + status +
				"/content/" + at.Replace(w.Header().Get("Content-Type")) + "/schema")
			if err != nil {
				t.Fatal(err)
			}
			body, err := jsonschema.UnmarshalJSON(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(body); err != nil {
				t.Error(err)
			}
		})
	}
}

// described are the routes that the document has.
func described() []route.Route {
	return slices.DeleteFunc(Routes(Deps{}), func(r route.Route) bool { return r.Hidden })
}
