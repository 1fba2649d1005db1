package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/internal/app"
	"github.com/headrace/headrace/pipelines"
)

// checkJSON wants JSON, one value or several.
func checkJSON(t *testing.T, s snippet) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(s.text))
	for {
		var v any
		err := d.Decode(&v)
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Errorf("%s: not JSON: %v", s.at(), err)
			return
		}
	}
}

func parseYAML(t *testing.T, s snippet) any {
	t.Helper()
	var v any
	if err := yaml.Load([]byte(s.text), &v); err != nil {
		t.Errorf("%s: not YAML: %v", s.at(), err)
	}
	return v
}

// write puts a block that is said to be a file into it.
func (d *document) write(t *testing.T, s snippet) {
	t.Helper()
	how, name, _ := strings.Cut(s.says, " ")
	flags := map[string]int{"file": os.O_TRUNC, "append": os.O_APPEND}
	flag, ok := flags[how]
	if !ok {
		return
	}
	path := filepath.Join(d.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|flag, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(s.text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

const (
	someLoader   = "  - {type: data_loader, connector_type: stdin}\n"
	someExporter = "  - {type: data_exporter, connector_type: stdout}\n"
	someCluster  = "clusters: {main: {bootstrap_server: \"broker:9092\"}}\nschema_registry: {url: \"http://localhost:8081\"}\n"
)

// yaml holds a block against the schema of the file that it is, or is a part of.
// Files that commands read are judged by these.
func (d *document) yaml(t *testing.T, s snippet) {
	t.Helper()
	d.write(t, s)
	v := parseYAML(t, s)
	if s.says != "" && strings.HasPrefix(s.says, "file") {
		return
	}
	pipeline, project := s.text, someCluster
	keys := keysOf(v)
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(keys, n) })
	}
	switch _, list := v.([]any); {
	case list:
		pipeline = "blocks:\n" + someLoader + indented(s.text, 2)
	case has("clusters", "http", "state", "schema_registry"):
		pipeline, project = "blocks:\n"+someLoader+someExporter, s.text
	case has("blocks"):
	case has("schedule", "retry"):
		pipeline = s.text + "blocks:\n" + someLoader + someExporter
	case has("sasl_config", "ssl_config"):
		pipeline = "blocks:\n" + someLoader + "  - type: data_exporter\n    connector_type: kafka\n    topic: orders\n    bootstrap_server: broker:9092\n    security_protocol: SASL_SSL\n" + indented(s.text, 4)
	default:
		t.Errorf("%s: a comment must say what this is, or why it is not checked", s.at())
		return
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"p.yaml": pipeline, pipelines.ProjectFile: project} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	resolver := config.NewResolver()
	resolver.LookupEnv = someValue
	_, problems := app.Load(app.Options{Paths: []string{filepath.Join(dir, "p.yaml")}, ProjectFile: filepath.Join(dir, pipelines.ProjectFile), Resolver: resolver})
	for _, p := range problems {
		if !strings.Contains(p.Message, "does not exist") && !strings.Contains(p.Message, "no such file") { // a reader has them
			t.Errorf("%s: %s", s.at(), p.Error())
		}
	}
}

func keysOf(v any) (keys []string) {
	if m, ok := v.(map[string]any); ok {
		for key := range m {
			keys = append(keys, key)
		}
	}
	return keys
}

var leading = regexp.MustCompile(`(?m)^(\s*)\S`)

// indented moves a block so that its least indented line begins behind n blanks.
func indented(text string, n int) string {
	least := 100
	for _, m := range leading.FindAllStringSubmatch(text, -1) {
		least = min(least, len(m[1]))
	}
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			out.WriteString(strings.Repeat(" ", n) + line[least:])
		}
	}
	return out.String()
}

// someValue is an environment in which every variable has a value that fits its
// name.
func someValue(name string) (string, bool) {
	switch {
	case strings.HasSuffix(name, "URL"):
		return "https://id.example.com/realms/exporter/protocol/openid-connect/token", true
	case strings.HasSuffix(name, "_CA"):
		return "ca.pem", true
	case strings.Contains(name, "KAFKA") || strings.Contains(name, "BROKER"):
		return "broker.example.com:9093", true
	}
	return "some-value", true
}
