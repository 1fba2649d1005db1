package admin

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocsNameRealTests holds the tables of docs/rest-proxy.md to the code:
// every endpoint has a row, every test that a row names is there.
func TestDocsNameRealTests(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/rest-proxy.md")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	var files []string
	for _, folder := range []string{"../*", "..", "../..", "../../../test/restproxy", "../../../connector/kafka/reader", "../../../connector/kafka/group", "../../../cmd/headrace"} {
		found, err := filepath.Glob(folder + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(text)
	}
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)(?:/([a-z0-9_]+))?`").FindAllStringSubmatch(string(doc), -1)
	if len(named) < 60 {
		t.Fatalf("only %d tests are named", len(named))
	}
	for _, m := range named {
		if !strings.Contains(code.String(), "func "+m[1]+"(") {
			t.Errorf("there is no %s", m[1])
		}
		if m[2] == "" {
			continue
		}
		if !strings.Contains(code.String(), `{"`+m[2]+`", "`) {
			t.Errorf("%s has no case %s", m[1], m[2])
		}
		if _, err := os.Stat("testdata/" + m[2] + ".golden"); err != nil {
			t.Error(err)
		}
	}
	short := strings.NewReplacer(underCluster, "", "{cluster_id}", "{c}", "{topic_name}", "{t}", "{topic}", "{t}", "{partition_id}", "{p}", "{partition}", "{p}",
		"{broker_id}", "{b}", "{consumer_group_id}", "{g}", "{consumer_id}", "{id}")
	for _, r := range described() {
		path := short.Replace(r.Path)
		if r.Path == underCluster {
			path = "/v3/clusters/{c}"
		}
		if !regexp.MustCompile(regexp.QuoteMeta("| "+r.Method+" `"+path) + "[`?]").Match(doc) {
			t.Errorf("%s %s has no row", r.Method, path)
		}
	}
}
