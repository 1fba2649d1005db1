package transform_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/pipelines/transform"
)

func compiled(t testing.TB, cfg transform.Config) *transform.Transform {
	t.Helper()
	tr, faults := transform.New(cfg)
	if len(faults) > 0 {
		t.Fatalf("faults: %+v", faults)
	}
	return tr
}

func message(value string) *connector.Message {
	return &connector.Message{Value: []byte(value), Partition: connector.AnyPartition}
}

func TestData(t *testing.T) {
	for _, tc := range []struct{ name, expr, in, want string }{
		{"as it stands, byte for byte", "data", ` {"b": 1.10, "a": 1e2} `, ` {"b": 1.10, "a": 1e2} `},
		{"a member", "data.a", `{"a":{"x":[1,2]}}`, `{"x":[1,2]}`},
		{"a missing member", "data.b", `{"a":1}`, `null`},
		{"whole numbers stay whole", "{n: data.n, m: data.n + 1}", `{"n":9007199254740993}`, `{"m":9007199254740994,"n":9007199254740993}`},
		{"an integer over 64 bits", "data.n", `{"n":123456789012345678901234567890}`, `123456789012345678901234567890`},
		{"more digits than a float has", "data.n", `{"n":0.1234567890123456789}`, `0.1234567890123456789`},
		{"a number over the range", "[data]", `1e999`, `[1e999]`},
		{"a number under the range", "[data]", `1e-999`, `[1e-999]`},
		{"a decimal", "data.n * 2", `{"n":1.25}`, `2.5`},
		{"text", `upper(data) + "<&>"`, `"é\u0001\""`, `"É\u0001\"<&>"`},
		{"a line that is not JSON", `data + "!"`, `hello {`, `"hello {!"`},
		{"two values are text", `len(data)`, `1 2`, `3`},
		{"a map in order of its names", `{z: 1, a: [true, nil, "x"]}`, `0`, `{"a":[true,null,"x"],"z":1}`},
		{"merge", `merge(data, {b: 2}, nil)`, `{"a":1,"b":1}`, `{"a":1,"b":2}`},
		{"omit", `omit(data, "a", "z")`, `{"a":1,"b":1}`, `{"b":1}`},
		{"a list made by a function", `split(data, ",")`, `"a,b"`, `["a","b"]`},
		{"a predicate", `filter(data, # > 1)`, `[1,2,3]`, `[2,3]`},
		{"the last of a repeated name", "data.a", `{"a":1,"a":2}`, `2`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := message(tc.in)
			if keep, err := compiled(t, transform.Config{Data: tc.expr}).Apply(m); err != nil || !keep {
				t.Fatalf("keep %v, %v", keep, err)
			}
			if got := string(m.Value); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestMetadata(t *testing.T) {
	in := func() *connector.Message {
		return &connector.Message{Topic: "t", Partition: 2, Key: []byte("k"), Value: []byte(`{"id":7,"at":1700000000000,"none":null}`),
			Time: time.UnixMilli(1000), Headers: []connector.Header{{Key: "h", Value: []byte("v")}}}
	}
	for _, tc := range []struct {
		name string
		cfg  transform.Config
		want func(*connector.Message)
	}{
		{"number as key", transform.Config{Key: "data.id"}, func(m *connector.Message) { m.Key = []byte("7") }},
		{"text as key", transform.Config{Key: `key + "-" + metadata.key`}, func(m *connector.Message) { m.Key = []byte("k-k") }},
		{"no key", transform.Config{Key: `data.none`}, func(m *connector.Message) { m.Key = nil }},
		{"an empty text is no key", transform.Config{Key: `""`}, func(m *connector.Message) { m.Key = nil }},
		{"a map as key", transform.Config{Key: `{a: 1}`}, func(m *connector.Message) { m.Key = []byte(`{"a":1}`) }},
		{"ms", transform.Config{Time: "data.at"}, func(m *connector.Message) { m.Time = time.UnixMilli(1700000000000) }},
		{"ms plus", transform.Config{Time: "metadata.time + 1"}, func(m *connector.Message) { m.Time = time.UnixMilli(1001) }},
		{"RFC 3339", transform.Config{Time: `"2026-01-02T03:04:05Z"`}, func(m *connector.Message) { m.Time = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }},
		{"date", transform.Config{Time: `date("2026-01-02")`}, func(m *connector.Message) { m.Time = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC) }},
		{"no time", transform.Config{Time: "nil"}, func(m *connector.Message) { m.Time = time.Time{} }},
		{"topic", transform.Config{DestTopic: `metadata.dest_topic + "_2"`}, func(m *connector.Message) { m.Topic = "t_2" }},
		{"partition", transform.Config{Partition: "metadata.partition + 1"}, func(m *connector.Message) { m.Partition = 3 }},
		{"no partition", transform.Config{Partition: "nil"}, func(m *connector.Message) { m.Partition = connector.AnyPartition }},
		{"headers from a map", transform.Config{Headers: `{b: metadata.headers.h, a: nil, c: data.id}`}, func(m *connector.Message) {
			m.Headers = []connector.Header{{Key: "a"}, {Key: "b", Value: []byte("v")}, {Key: "c", Value: []byte("7")}}
		}},
		{"headers from a list", transform.Config{Headers: `[{key: "x", value: "1"}, {key: "x", value: "2"}]`}, func(m *connector.Message) {
			m.Headers = []connector.Header{{Key: "x", Value: []byte("1")}, {Key: "x", Value: []byte("2")}}
		}},
		{"each sees the message as it came", transform.Config{Data: "data.id", Key: "data.at"}, func(m *connector.Message) {
			m.Value, m.Key = []byte("7"), []byte("1700000000000")
		}},
		{"nil data with a key is a tombstone", transform.Config{Data: "nil"}, func(m *connector.Message) { m.Value = nil }},
		{"nil data without one is null", transform.Config{Data: "nil", Key: "nil"}, func(m *connector.Message) { m.Value, m.Key = []byte("null"), nil }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, want := in(), in()
			if keep, err := compiled(t, tc.cfg).Apply(got); err != nil || !keep {
				t.Fatalf("keep %v, %v", keep, err)
			}
			tc.want(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRecordsOnWhichAnExpressionFails(t *testing.T) {
	const payload = "S3CRET-PAYLOAD"
	for _, tc := range []struct {
		name string
		cfg  transform.Config
		want string
	}{
		{"member of nil", transform.Config{Data: "data.a.b"}, "transform: data: column 8 of the expression: there is no such member in a nil"},
		{"index", transform.Config{Data: "data.list[5]"}, "transform: data: column 10 of the expression: index out of range"},
		{"types", transform.Config{Data: "data.text - 1"}, "transform: data: column 11 of the expression: invalid operation: string - int"},
		{"filter without an answer", transform.Config{Filter: "data.missing"}, "transform: filter must be true or false; this is nil"},
		{"a function that prints its argument", transform.Config{Time: "date(data.text)"}, "transform: time: column 1 of the expression: the expression failed on this record"},
		{"a fetch by a member's value", transform.Config{Data: "data.text[data.text]"}, "transform: data: column"},
		{"time", transform.Config{Time: "data.text"}, "transform: time is a text that is neither ms since 1970"},
		{"partition", transform.Config{Partition: "-1"}, "transform: partition is the number -1 instead of a whole number from 0"},
		{"topic", transform.Config{DestTopic: "1"}, "transform: dest_topic is the number 1 instead of a text"},
		{"headers", transform.Config{Headers: "data.list"}, "transform: headers is a list whose item 1 is something else"},
		{"not a number", transform.Config{Data: "0.0/0.0"}, "transform: data is not a number or infinite"},
		{"steps", transform.Config{Data: "map(data.list, map(1..100000, map(1..100, #)))"}, "memory budget exceeded"},
		{"endless", transform.Config{Filter: "all(data.long, all(data.long, # > 0))"}, "too many steps"},
		{"memory", transform.Config{Data: "map(1..999999, [#, #])"}, "memory budget exceeded"},
		{"merge", transform.Config{Data: "merge(data, data.text)"}, "merge: not a map"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			long := strings.Repeat("1,", 1000) + "1"
			m := message(`{"text":"` + payload + `","list":[1,2],"long":[` + long + `]}`)
			before := *m
			_, err := compiled(t, tc.cfg).Apply(m)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v\nwant  %s", err, tc.want)
			}
			if connector.KindOf(err) != connector.Invalid {
				t.Errorf("kind %v", connector.KindOf(err))
			}
			if strings.Contains(err.Error(), payload) {
				t.Errorf("the payload is in the error: %v", err)
			}
			if diff := cmp.Diff(&before, m); diff != "" {
				t.Errorf("the message changed: %s", diff)
			}
		})
	}
}

func TestCompileErrorsHavePlaces(t *testing.T) {
	cfg := transform.Config{
		Filter:    "data.a ==",
		Data:      "dta.a",
		Key:       "metadata.kye",
		Time:      "1 +\n  'a'",
		Headers:   "{a: 1",
		DestTopic: `"fine"`,
		Partition: "headrace(1)",
	}
	want := []struct {
		key          string
		line, column int
		message      string
	}{
		{"filter", 1, 9, "unexpected token EOF"},
		{"data", 1, 1, "unknown name dta"},
		{"key", 1, 10, "unknown field kye"},
		{"time", 1, 3, "invalid operation"},
		{"headers", 1, 5, "unexpected token EOF"},
		{"partition", 1, 1, "unknown name headrace"},
	}
	found := cfg.Errors()
	faults := cfg.Validate()
	if len(found) != len(want) || len(faults) != len(want) {
		t.Fatalf("%d errors, %d faults, want %d: %+v", len(found), len(faults), len(want), faults)
	}
	for i, w := range want {
		e := found[i]
		if e.Key != w.key || e.Line != w.line || e.Column != w.column || !strings.Contains(e.Message, w.message) {
			t.Errorf("%d: %+v, want %+v", i, *e, w)
		}
		if faults[i].Path != w.key || faults[i].Message != e.Error() {
			t.Errorf("%d: fault %+v", i, faults[i])
		}
	}
	if tr, _ := transform.New(cfg); tr != nil {
		t.Error("a transform was made of broken expressions")
	}
}

func TestFilterMustBeABool(t *testing.T) {
	if _, faults := transform.New(transform.Config{Filter: "1"}); len(faults) != 1 || faults[0].Path != "filter" {
		t.Errorf("faults %+v", faults)
	}
}

func TestPublisherAcknowledgesWhatItDrops(t *testing.T) {
	tr := compiled(t, transform.Config{Filter: "data.n % 2 == 0", Data: "data.n"})
	outcomes := map[int64]connector.Outcome{}
	ack := func(m *connector.Message, r connector.Result) {
		if _, twice := outcomes[m.Seq]; twice {
			t.Errorf("message %d was acknowledged twice", m.Seq)
		}
		outcomes[m.Seq] = r.Outcome
	}
	var batch []*connector.Message
	for i, v := range []string{`{"n":0}`, `{"n":1}`, `{}`, `{"n":2}`, `undecoded`} {
		m := message(v)
		m.Seq, m.Ack = int64(i), ack
		batch = append(batch, m)
	}
	broken := errors.New("broken by its source")
	batch[4].Err = broken

	refuse := errors.New("full")
	var got []*connector.Message
	err := tr.Publisher(connector.PublisherFunc(func(context.Context, []*connector.Message) error { return refuse })).
		Publish(t.Context(), batch)
	if !errors.Is(err, refuse) || len(outcomes) != 0 {
		t.Fatalf("refused batch: error %v, acks %v", err, outcomes)
	}

	for i, v := range []string{`{"n":0}`, `{"n":1}`, `{}`, `{"n":2}`} {
		batch[i].Value, batch[i].Err = []byte(v), nil
	}
	err = tr.Publisher(connector.PublisherFunc(func(_ context.Context, kept []*connector.Message) error {
		got = append(got, kept...)
		return nil
	})).Publish(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int64]connector.Outcome{1: connector.Filtered}, outcomes); diff != "" {
		t.Error(diff)
	}
	var seqs []int64
	for _, m := range got {
		seqs = append(seqs, m.Seq)
	}
	if diff := cmp.Diff([]int64{0, 2, 3, 4}, seqs); diff != "" {
		t.Error(diff)
	}
	if got[1].Err == nil || connector.KindOf(got[1].Err) != connector.Invalid || !errors.Is(got[3].Err, broken) {
		t.Errorf("errors %v, %v", got[1].Err, got[3].Err)
	}
	if string(got[2].Value) != "2" || string(got[3].Value) != "undecoded" {
		t.Errorf("values %s, %s", got[2].Value, got[3].Value)
	}
}

func TestABatchThatIsDroppedWholeReachesNobody(t *testing.T) {
	tr := compiled(t, transform.Config{Filter: "false"})
	acked := 0
	m := message("1")
	m.Ack = func(_ *connector.Message, r connector.Result) {
		if r.Outcome == connector.Filtered {
			acked++
		}
	}
	next := connector.PublisherFunc(func(context.Context, []*connector.Message) error { return errors.New("called") })
	if err := tr.Publisher(next).Publish(t.Context(), []*connector.Message{m}); err != nil || acked != 1 {
		t.Errorf("error %v, %d acks", err, acked)
	}
}

func FuzzExpression(f *testing.F) {
	for _, s := range []string{"data.a + 1", "data[0]?.b ?? 1", "map(data, #.a)", "reduce(data, #acc + #, 0)", `data matches "^a"`, "let x = data; x.y", "$env"} {
		f.Add(s, `{"a":[1,2.5,"x",null]}`)
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		if len(text) > 200 || len(value) > 200 {
			return
		}
		tr, faults := transform.New(transform.Config{Data: text})
		if len(faults) > 0 {
			return
		}
		m := message(value)
		if _, err := tr.Apply(m); err != nil && connector.KindOf(err) != connector.Invalid {
			t.Errorf("kind of %v is %v", err, connector.KindOf(err))
		}
	})
}

func BenchmarkFilter(b *testing.B) {
	tr := compiled(b, transform.Config{Filter: "data.status == 'paid'", Key: "data.customer_id"})
	line := []byte(`{"id":123456,"status":"paid","customer_id":9876,"amount":12.5,"items":[{"sku":"A-1","n":2},{"sku":"B-7","n":1}],"note":"an ordinary order of the shop","at":"2026-01-02T03:04:05Z"}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		m := connector.Message{Value: line}
		if keep, err := tr.Apply(&m); err != nil || !keep {
			b.Fatal(keep, err)
		}
	}
}
