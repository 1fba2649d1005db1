package filesink_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/connectortest"
	"github.com/headrace/headrace/connector/formats"
	"github.com/headrace/headrace/sinks/filesink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, cfg filesink.Config, dir string) connector.Sink {
	t.Helper()
	s, err := filesink.New(cfg, block.Env{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return s
}

func write(t *testing.T, s connector.Sink, values ...string) (errs []error) {
	t.Helper()
	var batch []*connector.Message
	for _, v := range values {
		batch = append(batch, &connector.Message{Partition: connector.AnyPartition, Value: []byte(v)})
	}
	s.Write(t.Context(), batch, func(results []connector.Result) {
		for _, r := range results {
			errs = append(errs, r.Err)
		}
	})
	return errs
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "none"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestConformance(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  filesink.Config
		caps connectortest.SinkCaps
	}{
		{"value", filesink.Config{Path: "sub/out.txt", Format: "value"}, connectortest.SinkCaps{ValueOnly: true, Empty: true, Concurrent: true}},
		{"json, added to", filesink.Config{Path: "out.ndjson", Format: "json", Append: true, Sync: true}, connectortest.SinkCaps{Keys: true, Headers: true, Tombstones: true,
			Empty: true, Binary: true, Times: true, Topics: true, Partitions: true, Concurrent: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			connectortest.TestSink(t, connectortest.SinkHarness{Caps: tc.caps, Open: func(t *testing.T) connectortest.Destination {
				dir := t.TempDir()
				return connectortest.Destination{Sink: open(t, tc.cfg, dir), Topic: "t",
					Bad: &connector.Message{Partition: connector.AnyPartition}, // a tombstone without a key
					Stored: func(t *testing.T) (out []connector.Message) {
						for line := range strings.Lines(content(t, filepath.Join(dir, tc.cfg.Path))) {
							m := connector.Message{Partition: connector.AnyPartition}
							if line = strings.TrimSuffix(line, "\n"); tc.cfg.Format == "value" {
								m.Value = []byte(line)
							} else if err := new(formats.Envelope).Decode([]byte(line), &m); err != nil {
								t.Fatalf("%q: %v", line, err)
							}
							out = append(out, m)
						}
						return out
					}}
			}})
		})
	}
}

// TestTheNameComesWithTheEnd follows a file over a run, a run that is broken
// off and the one that goes on.
func TestTheNameComesWithTheEnd(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.txt")
	cfg := filesink.Config{Path: "out.txt", Format: "value"}
	step := func(what, final, partial string) {
		t.Helper()
		if f, p := content(t, path), content(t, path+filesink.PartialSuffix); f != final || p != partial {
			t.Fatalf("%s: %q and %q, want %q and %q", what, f, p, final, partial)
		}
	}
	s := open(t, cfg, dir)
	write(t, s, "1", "2")
	step("while it is written", "none", "1\n2\n")
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	step("at the end", "1\n2\n", "none")

	s = open(t, cfg, dir)
	write(t, s, "3")
	step("the old one stays until the new one is complete", "1\n2\n", "3\n")
	s.(connector.Abandoner).Abandon()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	step("broken off", "1\n2\n", "3\n")

	s = open(t, cfg, dir)
	write(t, s, "4")
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	step("the run that goes on adds to it", "3\n4\n", "none")
}

// TestAStreamAddsToItsFile starts a stream twice; neither start takes away what
// is there.
func TestAStreamAddsToItsFile(t *testing.T) {
	dir := t.TempDir()
	for _, value := range []string{"1", "2"} {
		s, err := filesink.New(filesink.Config{Path: "out.txt", Format: "value"}, block.Env{Dir: dir, Stream: true})
		if err != nil {
			t.Fatal(err)
		}
		write(t, s, value)
		if got := content(t, filepath.Join(dir, "out.txt")); !strings.HasSuffix(got, value+"\n") {
			t.Errorf("while it runs: %q", got)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := content(t, filepath.Join(dir, "out.txt")); got != "1\n2\n" {
		t.Errorf("%q", got)
	}
}

// TestALineThatAKillCutOff opens files whose last line has no end: it was not
// acknowledged, so it comes again.
func TestALineThatAKillCutOff(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	for _, tc := range []struct {
		name, before, want string
		add                bool
	}{
		{"a partial file", "1\n2\n3", "1\n2\nnew\n", false},
		{"nothing but half a line", "1", "new\n", false},
		{"a long half line", "1\n" + long, "1\nnew\n", false},
		{"whole", "1\n", "1\nnew\n", false},
		{"somebody's own file is only added to", "1\n2", "1\n2\nnew\n", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			name := "out.txt"
			if !tc.add {
				name += filesink.PartialSuffix
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(tc.before), 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, filesink.Config{Path: "out.txt", Format: "value", Append: tc.add}, dir)
			write(t, s, "new")
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := content(t, filepath.Join(dir, "out.txt")); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// TestPrivate has a file of dead letters: it and what is made for it are for
// their owner alone. What is there and open to others is told.
func TestPrivate(t *testing.T) {
	dir := t.TempDir()
	cfg := filesink.DefaultConfig()
	cfg.Append, cfg.Path = true, filepath.Join(dir, "sub", "letters.ndjson")
	for _, wide := range []bool{false, true} {
		var log bytes.Buffer
		s, err := filesink.NewPrivate(cfg, block.Env{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(append(write(t, s, "a"), s.Close(t.Context()))...); err != nil {
			t.Error(err)
		}
		if told := strings.Contains(log.String(), "others can read this file"); told != wide {
			t.Errorf("the log: %s", log.String())
		}
		for path, want := range map[string]fs.FileMode{filepath.Dir(cfg.Path): 0o700, cfg.Path: 0o600} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want && !wide {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
		}
		if err := os.Chmod(cfg.Path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTwoAddToAFile has two sinks that know nothing of each other, as two
// processes have.
func TestTwoAddToAFile(t *testing.T) {
	dir := t.TempDir()
	cfg := filesink.DefaultConfig()
	cfg.Append, cfg.Path = true, "out.txt"
	a, b := open(t, cfg, dir), open(t, cfg, dir)
	write(t, a, "1", "2")
	write(t, b, "3")
	write(t, a, "4")
	if err := errors.Join(a.Close(t.Context()), b.Close(t.Context())); err != nil {
		t.Error(err)
	}
	if got := content(t, filepath.Join(dir, "out.txt")); got != "1\n2\n3\n4\n" {
		t.Errorf("%q", got)
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"file/out.txt": "open the file file/out.txt to write", ".": "not a regular file"} {
		_, err := filesink.New(filesink.Config{Path: path, Format: "value"}, block.Env{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestConfigFaults(t *testing.T) {
	for _, tc := range []struct {
		cfg  filesink.Config
		want string
	}{
		{filesink.Config{Path: "a", Format: "json"}, "[]"},
		{filesink.Config{Format: "value"}, "[{path must not be empty}]"},
		{filesink.Config{Path: "a", Format: "csv"}, "[{format must be value or json}]"},
	} {
		if got := fmt.Sprint(tc.cfg.Validate()); got != tc.want {
			t.Errorf("%+v: %s", tc.cfg, got)
		}
	}
}
