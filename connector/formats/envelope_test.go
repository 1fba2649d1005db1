package formats_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/formats"
	"github.com/headrace/headrace/connector/formats/jsonscan"
)

func TestEnvelope(t *testing.T) {
	any := connector.AnyPartition
	for _, tc := range []struct {
		name, line string
		loose      bool
		want       connector.Message
	}{
		{name: "number", line: `1`, want: connector.Message{Value: []byte(`1`), Partition: any}},
		{name: "string", line: ` "x" `, want: connector.Message{Value: []byte(`"x"`), Partition: any}},
		{name: "null", line: `null`, want: connector.Message{Value: []byte(`null`), Partition: any}},
		{name: "array", line: `[1,2]`, want: connector.Message{Value: []byte(`[1,2]`), Partition: any}},
		{name: "row", line: `{"bees": 1}`, want: connector.Message{Value: []byte(`{"bees": 1}`), Partition: any}},
		{name: "nothing", line: `{}`, want: connector.Message{Value: []byte(`{}`), Partition: any}},
		{name: "data", line: `{"data": {"a":1}}`, want: connector.Message{Value: []byte(`{"a":1}`), Partition: any}},
		{name: "data as a column", line: `{"data":1,"other":2}`, want: connector.Message{Value: []byte(`{"data":1,"other":2}`), Partition: any}},
		{name: "data as a column, loose", line: `{"other":2,"data":1}`, loose: true, want: connector.Message{Value: []byte(`1`), Partition: any}},
		{name: "metadata alone", line: `{"metadata":{"key":"k"}}`, want: connector.Message{Value: []byte(`{"metadata":{"key":"k"}}`), Partition: any}},
		{name: "metadata beside columns, loose", line: `{"metadata":{"key":"k"},"x":1}`, loose: true,
			want: connector.Message{Value: []byte(`{"metadata":{"key":"k"},"x":1}`), Key: []byte("k"), Partition: any}},
		{name: "metadata null", line: `{"data":1,"metadata":null}`, want: connector.Message{Value: []byte(`1`), Partition: any}},
		{name: "everything", line: `{"metadata":{"dest_topic":"census","key":"k","time":1693396630163,"partition":3,"headers":{"a":"1","b":null},"offset":9},"data":{"bees":23}}`,
			want: connector.Message{Topic: "census", Key: []byte("k"), Value: []byte(`{"bees":23}`), Partition: 3, Time: time.UnixMilli(1693396630163),
				Headers: []connector.Header{{Key: "a", Value: []byte("1")}, {Key: "b"}}}},
		{name: "headers as a list keep repeats", line: `{"data":1,"metadata":{"headers":[{"key":"a","value":"1"},{"key":"a","value":"2"}]}}`,
			want: connector.Message{Value: []byte(`1`), Partition: any, Headers: []connector.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("2")}}}},
		{name: "scalars as headers", line: `{"data":1,"metadata":{"headers":{"n":1,"f":1.0,"b":true}}}`,
			want: connector.Message{Value: []byte(`1`), Partition: any, Headers: []connector.Header{{Key: "n", Value: []byte("1")}, {Key: "f", Value: []byte("1.0")}, {Key: "b", Value: []byte("true")}}}},
		{name: "scalars as headers in a list", line: `{"data":1,"metadata":{"headers":[{"value":2e2,"key":"\u006e","x":0},{"key":"z"}]}}`,
			want: connector.Message{Value: []byte(`1`), Partition: any, Headers: []connector.Header{{Key: "n", Value: []byte("2e2")}, {Key: "z"}}}},
		{name: "time as text", line: `{"data":1,"metadata":{"time":"2013-01-01 05:00:00"}}`, want: connector.Message{Value: []byte(`1`), Partition: any, Time: time.Date(2013, 1, 1, 5, 0, 0, 0, time.UTC)}},
		{name: "no time", line: `{"data":1,"metadata":{"time":""}}`, want: connector.Message{Value: []byte(`1`), Partition: any}},
		{name: "half a pair in data", line: `{"data":"\ud800"}`, want: connector.Message{Value: []byte(`"\ud800"`), Partition: any}},
		{name: "nulls in metadata", line: `{"data":1,"metadata":{"dest_topic":null,"key":null,"time":null,"partition":null,"headers":null}}`,
			want: connector.Message{Value: []byte(`1`), Partition: any}},
		{name: "number as key", line: `{"data":1,"metadata":{"key":5}}`, want: connector.Message{Key: []byte("5"), Value: []byte(`1`), Partition: any}},
		{name: "zero as key", line: `{"data":1,"metadata":{"key":0}}`, want: connector.Message{Key: []byte("0"), Value: []byte(`1`), Partition: any}},
		{name: "empty key", line: `{"data":1,"metadata":{"key":""}}`, want: connector.Message{Value: []byte(`1`), Partition: any}},
		{name: "escapes in a key", line: `{"data":1,"metadata":{"key":"\u00e4\n"}}`, want: connector.Message{Key: []byte("ä\n"), Value: []byte(`1`), Partition: any}},
		{name: "object as key", line: `{"data":1,"metadata":{"key":{"id":1}}}`, want: connector.Message{Key: []byte(`{"id":1}`), Value: []byte(`1`), Partition: any}},
		{name: "bytes as key and data", line: `{"data":{"$binary":"AQI="},"metadata":{"key":{"$binary":"AA=="}}}`,
			want: connector.Message{Key: []byte{0}, Value: []byte{1, 2}, Partition: any}},
		{name: "tombstone", line: `{"data":null,"metadata":{"key":"k"}}`, want: connector.Message{Key: []byte("k"), Partition: any}},
		{name: "null without key", line: `{"data":null}`, want: connector.Message{Value: []byte(`null`), Partition: any}},
		{name: "a name in escapes", line: `{"\u0064ata":7}`, want: connector.Message{Value: []byte(`7`), Partition: any}},
		{name: "the last of two data", line: `{"data":1,"data":2}`, want: connector.Message{Value: []byte(`2`), Partition: any}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := connector.Message{Partition: any}
			e := formats.Envelope{Loose: tc.loose}
			if err := e.Decode([]byte(tc.line), &got); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
			if (got.Value == nil) != (tc.want.Value == nil) {
				t.Errorf("tombstone: got %v, want %v", got.Value == nil, tc.want.Value == nil)
			}
		})
	}
}

func TestBadLines(t *testing.T) {
	for _, tc := range []struct{ name, line, want string }{
		{"nothing", ``, "ends where a value"},
		{"NaN", `{"a":NaN}`, "byte 6: NaN and Infinity"},
		{"minus infinity", `[-Infinity]`, "NaN and Infinity"},
		{"cut off", `{"a":`, "ends where a value"},
		{"open string", `{"a":"x`, "does not end"},
		{"single quotes", `{'a':1}`, "a name in quotes"},
		{"comma at the end", `{"a":1,}`, "a name in quotes"},
		{"two values", `{} {}`, "follows the value"},
		{"leading zero", `01`, "leading zero"},
		{"control character", "\"a\tb\"", "control character"},
		{"broken UTF-8", "\"\xff\"", "byte 2: broken UTF-8"},
		{"bad escape", `"\q"`, "unknown escape"},
		{"deep", strings.Repeat("[", 1001) + strings.Repeat("]", 1001), "nested deeper"},
		{"metadata a string", `{"data":1,"metadata":"x"}`, "metadata is neither"},
		{"topic a number", `{"data":1,"metadata":{"dest_topic":5}}`, "dest_topic is not a string"},
		{"time a word", `{"data":1,"metadata":{"time":"now"}}`, "metadata.time is neither ms since 1970"},
		{"time a bool", `{"data":1,"metadata":{"time":true}}`, "whole number of milliseconds"},
		{"half a pair in a key", `{"data":1,"metadata":{"key":"\ud800"}}`, "metadata.key has half of a surrogate pair"},
		{"half a pair in a header", `{"data":1,"metadata":{"headers":{"a":"\ud800"}}}`, "the value of \"a\" has half"},
		{"time negative", `{"data":1,"metadata":{"time":-1}}`, "before 1970"},
		{"partition negative", `{"data":1,"metadata":{"partition":-1}}`, "whole number from 0"},
		{"headers a list of strings", `{"data":1,"metadata":{"headers":["a"]}}`, "item 1 is not"},
		{"headers a number", `{"data":1,"metadata":{"headers":1}}`, "neither a map"},
		{"a header without a key", `{"data":1,"metadata":{"headers":[{"key":"b","value":1},{"value":1}]}}`, "item 2 is not"},
		{"a header whose key is a number", `{"data":1,"metadata":{"headers":[{"key":1,"value":1}]}}`, "the key of item 1 is not a string"},
		{"a header of a map", `{"data":1,"metadata":{"headers":{"a":1,"b":{}}}}`, "the value of \"b\" is a map or a list"},
		{"key not base64", `{"data":1,"metadata":{"key":{"$binary":"*"}}}`, "not base64"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var m connector.Message
			var e formats.Envelope
			err := e.Decode([]byte(tc.line), &m)
			if connector.KindOf(err) != connector.Invalid || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want Invalid with %q", err, tc.want)
			}
		})
	}
}

// FuzzCheck compares Check with encoding/json, which takes broken UTF-8 and
// nests deeper; everything else must be the same.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e+3,true,null,"x\u00e4\n"]}`, `1e`, `"\ud800"`, `[[]]`, `{"a":1,"a":2}`, "\"\x7f\"", `-`, `0.`, ` {} `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want := json.Valid(b) && utf8.Valid(b)
		if err := jsonscan.Check(b); (err == nil) != want && !(err != nil && strings.Contains(err.Error(), "nested deeper")) {
			t.Errorf("Check: %v, encoding/json says %v, for %q", err, want, b)
		}
		var m connector.Message
		for _, e := range []formats.Envelope{{}, {Loose: true}} {
			_ = e.Decode(b, &m)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	line := []byte(`{"id":"c-0000123456","ts":1700000000123,"user":"someone@example.com","amount":123.45,"status":"paid","tags":["a","b"],"country":"DE","text":"the quick brown fox jumps over it","n":12}`)
	var m connector.Message
	var e formats.Envelope
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Decode(line, &m); err != nil {
			b.Fatal(err)
		}
	}
}
