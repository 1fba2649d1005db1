package restproxy

import (
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/headrace/headrace/gateway/route"
)

// document is /-/openapi.json of a proxy.
func (p *proxy) document() map[string]any {
	p.t.Helper()
	_, text, _ := p.call("GET", "/-/openapi.json", "")
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		p.t.Fatal(err)
	}
	return doc.(map[string]any)
}

var notMethods = []string{"OPTIONS", "HEAD", "parameters"}

// TestDocumentIsWhatIsServed holds the document to the routes: what is mounted
// is described, and what is described is mounted.
func TestDocumentIsWhatIsServed(t *testing.T) {
	p := serve(t, broker(t).ListenAddrs(), func(c *Config) { c.Block = []string{"api.v3.acls.*"} })
	described := map[string]bool{} // method and path without names
	for path, item := range p.document()["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			described[strings.ToUpper(method)+" "+unnamed(path)] = true
		}
	}
	mounted := map[string]bool{}
	paths := map[string]bool{}
	for _, t := range p.proxy.Tables() {
		for _, r := range t.Routes {
			if !r.Hidden {
				paths[r.Path] = true
			}
		}
	}
	for path := range paths {
		_, _, header := p.call("OPTIONS", fill(path), "")
		for _, method := range strings.Split(header.Get("Allow"), ",") {
			if slices.Contains(notMethods, method) || strings.Contains(path, "/acls") {
				continue
			}
			mounted[method+" "+unnamed(path)] = true
			if !described[method+" "+unnamed(path)] {
				t.Errorf("%s %s is served and not described", method, path)
			}
		}
	}
	if len(mounted) < 70 {
		t.Errorf("only %d endpoints are mounted", len(mounted))
	}
	for d := range described {
		if !mounted[d] && !strings.Contains(d, " /-/") {
			t.Errorf("%s is described and not served", d)
		}
		if strings.Contains(d, " /-/") {
			if status, body, _ := p.call("GET", strings.TrimPrefix(d, "GET "), ""); status != 200 {
				t.Errorf("%s: %d %s", d, status, body)
			}
		}
		if strings.Contains(d, "/acls") {
			t.Errorf("%s is blocked and described", d)
		}
	}
}

// unnamed is a path without the names of its parameters.
func unnamed(path string) string {
	for _, name := range route.PathParams(path) {
		path = strings.ReplaceAll(path, "{"+name+"}", "{}")
	}
	return path
}

// fill gives the parameters of a path values.
func fill(path string) string {
	return strings.NewReplacer("{cluster_id}", "C", "{topic_name}", "t", "{topic}", "t", "{partition_id}", "0", "{partition}", "0", "{broker_id}", "0",
		"{consumer_group_id}", "g", "{consumer_id}", "c", "{name}", "retention.ms", "{group}", "g", "{instance}", "i").Replace(path)
}

// TestAnswersFollowTheDocument checks produced and consumed answers against
// the schemas, and that requests by the document are taken.
func TestAnswersFollowTheDocument(t *testing.T) {
	p := serve(t, broker(t).ListenAddrs(), nil)
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("openapi.json", p.document()); err != nil {
		t.Fatal(err)
	}
	at := strings.NewReplacer("~", "~0", "/", "~1")
	check := func(pointer, text string) {
		t.Helper()
		schema, err := compiler.Compile("openapi.json#/paths/" + pointer + "/schema")
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	const records = "/v3/clusters/{cluster_id}/topics/{topic_name}/records"
	const one = "/consumers/{group}/instances/{instance}"
	for _, tc := range []struct {
		method, path, query, body, kind, accept string
		status                                  string
	}{
		{"POST", records, "", `{"key":{"type":"JSON","data":1},"value":{"type":"STRING","data":"x"},"headers":[{"name":"h","value":"YQ=="}],"timestamp":"2022-04-22T14:48:47Z"}`, plain, "", "200"},
		{"POST", records, "", `{"value":{"type":"BINARY","data":"!"}}`, plain, "", "200"},
		{"POST", records + ":batch", "", `{"entries":[{"id":"1","value":{"type":"STRING","data":"x"}},{"id":"2","partition_id":99}]}`, plain, "", "207"},
		{"POST", "/topics/{topic}", "", `{"records":[{"key":1,"value":{"a":1},"partition":0}]}`, jsonV2, typeV2, "200"},
		{"POST", "/topics/{topic}", "?failed_status=207", `{"records":[{"value":1,"partition":99}]}`, jsonV2, typeV2, "207"},
		{"POST", "/topics/{topic}/partitions/{partition}", "?metadata=true", `{"records":[{"value":1,"timestamp":1000,"headers":[{"name":"a","value":null}]}]}`, jsonV2, typeV2, "200"},
		{"POST", "/consumers/{group}", "", `{"name":"i","format":"json","auto.offset.reset":"earliest","auto.commit.enable":"false","fetch.min.bytes":1}`, typeV2, typeV2, "200"},
		{"POST", one + "/subscription", "", `{"topics":["t"]}`, typeV2, typeV2, "204"},
		{"GET", one + "/subscription", "", ``, "", typeV2, "200"},
		{"GET", one + "/records", "?timeout=10000&metadata=true", ``, "", jsonV2, "200"},
		{"GET", one + "/assignments", "", ``, "", typeV2, "200"},
		{"POST", one + "/positions/beginning", "", `{"partitions":[{"topic":"t","partition":0}]}`, typeV2, typeV2, "204"},
		{"POST", one + "/offsets", "", `{"offsets":[{"topic":"t","partition":0,"offset":1,"metadata":"m"}]}`, typeV2, typeV2, "200"},
		{"GET", one + "/offsets", "", `{"partitions":[{"topic":"t","partition":0}]}`, typeV2, typeV2, "200"},
		{"DELETE", one, "", ``, "", "", "204"},
		{"DELETE", one, "", ``, "", typeV2, "default"},
		{"GET", "/v3/clusters/{cluster_id}/topics/{topic_name}/partitions/{partition_id}/records", "?format=json", ``, "", plain, "200"},
	} {
		name := tc.method + " " + tc.path + tc.query
		header := []string{}
		if tc.kind != "" {
			header = append(header, "Content-Type", tc.kind)
		}
		if tc.accept != "" {
			header = append(header, "Accept", tc.accept)
		}
		status, body, h := p.call(tc.method, fill(tc.path)+tc.query, tc.body, header...)
		if want := map[string]int{"200": 200, "204": 204, "207": 207, "default": 404}[tc.status]; status != want {
			t.Fatalf("%s: %d %s", name, status, body)
		}
		op := at.Replace(tc.path) + "/" + strings.ToLower(tc.method)
		if tc.body != "" {
			check(op+"/requestBody/content/"+at.Replace(tc.kind), tc.body)
		}
		if status != 204 {
			check(op+"/responses/"+tc.status+"/content/"+at.Replace(h.Get("Content-Type")), body)
		}
		if strings.HasSuffix(tc.path, "/records") && tc.method == "GET" && (!strings.Contains(body, "timestamp") || !strings.Contains(body, `"headers":[{"name"`)) {
			t.Errorf("%s: no record was read: %s", name, body)
		}
	}
}
