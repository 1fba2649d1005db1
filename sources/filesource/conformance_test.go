package filesource_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/connectortest"
	"github.com/headrace/headrace/sources/filesource"
)

// index returns the number at the start of a record: {"n":7,… or {"n":"7",…
func index(m *connector.Message) (int, error) {
	digits := strings.TrimLeft(strings.TrimPrefix(string(m.Value), `{"n":`), `"`)
	end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	return strconv.Atoi(digits[:max(end, 0)])
}

func TestConformance(t *testing.T) {
	pad := strings.Repeat("x", 300)
	jsonLine := func(i int) string { return fmt.Sprintf("{\"n\":%d,\"pad\":%q}\n", i, pad) }
	row := func(i int) string { return fmt.Sprintf("%d,\"%s\n\"\n", i, pad) }
	for _, tc := range []struct {
		name, pattern, header, kind string
		line                        func(int) string
		files                       int
	}{
		{name: "json lines", pattern: "a.ndjson", line: jsonLine, files: 1},
		{name: "gzip", pattern: "a.ndjson.gz", kind: "gzip", line: jsonLine, files: 1},
		{name: "zstd csv", pattern: "a.csv.zst", kind: "zstd", header: "n,pad\n", line: row, files: 1},
		{name: "csv", pattern: "a.csv", header: "n,pad\n", line: row, files: 1},
		{name: "many files", pattern: "part-*.ndjson", line: jsonLine, files: 50},
	} {
		t.Run(tc.name, func(t *testing.T) {
			connectortest.TestSource(t, connectortest.SourceHarness{
				Caps: connectortest.SourceCaps{Resumes: true, Parts: tc.files > 1, StartsOver: true, Records: 3000},
				Open: func(t *testing.T, n int) connectortest.Input {
					dir := t.TempDir()
					for f := range tc.files {
						var b strings.Builder
						b.WriteString(tc.header)
						for i := f * n / tc.files; i < (f+1)*n/tc.files; i++ {
							b.WriteString(tc.line(i))
						}
						name := strings.Replace(tc.pattern, "*", fmt.Sprintf("%03d", f), 1)
						if err := os.WriteFile(filepath.Join(dir, name), packed(t, b.String(), tc.kind), 0o600); err != nil {
							t.Fatal(err)
						}
					}
					env := block.Env{Dir: dir}
					cfg := config(tc.pattern, func(c *filesource.Config) { c.Types = map[string]string{} })
					return connectortest.Input{Index: index, Source: func() connector.Source { return filesource.New(cfg, env) }}
				},
			})
		})
	}
}

// TestAnotherFileUnderTheNameIsReadWhole replaces a file whose reading was
// broken off, keeping its first kilobytes.
func TestAnotherFileUnderTheNameIsReadWhole(t *testing.T) {
	for _, tc := range []struct {
		name, file, kind string
		change           func(text string) string
		whole            bool
	}{
		{"grown", "a.ndjson", "", func(s string) string { return s + lines(1) }, false},
		{"other records later on", "a.ndjson", "", func(s string) string { return s[:2000] + strings.ReplaceAll(s[2000:], "x", "y") }, true},
		{"shorter", "a.ndjson", "", func(s string) string { return s[:2000] }, true},
		{"shorter gzip", "a.ndjson.gz", "gzip", func(s string) string { return s[:2000] }, true},
		{"another gzip", "a.ndjson.gz", "gzip", func(s string) string { return strings.ReplaceAll(s, "x", "z") }, true},
		{"the same gzip", "a.ndjson.gz", "gzip", func(s string) string { return s }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := lines(20_000)
			path := write(t, tc.file, packed(t, text, tc.kind))
			env, left := block.Env{}, new(connectortest.Positions)
			if err := run(t.Context(), filesource.New(config(path, nil), env), &collect{fail: 19_000}, left); err == nil {
				t.Fatal("the first run did not fail")
			}
			changed := tc.change(text)
			if err := os.WriteFile(path, packed(t, changed, tc.kind), 0o600); err != nil {
				t.Fatal(err)
			}
			var out collect
			if err := run(t.Context(), filesource.New(config(path, nil), env), &out, left); err != nil {
				t.Fatal(err)
			}
			total := strings.Count(changed, "\n")
			if !strings.HasSuffix(changed, "\n") {
				total++
			}
			if whole := len(out.values) == total; whole != tc.whole || len(out.values) == 0 {
				t.Errorf("%d of %d records were read", len(out.values), total)
			}
		})
	}
}

func TestAPlaceSaysNothingAboutOtherFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.ndjson", "b.ndjson"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(lines(20_000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env, left := block.Env{Dir: dir}, new(connectortest.Positions)
	if err := run(t.Context(), filesource.New(config("b.ndjson", nil), env), &collect{fail: 19_000}, left); err == nil {
		t.Fatal("the first run did not fail")
	}
	var out collect
	if err := run(t.Context(), filesource.New(config("a.ndjson", nil), env), &out, left); err != nil || len(out.values) != 20_000 {
		t.Errorf("%d records of the other file, %v", len(out.values), err)
	}
}

func TestFoldersAreNoFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub.ndjson"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "z.ndjson"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out collect
	if err := run(t.Context(), filesource.New(config("*.ndjson", nil), block.Env{Dir: dir}), &out, nil); err != nil || len(out.values) != 1 {
		t.Errorf("%q, %v", out.values, err)
	}
	err := run(t.Context(), filesource.New(config("sub.ndjson", nil), block.Env{Dir: dir}), &out, nil)
	if connector.KindOf(err) != connector.Invalid || !strings.Contains(err.Error(), "sub.ndjson: it is a folder; name the files in it") {
		t.Errorf("a folder: %v", err)
	}
}

// TestCheckFiles is what validate says of a path, without reading.
func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.ndjson"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"a.ndjson": "", filepath.Join(dir, "a.ndjson"): "", "no-*.ndjson": "",
		"b.ndjson": "there is no such file", "sub": "it is a folder",
	} {
		t.Run(path, func(t *testing.T) {
			cfg := config(path, nil)
			got := cfg.CheckFiles(dir)
			if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || got[0].Path != "path" || !strings.Contains(got[0].Message, want)) {
				t.Errorf("%+v, want %q", got, want)
			}
		})
	}
}
