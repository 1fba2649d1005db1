package config_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/config"
)

type tree struct {
	Name     string `mapstructure:"name" required:"true"`
	Children []tree `mapstructure:"children"`
	Next     *tree  `mapstructure:"next"`
}

func compile(t *testing.T, schema map[string]any) *jsonschema.Schema {
	t.Helper()
	encoded, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(encoded)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:schema", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("mem:schema")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// plain returns src as encoding/json would read it.
func plain(t *testing.T, src string) any {
	t.Helper()
	node, problems := config.Parse("f.yaml", []byte(src), environment(map[string]string{"X": "${X}"}, nil))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	encoded, err := json.Marshal(node.Value())
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(encoded)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchemaAgreesWithDecode(t *testing.T) {
	schema := compile(t, config.Schema(&block{}, "connector kafka"))
	const base = "bootstrap_server: a:1\ntopic: t\n"
	for name, c := range map[string]struct {
		yaml string
		ok   bool
	}{
		"minimal":          {base, true},
		"list of brokers":  {"bootstrap_server: [a, b]\ntopic: t", true},
		"number as text":   {base + "api_version: 2.6", true},
		"enum":             {base + "security_protocol: SSL\ncodecs: [gzip]", true},
		"variable":         {base + "batch_size: $${X}\nsecurity_protocol: $${X}\ncheck_hostname: $${X}", true},
		"nested":           {base + "truststore: {location: /x, type: PEM}\nretries: {a: {delay: 3s}}", true},
		"text or map":      {base + "schedule: '@hourly'", true},
		"text or map, map": {base + "schedule: {cron: '@hourly'}", true},
		"size":             {base + "max_bytes: 64KiB\nlinger: 3s", true},
		"unknown key":      {base + "topik: x", false},
		"missing key":      {"topic: t", false},
		"wrong type":       {base + "batch_size: many", false},
		"wrong enum":       {base + "security_protocol: TLS", false},
		"nested unknown":   {base + "truststore: {location: /x, x: y}", false},
		"nested missing":   {base + "stores: [{type: PEM}]", false},
		"negative":         {base + "port: -1", false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := schema.Validate(plain(t, c.yaml)); (err == nil) != c.ok {
				t.Errorf("schema: %v", err)
			}
			if strings.Contains(c.yaml, "$${") {
				return
			}
			if problems := decode(t, c.yaml, environment(nil, nil), new(block)); (len(problems) == 0) != c.ok {
				t.Errorf("decode: %v", problems)
			}
		})
	}
}

func TestSchemaGolden(t *testing.T) {
	b := &block{Protocol: "PLAINTEXT", Secret: "never-shown", Linger: connector.Duration(5e9), Max: 1 << 20, Codecs: []string{"none"}}
	b.BatchSize = 100
	got, err := json.MarshalIndent(config.Schema(b, "connector kafka"), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "schema.golden.json")
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(string(got), "never-shown") {
		t.Error("the schema shows a secret as default")
	}
}

func TestSchemaOfATypeThatHoldsItself(t *testing.T) {
	schema := compile(t, config.Schema(tree{}, "tree"))
	if err := schema.Validate(plain(t, "name: a\nnext: {name: b}\nchildren: [{name: c}]")); err != nil {
		t.Error(err)
	}
}
