package filesource_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/connectortest"
	"github.com/headrace/headrace/sources/filesource"
)

func takeNew(c *filesource.Config) { c.Take = filesource.TakeNew }

// folder writes files by name.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Runs that take what is new: other files, growth, and nothing twice.
func TestTakeNew(t *testing.T) {
	dir := folder(t, map[string]string{"m.ndjson": "1\n", "z.ndjson": "2\n", "g.ndjson.gz": string(packed(t, "3\n", "gzip"))})
	var left connectortest.Positions
	run := func() string {
		t.Helper()
		var out collect
		if err := run(t.Context(), filesource.New(config("*.ndjson*", takeNew), block.Env{Dir: dir}), &out, &left); err != nil {
			t.Error(err)
		}
		return strings.Join(out.values, " ")
	}
	write := func(name, text string, flag int) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(dir, name), flag|os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	if got := run(); got != "3 1 2" {
		t.Errorf("first %s", got)
	}
	if got := run(); got != "" {
		t.Errorf("again %s", got)
	}
	write("b.ndjson", "4\n", 0)
	write("m.ndjson", "5\n6", os.O_APPEND)
	if got := run(); got != "4 5" {
		t.Errorf("after more: %s", got)
	}
	write("m.ndjson", "6\n", os.O_APPEND)
	if err := os.Rename(filepath.Join(dir, "z.ndjson"), filepath.Join(dir, "a.ndjson")); err != nil {
		t.Fatal(err)
	}
	if got := run(); got != "66" {
		t.Errorf("after a line end and another name: %s", got)
	}
	write("m.ndjson", "7\n", os.O_TRUNC)
	if got := run(); got != "7" {
		t.Errorf("a new file under the old name: %s", got)
	}
	if err := os.Remove(filepath.Join(dir, "m.ndjson")); err != nil {
		t.Fatal(err)
	}
	if got := run(); got != "" {
		t.Errorf("without a file: %s", got)
	}
}

func TestTakeNewOfNothing(t *testing.T) {
	if err := run(t.Context(), filesource.New(config("*.ndjson", takeNew), block.Env{Dir: t.TempDir()}), &collect{}, nil); err != nil {
		t.Error(err)
	}
}

// One bad file of a set is named, and what is behind it is delivered.
func TestABadFileDoesNotEndTheSet(t *testing.T) {
	for _, tc := range []struct{ name, file, text, want string }{
		{"not gzip", "b.ndjson.gz", "no gzip", "b.ndjson.gz: not gzip"},
		{"cut off", "b.ndjson.gz", string(packed(t, lines(3000), "gzip")[:15]), "b.ndjson.gz:1: read behind byte"},
		{"a column twice", "b.csv", "a,b,a\n1,2,3\n", `b.csv:1: the header: column "a" is there twice`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			good := func(n string) string {
				if strings.HasSuffix(tc.file, ".gz") {
					return string(packed(t, n+"\n", "gzip"))
				}
				return "n\n" + n + "\n"
			}
			ext := strings.TrimPrefix(tc.file, "b")
			dir := folder(t, map[string]string{"a" + ext: good("1"), tc.file: tc.text, "c" + ext: good("2")})
			var left connectortest.Positions
			for range 2 {
				var out collect
				err := run(t.Context(), filesource.New(config("*"+ext, nil), block.Env{Dir: dir}), &out, &left)
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("error %v, want %s", err, tc.want)
				}
				if got := len(out.values); got != 2 && got != 0 {
					t.Errorf("%q", out.values)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, tc.file), []byte(good("3")), 0o600); err != nil {
				t.Fatal(err)
			}
			var out collect
			if err := run(t.Context(), filesource.New(config("*"+ext, nil), block.Env{Dir: dir}), &out, &left); err != nil || len(out.values) != 1 {
				t.Errorf("after it was mended: %q, %v", out.values, err)
			}
		})
	}
}

func TestPatterns(t *testing.T) {
	dir := folder(t, map[string]string{"data/z.ndjson": "1\n", "data/a/x.ndjson": "2\n", "data/a/b/y.ndjson": "3\n", "data/q.csv": "n\n4\n",
		"data/we\nird\xff.ndjson": "5\n", "data/[x].ndjson": "6\n"})
	if err := os.Symlink("..", filepath.Join(dir, "data", "a", "loop")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", filepath.Join(dir, "data", "link")); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]string{
		"data/**/*.ndjson":       "6 3 2 5 1",
		"data/{z,a/x}.ndjson":    "2 1",
		"data/?.ndjson":          "1",
		"data/link/*.ndjson":     "2",
		"data/a/**":              "3 2",
		"data/[x].ndjson":        "6",
		"data/**/b/*.{ndjson,x}": "3",
		"data/[a-z].ndjson":      "1",
	} {
		var out collect
		err := run(t.Context(), filesource.New(config(pattern, nil), block.Env{Dir: dir}), &out, nil)
		if got := strings.Join(out.values, " "); err != nil || got != want {
			t.Errorf("%s: %s, want %s; %v", pattern, got, want, err)
		}
	}
	for pattern, want := range map[string]string{
		"data/[x": "not closed", "data/{a,b": "not closed", "a**/x": "between slashes", "!(a).csv": "is not known here", "+(a|b)": "is not known here",
	} {
		cfg := filesource.DefaultConfig()
		cfg.Path = pattern
		if faults := cfg.Validate(); len(faults) != 1 || !strings.Contains(faults[0].Message, want) {
			t.Errorf("%s: %v, want %s", pattern, faults, want)
		}
	}
}

// Two names of one file are one file.
func TestHardLinks(t *testing.T) {
	dir := folder(t, map[string]string{"a.ndjson": "1\n"})
	if err := os.Link(filepath.Join(dir, "a.ndjson"), filepath.Join(dir, "b.ndjson")); err != nil {
		t.Fatal(err)
	}
	var out collect
	if err := run(t.Context(), filesource.New(config("*.ndjson", nil), block.Env{Dir: dir}), &out, nil); err != nil || len(out.values) != 1 {
		t.Errorf("%q, %v", out.values, err)
	}
}

// A run that reads everything does not go on where a stream stopped.
func TestARunDoesNotGoOnWhereAStreamStopped(t *testing.T) {
	f := follow(t)
	f.write("a.ndjson", "1\n2\n")
	f.start("*.ndjson")
	f.expect("1", "2")
	f.stop()
	var out collect
	if err := run(t.Context(), filesource.New(config("*.ndjson", nil), block.Env{Dir: f.dir}), &out, &f.left); err != nil || len(out.values) != 2 {
		t.Errorf("%q, %v", out.values, err)
	}
}

// A file that gets shorter while it is read is told.
func TestAFileThatGetsShorterWhileItIsRead(t *testing.T) {
	path := write(t, "a.ndjson", []byte(lines(20_000)))
	cut := false
	out := publisherFunc(func(batch []*connector.Message) error {
		if !cut {
			cut = true
			if err := os.Truncate(path, 1000); err != nil {
				return err
			}
		}
		for _, m := range batch {
			m.Finish(connector.Result{Outcome: connector.Acknowledged})
		}
		return nil
	})
	err := run(t.Context(), filesource.New(config(path, nil), block.Env{}), out, nil)
	if err == nil || !strings.Contains(err.Error(), "it became shorter while it was read") {
		t.Errorf("error %v", err)
	}
}

func BenchmarkTenThousandFiles(b *testing.B) {
	dir := b.TempDir()
	for i := range 10_000 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d.ndjson", i)), []byte("1\n"), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		var left connectortest.Positions
		var out collect
		if err := run(b.Context(), filesource.New(config("*.ndjson", takeNew), block.Env{Dir: dir}), &out, &left); err != nil || len(out.values) != 10_000 {
			b.Fatal(err)
		}
	}
}
