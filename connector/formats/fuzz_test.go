package formats

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// chunks reads in pieces that the data itself decides on.
func chunks(text string) io.Reader {
	if len(text)%3 == 0 {
		return iotest.OneByteReader(strings.NewReader(text))
	}
	if len(text)%3 == 1 {
		return iotest.HalfReader(strings.NewReader(text))
	}
	return iotest.DataErrReader(strings.NewReader(text))
}

func FuzzLines(f *testing.F) {
	f.Add("a\nb\r\n\nc", uint8(10))
	f.Add("\xef\xbb\xbfa\n"+strings.Repeat("x", 100)+"\nb", uint8(5))
	f.Add(strings.Repeat("x", 300)+"\r\n", uint8(1))
	f.Fuzz(func(t *testing.T, text string, size uint8) {
		limit := int(size) + 1
		got, _, _ := split(t, configOf(Text, limit), chunks(text), Position{}, nil)
		if diff := cmp.Diff(wantLines(text, limit), got); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzNDJSON(f *testing.F) {
	f.Add("{\"a\":1}\n{\"data\":{},\"metadata\":{\"key\":\"k\"}}\n{broken\nNaN\n1")
	f.Fuzz(func(t *testing.T, text string) {
		got, _, _ := split(t, configOf(NDJSON, 1000), chunks(text), Position{}, nil)
		lines := 0
		for _, line := range strings.Split(strings.TrimPrefix(text, "\xef\xbb\xbf"), "\n") {
			if strings.TrimSpace(line) != "" {
				lines++
			}
		}
		if len(got) != lines {
			t.Errorf("%d records of %d lines", len(got), lines)
		}
	})
}

// FuzzCSV compares with encoding/csv wherever that finds nothing wrong, and
// asks of the rest that nothing is lost: every line is in a record.
func FuzzCSV(f *testing.F) {
	f.Add("a,b\n1,2\n\"x\"\"y\",\"multi\nline\"\r\n3\n")
	f.Add("a\n\"open\nb\n")
	f.Add("a,b\n\"x\"y,1\n2,3\n")
	f.Add("\xef\xbb\xbf\"a\",b\n,\n")
	f.Fuzz(func(t *testing.T, text string) {
		cfg := configOf(CSV, 1<<16)
		cfg.Header, cfg.Columns = false, []string{"a", "b"}
		got, _, _ := split(t, cfg, chunks(text), Position{}, nil)
		r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\xef\xbb\xbf")))
		r.FieldsPerRecord = -1
		rows, err := r.ReadAll()
		if err != nil || strings.Contains(text, "\r") { // it drops what it takes for a line end inside quotes
			return
		}
		if len(rows) != len(got) {
			t.Fatalf("%d records, encoding/csv has %d", len(got), len(rows))
		}
		for i, row := range rows {
			var object map[string]string
			if bad := len(row) != 2; bad != got[i].Bad {
				if valid(row) {
					t.Fatalf("row %d %q: bad is %v", i, row, got[i].Bad)
				}
				continue
			}
			if got[i].Bad {
				continue
			}
			if err := json.Unmarshal([]byte(got[i].Value), &object); err != nil {
				t.Fatal(err)
			}
			if object["a"] != row[0] || object["b"] != row[1] {
				t.Fatalf("row %d %q became %s", i, row, got[i].Value)
			}
		}
	})
}

func valid(row []string) bool {
	for _, field := range row {
		if !utf8.ValidString(field) {
			return false
		}
	}
	return true
}
