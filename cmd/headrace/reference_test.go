package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

var update = flag.Bool("update", false, "write the files that are made from the code")

// schemas returns what `headrace schema` prints.
func schemas(t *testing.T) map[string]any {
	t.Helper()
	_, out, _ := headrace("", "schema")
	var s map[string]any
	d := json.NewDecoder(strings.NewReader(out))
	d.UseNumber()
	if err := d.Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestReferenceIsUpToDate compares docs/reference.md with the schemas.
func TestReferenceIsUpToDate(t *testing.T) {
	const file = "../../docs/reference.md"
	got := reference(schemas(t))
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		t.Errorf("%s is not what the code says (%v); run: go test ./cmd/headrace -run Reference -update", file, err)
	}
}

// notSecret are keys that are called like one and hold none.
var notSecret = regexp.MustCompile(`^(key|message_key|message_content|key_format|key_schema|keystore|headers|(allowed|exposed)_headers|aws_access_key_id|oauth_key_id|oauth_token_url|oauth_subject_token_type)$|file$|keytab$`)

// TestSecretKeysAreSecrets holds that every key whose name says so is one: what
// feeds it is masked.
func TestSecretKeysAreSecrets(t *testing.T) {
	named := regexp.MustCompile(`pass|secret|token|jaas|key|credential|content$|authorization|params|headers`)
	found := 0
	var walk func(path string, node any)
	walk = func(path string, node any) {
		switch n := node.(type) {
		case []any:
			for _, item := range n {
				walk(path, item)
			}
		case map[string]any:
			properties, _ := n["properties"].(map[string]any)
			for name, property := range properties {
				s, _ := property.(map[string]any)
				values, _ := s["additionalProperties"].(map[string]any)
				secret := s["writeOnly"] == true || values["writeOnly"] == true
				if secret {
					found++
				} else if named.MatchString(name) && !notSecret.MatchString(name) {
					t.Errorf("%s.%s is no connector.Secret", path, name)
				}
			}
			for name, child := range n {
				walk(path+"."+name, child)
			}
		}
	}
	walk("", any(schemas(t)))
	if found < 10 {
		t.Errorf("only %d secrets found", found)
	}
}

// TestExamplesFitTheSchema holds what editors are told against the examples.
func TestExamplesFitTheSchema(t *testing.T) {
	c := jsonschema.NewCompiler()
	if err := c.AddResource("pipeline.json", schemas(t)["pipeline"]); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("pipeline.json")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := yaml.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	noTopic := map[string]any{"blocks": []any{
		map[string]any{"type": "data_loader", "connector_type": "stdin"},
		map[string]any{"type": "data_exporter", "connector_type": "kafka"}}}
	if schema.Validate(noTopic) == nil {
		t.Error("the schema takes a Kafka exporter without a topic")
	}
}

// reference is docs/reference.md.
func reference(all map[string]any) string {
	var b strings.Builder
	b.WriteString("# Every key\n\nMade from the code; `headrace schema` prints the same as JSON Schema, for editors. A key in bold must be given.\n")
	pipeline := object(all["pipeline"])
	b.WriteString("\n## Pipeline file\n")
	table(&b, pipeline, "", "blocks", "schedule")
	b.WriteString("\n## Schedule\n")
	table(&b, object(list(object(object(pipeline["properties"])["schedule"])["oneOf"])[1]), "")
	project := object(all["project"])
	cluster := object(object(object(project["properties"])["clusters"])["additionalProperties"])
	connection := slices.Collect(maps.Keys(object(cluster["properties"])))
	for _, block := range list(object(object(object(pipeline["properties"])["blocks"])["items"])["oneOf"]) {
		keys := object(object(block)["properties"])
		without := []string{"type", "connector_type", "name", "upstream_blocks"}
		fmt.Fprintf(&b, "\n## %s: %s\n", object(keys["type"])["const"], object(keys["connector_type"])["const"])
		if keys["bootstrap_server"] != nil {
			b.WriteString("\nThe keys of the [connection](#kafka-connection), and:\n")
			without = append(without, connection...)
		}
		table(&b, object(block), "", without...)
	}
	b.WriteString("\n## Kafka connection\n\nThe same in Kafka blocks and in each entry of the project file's `clusters`.\n")
	table(&b, cluster, "")
	b.WriteString("\n## Project file\n")
	table(&b, project, "", "clusters")
	return b.String()
}

// table lists the keys of a schema of an object, and those of objects in it
// below them.
func table(b *strings.Builder, schema map[string]any, prefix string, without ...string) {
	if prefix == "" {
		b.WriteString("\n| Key | Values | Default | What |\n|---|---|---|---|\n")
	}
	required := list(schema["required"])
	keys := object(schema["properties"])
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if slices.Contains(without, key) {
			continue
		}
		value := object(keys[key])
		name := "`" + prefix + key + "`"
		if slices.Contains(required, any(key)) {
			name = "**" + name + "**"
		}
		def := ""
		if d, ok := value["default"]; ok && fmt.Sprint(d) != "" {
			def = fmt.Sprintf("`%v`", d)
		}
		what, _ := value["description"].(string)
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", name, values(value), def, strings.ReplaceAll(what, "|", "\\|"))
		for _, inner := range append(list(value["anyOf"]), value) {
			if o := object(inner); o["type"] == "object" && o["properties"] != nil {
				table(b, o, prefix+key+".")
			}
		}
	}
}

// values names what a key takes.
func values(schema map[string]any) string {
	for _, inner := range append([]any{schema}, list(schema["anyOf"])...) {
		o := object(inner)
		if enum := list(o["enum"]); enum != nil {
			var names []string
			for _, v := range enum {
				if text := fmt.Sprint(v); text != strings.ToUpper(text) && slices.Contains(enum, any(strings.ToUpper(text))) {
					continue // any case is taken
				}
				names = append(names, fmt.Sprintf("`%v`", v))
			}
			return strings.Join(slices.Compact(names), ", ")
		}
		if kind, ok := o["type"].(string); ok {
			return map[string]string{"object": "map", "array": "list", "integer": "number"}[kind] + map[bool]string{true: kind}[kind == "string" || kind == "boolean" || kind == "number"]
		}
		if list(o["type"]) != nil {
			return "text"
		}
	}
	return ""
}

func object(v any) map[string]any { m, _ := v.(map[string]any); return m }

func list(v any) []any { l, _ := v.([]any); return l }
