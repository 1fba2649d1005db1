package avro_test

import (
	"fmt"
	"strings"
	"testing"
)

const row = `{"type":"record","name":"Row","namespace":"x","fields":[
 {"name":"id","type":"long"},
 {"name":"note","type":["null","string"]},
 {"name":"n","type":["int","double","null"],"default":7},
 {"name":"tags","type":{"type":"array","items":["null","string","boolean"]},"default":["a"]},
 {"name":"sub","type":["null",{"type":"record","name":"A","fields":[{"name":"a","type":"int"}]},{"type":"record","name":"B","fields":[{"name":"b","type":["null","A"],"default":null}]},{"type":"map","values":"string"}],"default":null}]}`

// What is read from plain JSON is what Encode reads from the tagged form.
func TestEncodePlain(t *testing.T) {
	s := parse(t, row)
	tagged := func(note, n, tags, sub string) string {
		return fmt.Sprintf(`{"id":1,"note":%s,"n":%s,"tags":%s,"sub":%s}`, note, n, tags, sub)
	}
	for _, c := range []struct{ name, plain, tagged string }{
		{"all there", `{"id":1,"note":"x","n":2,"tags":["b",null,true],"sub":{"a":3}}`,
			tagged(`{"string":"x"}`, `{"int":2}`, `[{"string":"b"},null,{"boolean":true}]`, `{"x.A":{"a":3}}`)},
		{"defaults and nulls", `{"id":1}`, tagged(`null`, `{"int":7}`, `[{"string":"a"}]`, `null`)},
		{"defaults, in another order", `{"n":null,"id":1}`, tagged(`null`, `null`, `[{"string":"a"}]`, `null`)},
		{"the second branch", `{"id":1,"n":1.5}`, tagged(`null`, `{"double":1.5}`, `[{"string":"a"}]`, `null`)},
		{"too large for the first", `{"id":1,"n":3000000000}`, tagged(`null`, `{"double":3000000000}`, `[{"string":"a"}]`, `null`)},
		{"the second record", `{"id":1,"sub":{"b":{"a":4}}}`, tagged(`null`, `{"int":7}`, `[{"string":"a"}]`, `{"x.B":{"b":{"x.A":{"a":4}}}}`)},
		{"an empty object", `{"id":1,"sub":{}}`, tagged(`null`, `{"int":7}`, `[{"string":"a"}]`, `{"x.B":{"b":null}}`)},
		{"a map", `{"id":1,"sub":{"k":"v"}}`, tagged(`null`, `{"int":7}`, `[{"string":"a"}]`, `{"map":{"k":"v"}}`)},
	} {
		got, err := s.EncodePlain([]byte("+"), []byte(c.plain))
		want, wantErr := s.Encode([]byte("+"), []byte(c.tagged))
		if err != nil || wantErr != nil || string(got) != string(want) {
			t.Errorf("%s: % x, %v\nwant % x, %v", c.name, got, err, want, wantErr)
		}
	}
	for _, c := range []struct{ name, plain, want string }{
		{"no default", `{"note":"x"}`, `$.id: field id of record x.Row is missing`},
		{"no branch", `{"id":1,"note":5}`, `$.note: expected a value of null, string, got a number`},
		{"a branch that does not fit", `{"id":1,"sub":{"a":"x","b":1}}`, `$.sub.a: expected an int, got a string`},
		{"unknown field", `{"id":1,"more":1}`, `$.more: record x.Row has no such field`},
	} {
		if _, err := s.EncodePlain(nil, []byte(c.plain)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// Every level tries two records; the work ends long before 2^90.
func TestPlainUnionsAreBounded(t *testing.T) {
	s := parse(t, `{"type":"record","name":"L","fields":[{"name":"u","type":["null",
 {"type":"record","name":"X","fields":[{"name":"l","type":"L"},{"name":"x","type":"int"}]},
 {"type":"record","name":"Y","fields":[{"name":"l","type":"L"},{"name":"y","type":"int"}]}]}]}`)
	value := strings.Repeat(`{"u":{"l":`, 60) + `{"u":null}` + strings.Repeat(`,"y":1}}`, 60)
	if _, err := s.EncodePlain(nil, []byte(value)); err == nil || !strings.Contains(err.Error(), "too many nested unions") {
		t.Errorf("%.200v", err)
	}
	few := strings.Repeat(`{"u":{"l":`, 8) + `{"u":null}` + strings.Repeat(`,"y":1}}`, 8)
	if _, err := s.EncodePlain(nil, []byte(few)); err != nil {
		t.Error(err)
	}
}
