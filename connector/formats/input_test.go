package formats

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/unicode"

	"github.com/headrace/headrace/connector"
)

// gathered keeps the values of good records and counts the bad.
type gathered struct {
	values []string
	bad    int
}

func (*gathered) Flush() {}

func (g *gathered) Publish(_ context.Context, b connector.Batch) error {
	for _, m := range b.Messages {
		if m.Err != nil {
			g.bad++
		} else {
			g.values = append(g.values, string(m.Value))
		}
		m.Finish(connector.Result{Outcome: connector.Acknowledged})
	}
	return nil
}

func input(t *testing.T, cfg Config, src io.Reader) (got gathered, warned []string, err error) {
	t.Helper()
	err = cfg.Publish(t.Context(), Stream{Name: "in", Src: src, Warn: func(m string) { warned = append(warned, m) }}, &got)
	return got, warned, err
}

func gzipped(t testing.TB, parts ...string) string {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts {
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func zstded(t testing.TB, text string, window int) string {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, zstd.WithWindowSize(window), zstd.WithSingleSegment(false), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Flush(); err != nil { // the window is in the header then
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func utf16(t testing.TB, text string, order unicode.Endianness, mark unicode.BOMPolicy) string {
	t.Helper()
	out, err := unicode.UTF16(order, mark).NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const bzip2Text = "QlpoOTFBWSZTWbrGTdsAAANZgAAQEAAgECAAAAogACIDZQhgEUofF3JFOFCQusZN2w=="

// bzip2ed is `{"a":1}` with its line end, as bzip2 writes it.
func bzip2ed(t testing.TB) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(bzip2Text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestInputsThatAreRead(t *testing.T) {
	const line = `{"a":1}` + "\n"
	csv := func(c *Config) { c.Format = CSV }
	in := func(encoding string) func(*Config) {
		return func(c *Config) { c.Format, c.Encoding = CSV, encoding }
	}
	row := []string{`{"id":"1","né":"ü"}`}
	for _, tc := range []struct {
		name, in string
		set      func(*Config)
		want     []string
	}{
		{"gzip", gzipped(t, line), nil, []string{`{"a":1}`}},
		{"gzip of two members", gzipped(t, line, line), nil, []string{`{"a":1}`, `{"a":1}`}},
		{"gzip with zeros behind it", gzipped(t, line) + strings.Repeat("\x00", 512), nil, []string{`{"a":1}`}},
		{"zstd", zstded(t, line, 1<<20), nil, []string{`{"a":1}`}},
		{"zstd that looks back 128 MiB", zstded(t, line, 128<<20), nil, []string{`{"a":1}`}},
		{"bzip2", bzip2ed(t), nil, []string{`{"a":1}`}},
		{"nothing", "", nil, nil},
		{"a beginning of a magic", "B", func(c *Config) { c.Format = Text }, []string{"B"}},
		{"utf-16 little endian", utf16(t, "id,né\n1,ü\n", unicode.LittleEndian, unicode.ExpectBOM), in("utf-16"), row},
		{"utf-16 big endian", utf16(t, "id,né\n1,ü\n", unicode.BigEndian, unicode.ExpectBOM), in("utf-16"), row},
		{"utf-16le", utf16(t, "id,né\n1,ü\n", unicode.LittleEndian, unicode.IgnoreBOM), in("utf-16le"), row},
		{"utf-16be", utf16(t, "id,né\n1,ü\n", unicode.BigEndian, unicode.IgnoreBOM), in("UTF-16BE"), row},
		{"latin1", "id,n\xe9\n1,\xfc\n", in("latin1"), row},
		{"windows-1252", "id,n\xe9\n1,\x80\n", in("windows-1252"), []string{`{"id":"1","né":"€"}`}},
		{"latin1 in gzip", gzipped(t, "id,n\xe9\n1,\xfc\n"), in("latin1"), row},
		{"carriage returns and line ends", "id,né\r\n1,ü\r\n", csv, row},
		{"a list in each line", "[1]\n[2]\n", nil, []string{"[1]", "[2]"}},
		{"a single list", `[{"a":1},{"a":2}]`, nil, []string{`[{"a":1},{"a":2}]`}},
	} {
		for mode, src := range map[string]io.Reader{"whole": strings.NewReader(tc.in), "bytes": iotest.OneByteReader(strings.NewReader(tc.in)), "half": iotest.DataErrReader(strings.NewReader(tc.in))} {
			t.Run(tc.name+"/"+mode, func(t *testing.T) {
				cfg := DefaultConfig()
				cfg.Format = NDJSON
				if tc.set != nil {
					tc.set(&cfg)
				}
				if faults := cfg.Validate(); len(faults) > 0 {
					t.Fatal(faults)
				}
				got, _, err := input(t, cfg, src)
				if err != nil || got.bad > 0 {
					t.Fatalf("%v, %d bad records", err, got.bad)
				}
				if d := cmp.Diff(tc.want, got.values); d != "" {
					t.Error(d)
				}
			})
		}
	}
}

func TestInputsThatAreNamedOnce(t *testing.T) {
	csv := func(c *Config) { c.Format = CSV }
	for _, tc := range []struct {
		name, in string
		set      func(*Config)
		want     string
	}{
		{"utf-16", utf16(t, "id\n1\n", unicode.LittleEndian, unicode.ExpectBOM), csv, "UTF-16 text; write encoding: utf-16"},
		{"utf-16 as json", utf16(t, "{}\n", unicode.BigEndian, unicode.ExpectBOM), nil, "UTF-16 text; write encoding: utf-16"},
		{"utf-16 as text", utf16(t, "a\n", unicode.BigEndian, unicode.ExpectBOM), func(c *Config) { c.Format = Text }, "UTF-16 text; write encoding: utf-16"},
		{"utf-16 without a mark", utf16(t, "id,name\n1,b\n", unicode.LittleEndian, unicode.IgnoreBOM), csv, "write encoding: utf-16le or utf-16be"},
		{"latin1 header", "id,n\xe9\n1,x\n", csv, "in:1: the header: the name of column 2 is not UTF-8; write what the file is in, such as encoding: latin1"},
		{"double names", "a,\"a\"\n1,2\n", csv, `column "a" is there twice`},
		{"bare carriage returns", "id,name\r1,a\r2,b\r", csv, "carriage return alone"},
		{"bare carriage returns of a large file", "id,name\r" + strings.Repeat("1,abcdef\r", 200_000), csv, "carriage return alone"},
		{"a JSON array", "[\n  {\"a\": 1},\n  {\"a\": 2}\n]\n", nil, "a JSON array, not JSON lines"},
		{"a JSON array of objects a line", "[{\"a\": 1},\n{\"a\": 2}]\n", nil, "a JSON array, not JSON lines"},
		{"a JSON object over lines", "\n{\n  \"a\": 1\n}\n", nil, "JSON over several lines"},
		{"a ZIP archive", "PK\x03\x04\x14\x00\x00\x00", csv, "ZIP archive or a spreadsheet"},
		{"Parquet", "PAR1\x15\x04\n", nil, "a Parquet file"},
		{"binary", "\x7fELF\x02\x01\x01\x00\x00\x00\n\x00\n\x00\n", nil, "binary data, not text"},
		{"gzip twice", gzipped(t, gzipped(t, "{}\n")), nil, "compressed twice"},
		{"gzip and something else", gzipped(t, "{}\n") + "hello", nil, "not gzip follows"},
		{"something behind the zeros", gzipped(t, "{}\n") + "\x00\x00x", nil, "follows the zeros"},
		{"gzip cut off", gzipped(t, strings.Repeat("{}\n", 100))[:20], nil, "cut off"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Format = NDJSON
			if tc.set != nil {
				tc.set(&cfg)
			}
			got, _, err := input(t, cfg, strings.NewReader(tc.in))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v\nwant  %s", err, tc.want)
			}
			if got.bad > 0 {
				t.Errorf("%d bad records beside the error", got.bad)
			}
		})
	}
}

func TestOneColumnThatIsSeveral(t *testing.T) {
	for header, want := range map[string]string{"id;name": `delimiter: ";"`, "id\tname": `delimiter: "\t"`, "id|name": `delimiter: "|"`, "id": "", "id,na;me": ""} {
		cfg := DefaultConfig()
		cfg.Format = CSV
		_, warned, err := input(t, cfg, strings.NewReader(header+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		if all := strings.Join(warned, "\n"); (want == "") != (all == "") || !strings.Contains(all, want) || len(warned) > 1 {
			t.Errorf("%q: warned of %q", header, warned)
		}
	}
}

func TestUnknownEncoding(t *testing.T) {
	cfg := DefaultConfig()
	for _, name := range []string{"latin-11", "replacement", "utf-7"} {
		cfg.Encoding = name
		if faults := cfg.Validate(); len(faults) != 1 || faults[0].Path != "encoding" {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

// One zero is the fault of its line, not of the file.
func TestAZeroInALineCostsThatLine(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Format = NDJSON
	got, _, err := input(t, cfg, strings.NewReader("{}\n\"\x00\"\n{}\n"))
	if err != nil || got.bad != 1 || len(got.values) != 2 {
		t.Errorf("%v, %+v", err, got)
	}
}
