package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/headrace/headrace"

// rules are what ARCHITECTURE.md says.
type rules struct {
	rooms []room
	only  map[string][]string // a package from outside: who may import it
}

// room is a row of the table of rooms.
type room struct {
	name string
	may  []string
}

// readRules reads the two tables of ARCHITECTURE.md.
func readRules(t *testing.T) rules {
	t.Helper()
	text, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	r := rules{only: map[string][]string{}}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		names := quoted(cells[0])
		switch {
		case !strings.HasPrefix(line, "| `") || len(names) != 1:
		case len(cells) == 3:
			r.rooms = append(r.rooms, room{names[0], quoted(cells[2])})
		case len(cells) == 2:
			r.only[names[0]] = quoted(cells[1])
		}
	}
	if len(r.rooms) < 30 || len(r.only) < 4 {
		t.Fatalf("ARCHITECTURE.md has %d rooms and %d rules for what is outside; the tables were not found", len(r.rooms), len(r.only))
	}
	return r
}

// quoted returns what stands in backticks.
func quoted(cell string) (names []string) {
	for i, part := range strings.Split(cell, "`") {
		if i%2 == 1 {
			names = append(names, part)
		}
	}
	return names
}

// everybody may import these: they stand on the standard library alone.
var everybody = []string{"internal/backoff", "internal/redact", "internal/egress"}

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

// roomOf is the row with the longest name that matches; nil: there is none.
func (r rules) roomOf(name string) *room {
	var found *room
	for i := range r.rooms {
		if matches(r.rooms[i].name, name) && (found == nil || len(r.rooms[i].name) > len(found.name)) {
			found = &r.rooms[i]
		}
	}
	return found
}

// violation says which rule forbids that the package imports what it imports;
// both are import paths. It is empty when none does.
func (r rules) violation(importer, imported string) string {
	from := strings.TrimPrefix(importer, module+"/")
	to, inside := strings.CutPrefix(imported, module+"/")
	if matches("test/...", from) {
		return ""
	}
	if !inside {
		if may, ok := r.only[imported]; ok && !matchesAny(may, from) {
			return "only " + strings.Join(may, ", ") + " may import it"
		}
		if from == "connector" && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
			return "connector imports the standard library only"
		}
		return ""
	}
	room := r.roomOf(from)
	switch {
	case room == nil:
		return "the package is in no room"
	case slices.Contains(everybody, to), matches(room.name, to), matchesAny(room.may, to):
		return ""
	}
	return room.name + " may import " + strings.Join(append(slices.Clone(room.may), "nothing else of this module"), ", ")
}

func TestImportRules(t *testing.T) {
	r := readRules(t)
	used := map[string]bool{}
	for _, p := range packages(t) {
		for _, i := range p.Imports {
			if why := r.violation(p.ImportPath, i); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, i, why)
			}
			if room := r.roomOf(strings.TrimPrefix(p.ImportPath, module+"/")); room != nil {
				for _, may := range room.may {
					used[room.name+" "+may] = used[room.name+" "+may] || matches(may, strings.TrimPrefix(i, module+"/"))
				}
			}
		}
	}
	for _, room := range r.rooms {
		for _, may := range room.may {
			if !used[room.name+" "+may] {
				t.Errorf("ARCHITECTURE.md lets %s import %s, and nothing there does", room.name, may)
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
	r := readRules(t)
	for _, c := range []struct {
		from, to string
		bad      bool
	}{
		{"connector", "fmt", false},
		{"connector", "golang.org/x/sync/errgroup", true},
		{"connector", module + "/connector/config", true},
		{"connector", module + "/internal/redact", false},
		{"connector/config", module + "/connector", false},
		{"connector/config", module + "/auth", true},
		{"connector/kafka/producer", "github.com/IBM/sarama", false},
		{"connector/kafka/producer", module + "/connector/kafka", true},
		{"connector/formats", "github.com/IBM/sarama", true},
		{"pipelines", "github.com/twmb/franz-go/pkg/kgo", true},
		{"sources/filesource", module + "/sinks/filesink", true},
		{"sources/filesource", module + "/connector/formats", false},
		{"sinks/kafkasink", module + "/connector/exporter", true},
		{"sinks/kafkasink", module + "/connector/state", true},
		{"connector/exporter", module + "/pipelines", true},
		{"connector/intake", module + "/connector/state", true},
		{"gateway", module + "/gateway/restproxy", true},
		{"gateway", module + "/gateway/route", false},
		{"gateway/openapi", module + "/gateway/restproxy/wire", true},
		{"gateway/restproxy", module + "/pipelines", true},
		{"internal/app", module + "/pipelines", false},
		{"pipelines", module + "/internal/app", true},
		{"pipelines", module + "/cmd/headrace", true},
		{"pipelines", module + "/test/services", true},
		{"internal/embedded", module + "/connector", true},
		{"somewhere/new", module + "/connector", true},
	} {
		if got := r.violation(module+"/"+c.from, c.to); (got != "") != c.bad {
			t.Errorf("%s imports %s: %q, want a refusal: %t", c.from, c.to, got, c.bad)
		}
	}
}
