package lines_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/formats"
	"github.com/headrace/headrace/connector/formats/jsonscan"
	"github.com/headrace/headrace/connector/formats/lines"
)

func TestValue(t *testing.T) {
	for _, tc := range []struct{ name, in, want, wrong string }{
		{name: "json", in: `{"a": 1}`, want: `{"a": 1}`},
		{name: "json over lines", in: "{\n  \"a\": \"x y\"\n}", want: `{"a":"x y"}`},
		{name: "text", in: "hello", want: "hello"},
		{name: "nothing", in: "", want: ""},
		{name: "text over lines", in: "a\nb", wrong: "several lines"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := lines.Append([]byte("before|"), lines.Value, &connector.Message{Value: []byte(tc.in)})
			if tc.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wrong) || connector.KindOf(err) != connector.Invalid || string(got) != "before|" {
					t.Errorf("%q, %v", got, err)
				}
			} else if err != nil || string(got) != "before|"+tc.want+"\n" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	if _, err := lines.Append(nil, lines.Value, &connector.Message{Key: []byte("k")}); connector.KindOf(err) != connector.Invalid {
		t.Errorf("tombstone: %v", err)
	}
}

func TestJSONText(t *testing.T) {
	m := &connector.Message{Topic: "t", Partition: 3, Key: []byte("5"), Value: []byte(`{"a":1}`), Time: time.UnixMilli(1700000000000),
		Headers: []connector.Header{{Key: "h", Value: []byte("v")}, {Key: "h"}}}
	got, err := lines.Append(nil, lines.JSON, m)
	const want = `{"data":{"a":1},"metadata":{"dest_topic":"t","key":"5","time":1700000000000,"partition":3,` +
		`"headers":[{"key":"h","value":"v"},{"key":"h","value":null}]}}` + "\n"
	if err != nil || string(got) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
	got, err = lines.Append(nil, lines.JSON, &connector.Message{Partition: connector.AnyPartition, Value: []byte("1")})
	if err != nil || string(got) != `{"data":1}`+"\n" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestJSONRefusesWhatItCannotHold(t *testing.T) {
	for name, m := range map[string]*connector.Message{
		"header value":            {Value: []byte("1"), Headers: []connector.Header{{Key: "h", Value: []byte{0xff}}}},
		"header name":             {Value: []byte("1"), Headers: []connector.Header{{Key: "\xff"}}},
		"topic":                   {Value: []byte("1"), Topic: "\xff"},
		"tombstone without a key": {},
	} {
		if got, err := lines.Append(nil, lines.JSON, m); connector.KindOf(err) != connector.Invalid || len(got) != 0 {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// FuzzJSONComesBack reads lines with the codec of the sources.
func FuzzJSONComesBack(f *testing.F) {
	for _, v := range []string{`{"a":1}`, "null", `"x"`, "plain", "", "\xff", "{\n}", `{"$binary":"AA=="}`, `{"data":1}`, "1 2", " 7 "} {
		f.Add([]byte(v), []byte("key"), true, "header", []byte("value"))
		f.Add([]byte(v), []byte{}, false, "", []byte{})
		f.Add([]byte(v), []byte{0xff, 0}, true, "h", []byte("é"))
	}
	f.Fuzz(func(t *testing.T, value, key []byte, keyed bool, header string, headerValue []byte) {
		m := &connector.Message{Partition: connector.AnyPartition, Value: value}
		if keyed {
			m.Key = key
		}
		if header != "" {
			m.Headers = []connector.Header{{Key: header, Value: headerValue}}
		}
		text, err := lines.Append(nil, lines.JSON, m)
		if err != nil {
			if connector.KindOf(err) != connector.Invalid {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		if bytes.Count(text, []byte("\n")) != 1 {
			t.Fatalf("not one line: %q", text)
		}
		got := &connector.Message{Partition: connector.AnyPartition}
		if err := (&formats.Envelope{}).Decode(bytes.TrimSuffix(text, []byte("\n")), got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		// JSON means the same with other white space around and in it.
		got.Value, m.Value = tidy(got.Value), tidy(m.Value)
		if diff := cmp.Diff(m, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	})
}

func tidy(v []byte) []byte {
	var one bytes.Buffer
	if !bytes.ContainsAny(v, "\r\n") {
		if jsonscan.Check(v) == nil {
			return bytes.Trim(v, " \t")
		}
	} else if json.Compact(&one, v) == nil {
		return one.Bytes()
	}
	return v
}
