package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/headrace/headrace"

// within lists what the packages of a folder may import of this module, by
// the table of rooms in ARCHITECTURE.md. A name ending in /... means the
// folder and what is below it; the folder itself is always allowed. The first
// match counts.
var within = []struct {
	room string
	may  []string
}{
	{"connector/kafka/...", []string{"connector/...", "auth/..."}},
	{"connector/mqtt/...", []string{"connector/...", "auth/..."}},
	{"connector/rabbitmq/...", []string{"connector/...", "auth/..."}},
	{"connector/solace/...", []string{"connector/...", "auth/..."}},
	{"connector/schema/...", []string{"connector/...", "auth/..."}},
	{"connector/connectortest/...", []string{"connector/..."}},
	{"connector", nil},
	{"connector/...", []string{"connector/..."}},
	{"auth/...", []string{"connector", "auth/..."}},
	{"sources/...", []string{"connector/...", "auth/..."}},
	{"sinks/...", []string{"connector/...", "auth/..."}},
	{"pipelines/schedule/...", []string{"connector/..."}},
	{"pipelines/...", []string{"connector/...", "auth/...", "sources/...", "sinks/...", "pipelines/..."}},
	{"gateway/route", nil},
	{"gateway/openapi", []string{"gateway/route"}},
	{"gateway", []string{"connector", "auth/tlsstore", "gateway/route", "gateway/openapi"}},
	{"gateway/...", []string{"connector/...", "auth/...", "gateway/..."}},
	{"internal/app/...", []string{"connector/...", "auth/...", "pipelines/...", "gateway/...", "internal/..."}},
	{"internal/...", []string{"internal/..."}},
}

// only lists who may import a package, from outside or of this module.
var only = map[string][]string{
	module + "/connector/exporter":       {"pipelines/...", "gateway/...", "internal/app/...", "cmd/...", "test/..."},
	module + "/connector/state":          {"connector/connectortest/...", "pipelines/...", "gateway/...", "internal/app/...", "cmd/...", "test/..."},
	module + "/internal/app":             {"cmd/...", "test/..."},
	"github.com/IBM/sarama":              {"connector/kafka/...", "test/..."},
	"github.com/twmb/franz-go/pkg/kgo":   {"internal/embedded/...", "test/..."},
	"github.com/twmb/franz-go/pkg/kadm":  {"internal/embedded/...", "test/..."},
	"github.com/twmb/franz-go/pkg/kfake": {"internal/embedded/...", "test/..."},
}

type pkg struct {
	ImportPath, Dir  string
	Imports, GoFiles []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,Imports,GoFiles", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// matches reports whether the package, named from the module's root, is the
// one the pattern names.
func matches(pattern, name string) bool {
	folder, below := strings.CutSuffix(pattern, "/...")
	return name == folder || below && strings.HasPrefix(name, folder+"/")
}

func matchesAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if matches(p, name) {
			return true
		}
	}
	return false
}

// violation says which rule forbids that the package imports what it imports;
// both are import paths. It is empty when none does.
func violation(importer, imported string) string {
	from := strings.TrimPrefix(importer, module+"/")
	to, inside := strings.CutPrefix(imported, module+"/")
	if may, ok := only[imported]; ok && !matchesAny(may, from) {
		return "only " + strings.Join(may, ", ") + " may import it"
	}
	if !inside {
		if from == "connector" && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
			return "connector imports the standard library only"
		}
		return ""
	}
	if to == "internal/backoff" || to == "internal/redact" || to == "internal/egress" {
		return "" // they stand on the standard library alone
	}
	if matches("cmd/...", to) || matches("test/...", to) && !matches("test/...", from) {
		return "nothing imports commands, and only tests import tests"
	}
	for _, w := range within {
		if matches(w.room, from) {
			if !matches(w.room, to) && !matchesAny(w.may, to) {
				return w.room + " may import " + strings.Join(append(w.may, "nothing else of this module"), ", ")
			}
			return ""
		}
	}
	return ""
}

func TestImportRules(t *testing.T) {
	for _, p := range packages(t) {
		for _, i := range p.Imports {
			if why := violation(p.ImportPath, i); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, i, why)
			}
		}
	}
}

// Every concrete source and sink is named in one file, so that adding one is
// one line there.
func TestOnlyBuiltinNamesSourcesAndSinks(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, f), nil, parser.ImportsOnly)
			if err != nil {
				t.Error(err)
				continue
			}
			for _, i := range file.Imports {
				path, err := strconv.Unquote(i.Path.Value)
				if err != nil {
					t.Error(err)
				}
				to := strings.TrimPrefix(path, module+"/")
				from := strings.TrimPrefix(p.ImportPath, module+"/")
				named := matches("sources/...", to) || matches("sinks/...", to)
				if named && !matches("test/...", from) && (from != "pipelines" || f != "builtin.go") {
					t.Errorf("%s/%s imports %s: only pipelines/builtin.go names sources and sinks", from, f, to)
				}
			}
		}
	}
}

// The rules themselves, on made-up imports: a rule that refuses nothing holds nothing.
func TestViolation(t *testing.T) {
	for _, c := range []struct {
		from, to string
		bad      bool
	}{
		{"connector", "fmt", false},
		{"connector", "golang.org/x/sync/errgroup", true},
		{"connector", module + "/connector/config", true},
		{"connector/config", module + "/connector", false},
		{"connector/config", module + "/auth", true},
		{"connector/kafka/producer", "github.com/IBM/sarama", false},
		{"connector/formats", "github.com/IBM/sarama", true},
		{"pipelines", "github.com/twmb/franz-go/pkg/kgo", true},
		{"sources/filesource", module + "/sinks/filesink", true},
		{"sources/filesource", module + "/connector/formats", false},
		{"sinks/kafkasink", module + "/connector/exporter", true},
		{"pipelines", module + "/sinks/filesink", false},
		{"pipelines/schedule", module + "/connector/kafka", false},
		{"connector/exporter", module + "/pipelines", true},
		{"gateway", module + "/connector", false},
		{"gateway", module + "/gateway/restproxy/wire", true},
		{"gateway/route", module + "/gateway/openapi", true},
		{"gateway/openapi", module + "/gateway/restproxy/wire", true},
		{"gateway/restproxy", module + "/gateway/route", false},
		{"gateway/restproxy", module + "/connector/exporter", false},
		{"gateway", module + "/pipelines", true},
		{"cmd/headrace", module + "/pipelines", false},
		{"pipelines", module + "/cmd/headrace", true},
		{"pipelines", module + "/test/services", true},
		{"internal/embedded", module + "/connector", true},
	} {
		if got := violation(module+"/"+c.from, c.to); (got != "") != c.bad {
			t.Errorf("%s imports %s: %q, want a refusal: %t", c.from, c.to, got, c.bad)
		}
	}
}
