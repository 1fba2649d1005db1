package transform_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/pipelines/transform"
)

// What an expression hands on keeps its bytes, and what it calculates with is
// the same number however it is written.
func TestWhatIsUntouchedKeepsItsBytes(t *testing.T) {
	for _, tc := range []struct{ expr, in, want string }{
		{`{'wrapped': data}`, `{"id":6,"s":"\ud800"}`, `{"wrapped":{"id":6,"s":"\ud800"}}`},
		{`data.s`, `{"id":6,"s":"\ud800"}`, `"\ud800"`},
		{`data.s + "x"`, `{"s":"\udc00"}`, `"\udc00x"`},
		{`merge(data, {})`, `{"s":"a\ud800b","\ud801":1}`, `{"s":"a\ud800b","\ud801":1}`},
		{`{'w': data}`, ` { "b":1, "a" : [ 1e2 ], "b":2 } `, `{"w":{ "b":1, "a" : [ 1e2 ], "b":2 }}`},
		{`merge(data, {'a': 1})`, `{"v":1.0}`, `{"a":1,"v":1.0}`},
		{`merge(data, {'a': 1})`, `{"v":-0.0,"w":2e2,"x":-0,"y":1E+2,"z":123456789012345678901234567890}`,
			`{"a":1,"v":-0.0,"w":2e2,"x":-0,"y":1E+2,"z":123456789012345678901234567890}`},
		{`merge(data, {'a': 1})`, `{"in":{"z":1.0,"a":[2.50]}}`, `{"a":1,"in":{"z":1.0,"a":[2.50]}}`},
		{`omit(data, "a")`, `{"a":1,"v":1.0}`, `{"v":1.0}`},
		{`{v: data.v}`, `{"v":1.0}`, `{"v":1.0}`},
		{`[data.v, data.in.v]`, `{"v":1.0,"in":{"v":2.0}}`, `[1.0,2.0]`},
		{`let d = data; {v: d.v, w: d}`, `{"v":1.0}`, `{"v":1.0,"w":{"v":1.0}}`},
		{`data.v ?? 1`, `{"v":1.0}`, `1.0`},
		{`[data.x ?? data.y ?? data.v, (data.x?.y ?? data.v) + 1, data.x ?? 7, false ?? 1]`, `{"v":1.0}`, `[1.0,2,7,false]`},
		{`true ? data.v : 1`, `{"v":1.0}`, `1.0`},
		{`filter(data.l, # > 1)`, `{"l":[1.0,2.0,2e2]}`, `[2.0,2e2]`},
		{`map(data.items, [#.p])`, `{"items":[{"p":12.50},{"p":1}]}`, `[[12.50],[1]]`},
		{`data.l[1:]`, `{"l":[1.0, 2.0]}`, `[2.0]`},
		{`data.l[0:1]`, `{"l":[1.0, 2.0]}`, `[1.0]`},
		{`reverse(data.l)`, `{"l":[1.0,2.0]}`, `[2.0,1.0]`},
		{`[sort(data.l), data.l]`, `{"l":[3,1.0,2]}`, `[[1,2,3],[3,1.0,2]]`},
		{`[sort(data.l), data.l]`, `{"l":[3,1,2]}`, `[[1,2,3],[3,1,2]]`},
		{`[sortBy(data.l, #.v), data.l]`, `{"l":[{"v":3},{"v":1.0}]}`, `[[{"v":1.0},{"v":3}],[{"v":3},{"v":1.0}]]`},
		{`concat(data.l, data.l)`, `{"l":[1.0]}`, `[1.0,1.0]`},
		{`data.v + 1`, `{"v":1.50}`, `2.5`},
		{`-data.v`, `{"v":1.50}`, `-1.5`},
		{`[data.v == 1, data.v != 1, data.v > 0, data.v in [1, 2], 1 in data.l, data.l == [1, 2], data.l == data.m]`,
			`{"v":1.0,"l":[1.0,2.0],"m":[1.0,2.0]}`, `[true,false,true,true,true,true,true]`},
		{`[data.v == data.w, data.v in data.l, data.o == data.p]`, `{"v":1.0,"w":1.00,"l":[1e0],"o":{"a":1.0},"p":{"a":1.00}}`, `[true,true,true]`},
		{`[sum(data.l), max(data.l), min(data.l), mean(data.l), sum(data.l, # * 2), max(data.v, 0)]`, `{"l":[1.50,2.50],"v":1.0}`, `[4,2.5,1.5,2,8,1]`},
		{`reduce(data.l, #acc + #)`, `{"l":[1.50,2.50]}`, `4`},
		{`uniq(data.l)`, `{"l":[1.0,1.00]}`, `[1]`},
		{`data.l[data.i]`, `{"l":[5,6],"i":1.0}`, `6`},
		{`data.l[0:data.i]`, `{"l":[5,6],"i":1.0}`, `[5]`},
		{`[string(data.v), int(data.v), abs(data.v), type(data.v)]`, `{"v":1.0}`, `["1",1,1,"float"]`},
		{`keys(groupBy(data.l, string(#.v)))`, `{"l":[{"v":1.0}]}`, `["1"]`},
		{`len(data)`, `{"a":1,"a":2}`, `1`},
		{`data.a.b`, `{"a":{"b":1},"a":{"b":[1.0],"c":2}}`, `[1.0]`},
		{`[data.a.b, data?.x?.y, data.a]`, `{"a":{"b":1.0}}`, `[1.0,null,{"b":1.0}]`},
		{`data["a"]`, `{"\u0061":1.0}`, `1.0`},
		{`$env["data"]`, `{"a":1.0}`, `{"a":1.0}`},
		{`"a" in data`, `{"a":1.0}`, `true`},
	} {
		t.Run(tc.expr, func(t *testing.T) {
			m := message(tc.in)
			if keep, err := compiled(t, transform.Config{Data: tc.expr}).Apply(m); err != nil || !keep {
				t.Fatalf("keep %v, %v", keep, err)
			}
			if string(m.Value) != tc.want {
				t.Errorf("of %s\ngot  %s\nwant %s", tc.in, m.Value, tc.want)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	for in, want := range map[string]time.Time{
		`1767225600000`:                     time.UnixMilli(1767225600000),
		`1767225600000.0`:                   time.UnixMilli(1767225600000),
		`"1767225600000"`:                   time.UnixMilli(1767225600000),
		`"2013-01-01"`:                      time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC),
		`"2013-01-01 05:00:00"`:             time.Date(2013, 1, 1, 5, 0, 0, 0, time.UTC),
		`"2013-01-01 05:00:00.25"`:          time.Date(2013, 1, 1, 5, 0, 0, 25e7, time.UTC),
		`"2013-01-01T05:00:00"`:             time.Date(2013, 1, 1, 5, 0, 0, 0, time.UTC),
		`"2013-01-01 05:00:00+02"`:          time.Date(2013, 1, 1, 3, 0, 0, 0, time.UTC),
		`"2013-01-01 05:00:00 +0200"`:       time.Date(2013, 1, 1, 3, 0, 0, 0, time.UTC),
		`"2013-01-01T05:00:00.5-05:00"`:     time.Date(2013, 1, 1, 10, 0, 0, 5e8, time.UTC),
		`""`:                                {},
		`null`:                              {},
		`"1970-01-01"`:                      time.UnixMilli(0),
		`" 2013-01-01 "`:                    time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC),
		`"yesterday"`:                       {},
		`-1`:                                {},
		`"-1"`:                              {},
		`"1969-12-31"`:                      {},
		`true`:                              {},
		`"2013-02-30"`:                      {},
		`"123456789012345678901234567890"`:  {},
		`1234567890123456789012345678901.5`: {},
	} {
		m := message(`{"d":` + in + `}`)
		m.Time = time.UnixMilli(5)
		_, err := compiled(t, transform.Config{Time: "data.d"}).Apply(m)
		none := in == `""` || in == "null"
		switch {
		case want.IsZero() && !none:
			if err == nil || connector.KindOf(err) != connector.Invalid || !strings.HasPrefix(err.Error(), "transform: time is ") {
				t.Errorf("%s: %v, %v", in, m.Time, err)
			}
		case err != nil || !m.Time.Equal(want):
			t.Errorf("%s: %v, want %v, %v", in, m.Time, want, err)
		}
	}
}

func TestErrorsSayWhatItIs(t *testing.T) {
	for _, tc := range []struct {
		cfg  transform.Config
		want string
	}{
		{transform.Config{Filter: "data.id"}, "transform: filter must be true or false; this is the number 5"},
		{transform.Config{Filter: "data.long"}, "transform: filter must be true or false; this is a number"},
		{transform.Config{Filter: "data.s"}, "transform: filter must be true or false; this is a text"},
		{transform.Config{Headers: `{"bad": data.half}`}, `transform: headers has a header "bad" whose value has half of a surrogate pair`},
		{transform.Config{Headers: `[{key: "a", value: 1}, 2]`}, "transform: headers is a list whose item 2"},
		{transform.Config{Key: "data.half"}, "transform: key has half of a surrogate pair"},
	} {
		_, err := compiled(t, tc.cfg).Apply(message(`{"id":5,"long":4111111111111111,"s":"S3CRET","half":"\ud800"}`))
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%v\nwant %s", err, tc.want)
		}
	}
	if _, faults := transform.New(transform.Config{Filter: "5"}); len(faults) != 1 || faults[0].Message != "must be true or false; this is the number 5" {
		t.Errorf("%+v", faults)
	}
}

func TestHeadersTakeScalars(t *testing.T) {
	m := message(`{"n":1.0,"b":true,"s":"x","z":null}`)
	if _, err := compiled(t, transform.Config{Headers: "data"}).Apply(m); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range m.Headers {
		got = append(got, h.Key+"="+string(h.Value))
	}
	if strings.Join(got, " ") != "b=true n=1.0 s=x z=" || m.Headers[3].Value != nil {
		t.Errorf("%q", got)
	}
}

// FuzzUntouched passes any JSON that a source takes through expressions that
// only carry it.
func FuzzUntouched(f *testing.F) {
	for _, s := range []string{`{"a":1.0}`, `[1e2,"\ud800",{"x":null}]`, `"\ud83d\ude00"`, `{"a":{"a":{"a":-0.0}}}`, `{"a":1,"a":2}`, ` 1 `} {
		f.Add(s)
	}
	wrap := compiled(f, transform.Config{Data: "{'w': data}"})
	member := compiled(f, transform.Config{Data: "data.a"})
	merged := compiled(f, transform.Config{Data: "merge(data, {'z': 1})"})
	f.Fuzz(func(t *testing.T, value string) {
		if !json.Valid([]byte(value)) || strings.ToValidUTF8(value, "") != value || strings.Count(value, "[")+strings.Count(value, "{") > 900 {
			return
		}
		m := message(value)
		if _, err := wrap.Apply(m); err != nil || string(m.Value) != `{"w":`+scalarAsWritten(value, m.Value)+`}` {
			t.Fatalf("%q became %q, %v", value, m.Value, err)
		}
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(value), &object) != nil || object == nil {
			return
		}
		m = message(value)
		if _, err := merged.Apply(m); err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		var back map[string]json.RawMessage
		if err := json.Unmarshal(m.Value, &back); err != nil {
			t.Fatalf("%q became %q, %v", value, m.Value, err)
		}
		want, ok := object["a"]
		if ok && want[0] != '"' && string(back["a"]) != string(want) {
			t.Fatalf("%q: a became %q", value, back["a"])
		}
		m = message(value)
		if _, err := member.Apply(m); err != nil || ok && want[0] != '"' && string(m.Value) != string(want) {
			t.Fatalf("%q: data.a is %q, %v", value, m.Value, err)
		}
	})
}

// scalarAsWritten returns the value without blanks around it; of a text, whose
// escapes may be written otherwise, what was written if it means the same.
func scalarAsWritten(value string, written []byte) string {
	value = strings.Trim(value, " \t\r\n")
	if value[0] != '"' {
		return value
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(string(written), `{"w":`), "}")
	var a, b string
	if json.Unmarshal([]byte(value), &a) != nil || json.Unmarshal([]byte(inner), &b) != nil || a != b {
		return value
	}
	return inner
}
