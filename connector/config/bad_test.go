package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/connector/config"
)

var update = flag.Bool("update", false, "write the golden files")

// TestBadFiles loads each bad file and compares every message with the golden
// file: the messages are what users see and what other tests quote.
func TestBadFiles(t *testing.T) {
	r := environment(map[string]string{
		"EMPTY": "", "WORD": "SECRET-VALUE", "NUMBER": "9092",
	}, nil)
	paths, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatal("no bad files found", err)
	}
	var got strings.Builder
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		node, problems := config.Parse(filepath.Base(path), src, r)
		problems = append(problems, node.Named("connector kafka").Decode(new(block), "name", "type", "connector_type")...)
		if problems.Err() == nil {
			t.Errorf("%s: no problem found", path)
			continue
		}
		got.WriteString(problems.Err().Error() + "\n")
	}
	if strings.Contains(got.String(), "SECRET-VALUE") {
		t.Error("a message shows a value")
	}
	const golden = "testdata/bad.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("messages changed (go test -update writes them):\n%s", diff)
	}
}
