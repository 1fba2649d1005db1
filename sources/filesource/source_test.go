package filesource_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/connectortest"
	"github.com/headrace/headrace/connector/intake"
	"github.com/headrace/headrace/sources/filesource"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs a source once, with the positions that earlier runs left; nil keeps
// none.
func run(ctx context.Context, s connector.Source, out connector.Publisher, left *connectortest.Positions) error {
	cfg := intake.Config{Source: s, Out: out}
	if left != nil {
		cfg.Positions = left
	}
	return intake.Run(ctx, cfg)
}

// collect acknowledges everything at once, up to a number of records, and
// keeps a copy of what it was given.
type collect struct {
	values []string
	errs   []error
	fail   int // the record, counted from 1, that fails; 0 none
}

func (c *collect) Publish(_ context.Context, batch []*connector.Message) error {
	for _, m := range batch {
		c.values = append(c.values, string(m.Value))
		c.errs = append(c.errs, m.Err)
		r := connector.Result{Outcome: connector.Acknowledged}
		if len(c.values) == c.fail {
			r = connector.Result{Outcome: connector.Failed, Err: connector.Errorf(connector.Unavailable, "gone")}
		}
		m.Finish(r)
	}
	return nil
}

func config(path string, change func(*filesource.Config)) filesource.Config {
	cfg := filesource.DefaultConfig()
	cfg.Path = path
	if change != nil {
		change(&cfg)
	}
	if faults := cfg.Validate(); len(faults) > 0 {
		panic(fmt.Sprint(faults))
	}
	return cfg
}

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func packed(t *testing.T, text string, kind string) []byte {
	t.Helper()
	var b bytes.Buffer
	switch kind {
	case "gzip":
		w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(text))
		_ = w.Close()
	case "zstd":
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(text))
		_ = w.Close()
	default:
		b.WriteString(text)
	}
	return b.Bytes()
}

func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"n\":%d,\"pad\":%q}\n", i, strings.Repeat("x", 50))
	}
	return b.String()
}

func TestFormats(t *testing.T) {
	csvText := "name,n,x\r\n\"a, \"\"b\"\"\",1,NA\r\nc,02,3.50\r\n"
	for _, tc := range []struct {
		name, file, text, kind string
		change                 func(*filesource.Config)
		want                   []string
	}{
		{name: "json lines", file: "a.ndjson", text: "{\"a\":1}\r\n\n 2 \nnull", want: []string{`{"a":1}`, `2`, `null`}},
		{name: "a byte order mark", file: "a.ndjson", text: "\xef\xbb\xbf1\n2", want: []string{"1", "2"}},
		{name: "a quote inside a field", file: "a.tsv", text: "a\tb\n1\tx\"y\n", want: []string{`{"a":"1","b":"x\"y"}`}},
		{name: "text", file: "a.txt", text: "one\n\ntwo", want: []string{"one", "two"}},
		{name: "csv as text", file: "a.csv", text: "\xef\xbb\xbf" + csvText, want: []string{`{"name":"a, \"b\"","n":"1","x":"NA"}`, `{"name":"c","n":"02","x":"3.50"}`}},
		{name: "csv with types", file: "a.csv", text: csvText,
			change: func(c *filesource.Config) {
				c.DefaultType, c.NullValues = "auto", []string{"NA"}
				c.Types = map[string]string{"x": "float"}
			},
			want: []string{`{"name":"a, \"b\"","n":1,"x":null}`, `{"name":"c","n":"02","x":3.50}`}},
		{name: "csv without a header", file: "a.csv", text: "1;2\n", change: func(c *filesource.Config) {
			c.Header, c.Columns, c.Delimiter = false, []string{"a", "b"}, ";"
		}, want: []string{`{"a":"1","b":"2"}`}},
		{name: "gzip", file: "a.ndjson.gz", text: "1\n2\n", kind: "gzip", want: []string{"1", "2"}},
		{name: "zstd", file: "a.csv.zst", text: "a\n1\n", kind: "zstd", want: []string{`{"a":"1"}`}},
		{name: "nothing", file: "a.ndjson", text: ""},
		{name: "a header only", file: "a.csv", text: "a,b\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out collect
			cfg := config(write(t, tc.file, packed(t, tc.text, tc.kind)), tc.change)
			if err := run(t.Context(), filesource.New(cfg, block.Env{}), &out, nil); err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(out.values) != fmt.Sprint(tc.want) {
				t.Errorf("got  %q\nwant %q", out.values, tc.want)
			}
			for _, err := range out.errs {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestBadRecordsPassWithTheirReason(t *testing.T) {
	for _, tc := range []struct {
		name, file, text string
		want             []string // part of each record's error, "" for a good one
	}{
		{"json", "a.ndjson", "{\"a\":1}\n{\"a\":NaN}\n{\"b\":2}\n", []string{"", "a.ndjson:2: not JSON at byte 6: NaN", ""}},
		{"a long line", "a.ndjson", "1\n\"" + strings.Repeat("x", 3<<20) + "\"\n3\n", []string{"", "a.ndjson:2: longer than max_record_bytes (1048576)", ""}},
		{"a column too many", "a.csv", "a,b\n1,2\n1,2,3\n3,4\n", []string{"", "a.csv:3: the row has 3 columns instead of 2", ""}},
		{"text behind a quote", "a.csv", "a,b\n1,\"x\"y\n3,4\n", []string{"a.csv:2: something follows a closing quote", ""}},
		{"lines in a row count", "a.csv", "a,b\n\"1\n\n\",2\n1\n3,4\n", []string{"", "a.csv:5: the row has 1 columns instead of 2", ""}},
		{"a quote that is not closed", "a.csv", "a,b\n1,\"x\n" + strings.Repeat("3,4\n", 3), []string{"a.csv:2: a quote is not closed", "", "", ""}},
		{"a quote that is not closed in a long file", "a.csv", "a,b\n1,\"x\n" + strings.Repeat("3,"+strings.Repeat("4", 300_000)+"\n", 6), []string{"a.csv:2: a quote is not closed", "", "", "", "", "", ""}},
		{"broken UTF-8", "a.csv", "a\n\xff\nb\n", []string{`a.csv:2: column "a": not UTF-8`, ""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out collect
			if err := run(t.Context(), filesource.New(config(write(t, tc.file, []byte(tc.text)), nil), block.Env{}), &out, nil); err != nil {
				t.Fatal(err)
			}
			if len(out.errs) != len(tc.want) {
				t.Fatalf("%d records, want %d: %.200q", len(out.errs), len(tc.want), out.values)
			}
			for i, want := range tc.want {
				if got := fmt.Sprint(out.errs[i]); want == "" && out.errs[i] != nil || !strings.Contains(got, want) {
					t.Errorf("record %d: %s, want %q", i+1, got, want)
				}
				if len(out.values[i]) > 64<<10 && out.errs[i] != nil {
					t.Errorf("record %d has %d bytes", i+1, len(out.values[i]))
				}
			}
		})
	}
}

func TestBrokenStreams(t *testing.T) {
	cut := packed(t, lines(10_000), "gzip")
	for _, tc := range []struct {
		name, file string
		text       []byte
		least      int
		want       string
	}{
		{"a gzip that is cut off", "a.ndjson.gz", cut[:len(cut)/2], 100, "cut off"},
		{"not gzip", "a.ndjson.gz", []byte("hello"), 0, "not gzip"},
		{"a header with a quote that is not closed", "a.csv", []byte("\"a\n" + strings.Repeat("x\n", 1<<20)), 0, "a.csv:1: the header: a quote is not closed"},
		{"a header over the limit", "a.csv", bytes.Repeat([]byte("a"), 2<<20), 0, "a.csv:1: the header: longer than"},
		{"a column twice", "a.csv", []byte("a,a\n1,2\n"), 0, "there twice"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out collect
			err := run(t.Context(), filesource.New(config(write(t, tc.file, tc.text), nil), block.Env{}), &out, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), tc.file) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if len(out.values) < tc.least {
				t.Errorf("%d records before the break, want %d at least", len(out.values), tc.least)
			}
		})
	}
	if err := run(t.Context(), filesource.New(config(filepath.Join(t.TempDir(), "*.csv"), nil), block.Env{}), &collect{}, nil); connector.KindOf(err) != connector.NotFound {
		t.Errorf("no file: %v", err)
	}
}

// TestAFailedRecordIsReadAgain stops at a record that fails, for each kind of
// file, and goes on in a second run.
func TestAFailedRecordIsReadAgain(t *testing.T) {
	csv := "n\n" + strings.ReplaceAll(lines(9000), ",", ";")
	for _, tc := range []struct{ file, text, kind string }{
		{"a.ndjson", lines(9000), ""}, {"a.ndjson.gz", lines(9000), "gzip"}, {"a.csv", strings.ReplaceAll(csv, `"`, ""), ""},
	} {
		t.Run(tc.file, func(t *testing.T) {
			path := write(t, tc.file, packed(t, tc.text, tc.kind))
			env, left := block.Env{}, new(connectortest.Positions)
			first := collect{fail: 7000}
			err := run(t.Context(), filesource.New(config(path, nil), env), &first, left)
			if connector.KindOf(err) != connector.Unavailable {
				t.Fatalf("first run: %v", err)
			}
			second := collect{}
			if err := run(t.Context(), filesource.New(config(path, nil), env), &second, left); err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, v := range append(first.values[:6999], second.values...) {
				seen[v] = true
			}
			if len(seen) != 9000 {
				t.Errorf("%d different records arrived, want 9000", len(seen))
			}
			if len(second.values) != 2001 {
				t.Errorf("the second run read %d records: it did not go on at the record that failed", len(second.values))
			}
			third := collect{}
			if err := run(t.Context(), filesource.New(config(path, nil), env), &third, left); err != nil || len(third.values) != 9000 {
				t.Errorf("a run after one that ended read %d records, %v; want all", len(third.values), err)
			}
		})
	}
}

func TestCancelStopsReading(t *testing.T) {
	path := write(t, "a.ndjson", []byte(lines(50_000)))
	ctx, cancel := context.WithCancel(t.Context())
	var n int
	out := connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
		n += len(batch)
		cancel()
		for _, m := range batch {
			m.Finish(connector.Result{Outcome: connector.Acknowledged})
		}
		return nil
	})
	if err := run(ctx, filesource.New(config(path, nil), block.Env{}), out, nil); err != nil {
		t.Fatal(err)
	}
	if n >= 50_000 || n == 0 {
		t.Errorf("%d records read after the cancel", n)
	}
}

type publisherFunc func([]*connector.Message) error

func (f publisherFunc) Publish(_ context.Context, batch []*connector.Message) error { return f(batch) }
