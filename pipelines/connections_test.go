package pipelines

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/connector/block"
)

func TestConnections(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"headrace.yaml": "clusters:\n  main: {bootstrap_server: \"a:9092\"}\n  spare: {bootstrap_server: \"b:9092\"}\n",
		"pipelines/orders.yaml": `
blocks:
  - {type: data_loader, connector_type: kafka, name: in, topics: [z, orders], consumer_group: g}
  - {type: data_exporter, connector_type: kafka, name: out, topic: orders, dead_letter: {topic: dead}}
`,
		"pipelines/other.yaml": `
blocks:
  - {type: data_loader, connector_type: stdin, name: in}
  - {type: data_exporter, connector_type: kafka, name: out, topic: x, bootstrap_server: "c:9092"}
`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, problems := Load([]string{dir}, Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	type seen struct {
		Name, Server string
		UsedBy       []string
		Topics       []block.Topic
	}
	var got []seen
	for _, c := range p.Connections() {
		got = append(got, seen{c.Name, c.Settings.Servers()[0], c.UsedBy, c.Topics})
	}
	want := []seen{
		{"main", "a:9092", []string{"orders/in", "orders/out"}, []block.Topic{{Name: "dead", Write: true}, {Name: "orders", Read: true, Write: true}, {Name: "z", Read: true}}},
		{"spare", "b:9092", nil, nil},
		{"other/out", "c:9092", []string{"other/out"}, []block.Topic{{Name: "x", Write: true}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
}

func TestRegistries(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"headrace.yaml": "clusters:\n  main: {bootstrap_server: \"a:9092\"}\nschema_registry: {url: \"http://localhost:8081\"}\n",
		"pipelines/one.yaml": `
blocks:
  - {type: data_loader, connector_type: stdin, name: in}
  - {type: data_exporter, connector_type: kafka, name: same, topic: x, value_format: avro}
  - {type: data_exporter, connector_type: kafka, name: own, topic: x, value_format: avro, schema_registry: {url: "https://r.example.com"}, upstream_blocks: [in]}
  - {type: data_exporter, connector_type: kafka, name: none, topic: x, upstream_blocks: [in]}
`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, problems := Load([]string{dir}, Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	got := map[string][]string{}
	for _, r := range p.Registries() {
		got[r.Name+" "+r.Settings.URL] = r.UsedBy
	}
	want := map[string][]string{"schema_registry http://localhost:8081": {"one/same"}, "schema_registry of one/own https://r.example.com": {"one/own"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
}
