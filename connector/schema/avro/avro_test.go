package avro_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	twmb "github.com/twmb/avro"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/schema/avro"
)

func parse(t testing.TB, text string, refs ...string) *avro.Schema {
	t.Helper()
	s, err := avro.Parse(text, refs...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The bytes are those of the Avro specification's binary encoding, written
// down by hand; the JSON is what Java's JsonEncoder writes.
func TestEncodeAndDecode(t *testing.T) {
	for _, c := range []struct {
		name, schema, json, hex string
		back                    string // "" is the JSON itself
	}{
		{"null", `"null"`, `null`, "", ""},
		{"true", `"boolean"`, `true`, "01", ""},
		{"int", `"int"`, `-64`, "7f", ""},
		{"int, largest", `"int"`, `2147483647`, "feffffff0f", ""},
		{"int written as 1.0", `"int"`, `1.0`, "02", "1"},
		{"long", `"long"`, `9007199254740993`, "8280808080808020", ""},
		{"long, smallest", `"long"`, `-9223372036854775808`, "ffffffffffffffffff01", ""},
		{"long written as 1e3", `"long"`, `1e3`, "d00f", "1000"},
		{"float", `"float"`, `1.5`, "0000c03f", ""},
		{"float of an integer", `"float"`, `3`, "00004040", "3.0"},
		{"double", `"double"`, `0.1`, "9a9999999999b93f", ""},
		{"double as Java writes it", `"double"`, `1e10`, "000000205fa00242", "1.0E10"},
		{"small double as Java writes it", `"double"`, `-0.00015`, "61325530 2aa923bf", "-1.5E-4"},
		{"NaN", `"double"`, `"NaN"`, "010000000000f87f", ""},
		{"infinity", `"float"`, `"-Infinity"`, "000080ff", ""},
		{"string", `"string"`, `"Grüße"`, "0e4772c3bcc39f65", ""},
		{"string with escapes", `"string"`, `"\u0041\n\"\ud83d\ude00"`, "0e410a22f09f9880", `"A\n\"😀"`},
		{"bytes", `"bytes"`, `"\u0000ÿA"`, "0600ff41", ""},
		{"fixed", `{"type":"fixed","name":"F","size":3}`, `"\u0001þz"`, "01fe7a", ""},
		{"enum", `{"type":"enum","name":"E","symbols":["A","B"]}`, `"B"`, "02", ""},
		{"array", `{"type":"array","items":"int"}`, `[1,2,3]`, "0602040600", ""},
		{"empty array", `{"type":"array","items":"int"}`, `[ ]`, "00", "[]"},
		{"map", `{"type":"map","values":"boolean"}`, `{"a":true}`, "0202610100", ""},
		{"record", `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"string"}]}`,
			`{"a":1,"b":"x"}`, "020278", ""},
		{"record in another order", `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"string"},{"name":"c","type":{"type":"array","items":"int"}}]}`,
			`{ "c" : [1, 2] , "b":"x", "a":1}`, "02 0278 04020400", `{"a":1,"b":"x","c":[1,2]}`},
		{"record, the second and third field changed", `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"string"},{"name":"c","type":"int"}]}`,
			`{"a":1,"c":2,"b":"x"}`, "02 0278 04", `{"a":1,"b":"x","c":2}`},
		{"union, null", `["null","string"]`, `null`, "00", ""},
		{"union, string", `["null","string"]`, `{"string":"a"}`, "020261", ""},
		{"union of a named type takes its full name", `["null",{"type":"record","name":"R","namespace":"com.x","fields":[{"name":"a","type":"int"}]}]`,
			`{"com.x.R":{"a":1}}`, "0202", ""},
		{"union of containers", `[{"type":"array","items":"int"},{"type":"map","values":"int"}]`, `{"map":{"a":1}}`, "020202610200", ""},
		{"logical types are their underlying types", `{"type":"record","name":"R","fields":[{"name":"d","type":{"type":"int","logicalType":"date"}},{"name":"t","type":["null",{"type":"long","logicalType":"timestamp-millis"}]},{"name":"m","type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}},{"name":"u","type":{"type":"string","logicalType":"uuid"}}]}`,
			`{"d":19000,"t":{"long":1700000000000},"m":"\u0004Ò","u":"x"}`, "f0a802 02 80a0abfef962 0404d2 0278", ""},
		{"recursive", `{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","L"]}]}`,
			`{"v":1,"next":{"L":{"v":2,"next":null}}}`, "0202 0400", ""},
		{"namespaces are inherited", `{"type":"record","name":"n.Outer","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}},{"name":"o","type":["null","E"]}]}`,
			`{"e":"A","o":{"n.E":"A"}}`, "000200", ""},
		{"escaped field name", `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`, `{"\u0061":1}`, "02", `{"a":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := parse(t, c.schema)
			got, err := s.Encode([]byte("+"), []byte(c.json))
			if err != nil {
				t.Fatal(err)
			}
			if got[0] != '+' {
				t.Fatal("what was in dst is gone")
			}
			got = got[1:]
			want := strings.ReplaceAll(c.hex, " ", "")
			if text := hex.EncodeToString(got); text != want {
				t.Errorf("bytes %s, want %s", text, want)
			}
			back := c.back
			if back == "" {
				back = c.json
			}
			text, err := s.Decode([]byte("+"), got)
			if err != nil {
				t.Fatal(err)
			}
			if string(text) != "+"+back {
				t.Errorf("back as %s, want +%s", text, back)
			}
			oracle(t, c.schema, got)
		})
	}
}

// oracle has another implementation read the bytes and write them again.
func oracle(t *testing.T, schema string, binary []byte) {
	t.Helper()
	other, err := twmb.Parse(schema)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if rest, err := other.Decode(binary, &v, twmb.TaggedUnions()); err != nil || len(rest) > 0 {
		t.Fatalf("another implementation cannot read % x: %v, %d bytes left", binary, err, len(rest))
	}
	again, err := other.Encode(v)
	if err != nil || !bytes.Equal(again, binary) {
		t.Errorf("another implementation writes % x, not % x: %v", again, binary, err)
	}
}

const order = `{"type":"record","name":"Order","namespace":"shop","fields":[
 {"name":"id","type":"long"},
 {"name":"note","type":["null","string"],"default":null},
 {"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID"]}},
 {"name":"items","type":{"type":"array","items":{"type":"record","name":"Item","fields":[
   {"name":"sku","type":{"type":"fixed","name":"SKU","size":4}},{"name":"price","type":"double"},{"name":"n","type":"int"}]}}},
 {"name":"tags","type":{"type":"map","values":["null","string","long"]}}]}`

func TestErrorsNameThePath(t *testing.T) {
	const item = `{"sku":"abcd","price":1.5,"n":2}`
	whole := func(id, note, state, items, tags string) string {
		return fmt.Sprintf(`{"id":%s,"note":%s,"state":%s,"items":%s,"tags":%s}`, id, note, state, items, tags)
	}
	for _, c := range []struct{ name, json, want string }{
		{"bare union", whole(`1`, `"x"`, `"NEW"`, `[]`, `{}`), `$.note: expected a union's value: null or {"branch": value} with a branch of null, string, got a string`},
		{"unknown branch", whole(`1`, `{"int":1}`, `"NEW"`, `[]`, `{}`), `$.note.int: the union has no such branch; its branches are null, string`},
		{"wrong type in a branch", whole(`1`, `{"string":1}`, `"NEW"`, `[]`, `{}`), `$.note.string: expected a string, got a number`},
		{"two branches", whole(`1`, `{"string":"a","null":null}`, `"NEW"`, `[]`, `{}`), `$.note: a union's value has one branch, not several`},
		{"empty branch", whole(`1`, `{}`, `"NEW"`, `[]`, `{}`), `$.note: expected a union's value`},
		{"missing field that has a default", `{"id":1,"state":"NEW","items":[],"tags":{}}`, `$.note: field note of record shop.Order is missing`},
		{"missing last field", `{"id":1,"note":null,"state":"NEW","items":[]}`, `$.tags: field tags of record shop.Order is missing`},
		{"no field", `{}`, `$.id: field id of record shop.Order is missing`},
		{"unknown field behind", strings.TrimSuffix(whole(`1`, `null`, `"NEW"`, `[]`, `{}`), "}") + `,"more":1}`, `$.more: record shop.Order has no such field`},
		{"unknown field before", `{"more":1,` + whole(`1`, `null`, `"NEW"`, `[]`, `{}`)[1:], `$.more: record shop.Order has no such field`},
		{"field twice", `{"id":1,` + whole(`1`, `null`, `"NEW"`, `[]`, `{}`)[1:], `$.id: the field is there twice`},
		{"null where no null may be", whole(`null`, `null`, `"NEW"`, `[]`, `{}`), `$.id: expected a long, got null`},
		{"number in a string", whole(`"1"`, `null`, `"NEW"`, `[]`, `{}`), `$.id: expected a long, got a string`},
		{"fraction", whole(`1.5`, `null`, `"NEW"`, `[]`, `{}`), `$.id: expected a long, got a number that is not whole`},
		{"long too large", whole(`9223372036854775808`, `null`, `"NEW"`, `[]`, `{}`), `$.id: the number is too large for a long`},
		{"exponent too large", whole(`1e999999999`, `null`, `"NEW"`, `[]`, `{}`), `$.id: expected a long, got a number that is not whole or too large`},
		{"unknown symbol", whole(`1`, `null`, `"GONE"`, `[]`, `{}`), `$.state: the string is no symbol of enum shop.State`},
		{"inside an array", whole(`1`, `null`, `"NEW"`, `[`+item+`,{"sku":"abcd","price":"x","n":2}]`, `{}`), `$.items[1].price: expected a double, got a string`},
		{"int too large", whole(`1`, `null`, `"NEW"`, `[{"sku":"abcd","price":1,"n":2147483648}]`, `{}`), `$.items[0].n: the number is too large for an int`},
		{"double too large", whole(`1`, `null`, `"NEW"`, `[{"sku":"abcd","price":1e999,"n":2}]`, `{}`), `$.items[0].price: the number is too large for a double`},
		{"fixed too short", whole(`1`, `null`, `"NEW"`, `[{"sku":"abc","price":1,"n":2}]`, `{}`), `$.items[0].sku: expected fixed shop.SKU of 4 bytes, got 3`},
		{"fixed of wide characters", whole(`1`, `null`, `"NEW"`, `[{"sku":"ab€d","price":1,"n":2}]`, `{}`), `$.items[0].sku: expected fixed shop.SKU: a string of the code points 0 to 255`},
		{"inside a map", whole(`1`, `null`, `"NEW"`, `[]`, `{"a b":7}`), `$.tags["a b"]: expected a union's value`},
		{"array for a record", `[1]`, `$: expected record shop.Order, got an array`},
		{"no JSON", `{"id":1,"note":nul`, `$.note: not JSON at byte 16: no value begins like this`},
		{"something behind", whole(`1`, `null`, `"NEW"`, `[]`, `{}`) + `1`, `$: not JSON at byte 56: something follows the value`},
		{"nothing", ``, `$: not JSON at byte 1: the text ends where a value should be`},
		{"half a surrogate", whole(`1`, `{"string":"\ud800"}`, `"NEW"`, `[]`, `{}`), `$.note.string: the string holds half of a surrogate pair`},
		{"not UTF-8", whole(`1`, `{"string":"`+"\xff"+`"}`, `"NEW"`, `[]`, `{}`), `$.note.string: not JSON at byte 27: a string that is not UTF-8`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parse(t, order).Encode([]byte("+"), []byte(c.json))
			if err == nil {
				t.Fatalf("no error, bytes % x", got)
			}
			if !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("error %q\nwant  %q", err, c.want)
			}
			if connector.KindOf(err) != connector.Invalid || string(got) != "+" {
				t.Errorf("kind %v, dst %q", connector.KindOf(err), got)
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, c := range []struct{ name, schema, hex, want string }{
		{"short", `"long"`, "80", "$: the Avro data ends early"},
		{"endless varint", `"long"`, "ffffffffffffffffffffff", "$: a length or number has too many bytes"},
		{"int out of range", `"int"`, "ffffffffff01", "$: a length or number has too many bytes"},
		{"negative length", `"string"`, "01", "$: a length is negative"},
		{"length beyond the end", `"bytes"`, "feffffffffffffffff01", "$: a length is negative or beyond"},
		{"bytes behind", `"boolean"`, "0101", "$: 1 bytes follow"},
		{"branch", `{"type":"record","name":"R","fields":[{"name":"u","type":["null","int"]}]}`, "04", "$.u: the union has no branch"},
		{"symbol", `{"type":"array","items":{"type":"enum","name":"E","symbols":["A"]}}`, "0202", "$[0]: enum E has no symbol"},
		{"a billion records of no bytes", `{"type":"array","items":{"type":"record","name":"R","fields":[{"name":"` + strings.Repeat("n", 1000) + `","type":"null"}]}}`, "80a8d6b907", "$["},
		{"smallest block count", `{"type":"array","items":"null"}`, "ffffffffffffffffff01", "$: a length is negative"},
		{"a record of itself", `{"type":"record","name":"R","fields":[{"name":"r","type":{"type":"array","items":"R"}}]}`, strings.Repeat("02", 1000), "$.r[0].r[0]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data, err := hex.DecodeString(c.hex)
			if err != nil {
				t.Fatal(err)
			}
			got, err := parse(t, c.schema).Decode([]byte("+"), data)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
			if connector.KindOf(err) != connector.Invalid || string(got) != "+" {
				t.Errorf("kind %v, dst %.20q", connector.KindOf(err), got)
			}
		})
	}
}

// Blocks of a negative count carry their size, which other writers use.
func TestBlocksWithSizes(t *testing.T) {
	got, err := parse(t, `{"type":"array","items":"int"}`).Decode(nil, []byte{0x03, 0x04, 2, 4, 0x02, 6, 0})
	if err != nil || string(got) != "[1,2,3]" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestReferences(t *testing.T) {
	country := `{"type":"enum","name":"Country","namespace":"geo","symbols":["DE","FR"]}`
	address := `{"type":"record","name":"Address","namespace":"geo","fields":[{"name":"c","type":"Country"}]}`
	customer := `{"type":"record","name":"Customer","fields":[{"name":"a","type":["null","geo.Address"]}]}`
	s := parse(t, customer, country, address)
	const text = `{"a":{"geo.Address":{"c":"FR"}}}`
	got, err := s.Encode(nil, []byte(text))
	if err != nil || hex.EncodeToString(got) != "0202" {
		t.Fatalf("% x, %v", got, err)
	}
	if back, err := s.Decode(nil, got); err != nil || string(back) != text {
		t.Errorf("%s, %v", back, err)
	}
	if s.Name() != "Customer" || parse(t, country).Name() != "geo.Country" || parse(t, `"int"`).Name() != "" {
		t.Error("wrong names")
	}
	if _, err := avro.Parse(customer, address); connector.KindOf(err) != connector.Invalid {
		t.Errorf("a missing reference: %v", err)
	}
}

func TestBadSchemas(t *testing.T) {
	for name, text := range map[string]string{
		"empty": ``, "no JSON": `{`, "unknown type": `"text"`, "no name": `{"type":"record","fields":[]}`,
		"nested unions": `[["int"],"null"]`, "same branch twice": `["int","int"]`,
		"nested too deep": strings.Repeat(`{"type":"array","items":`, 300) + `"int"` + strings.Repeat(`}`, 300),
	} {
		if _, err := avro.Parse(text); connector.KindOf(err) != connector.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Depth and repeated reading are bounded.
func TestBounds(t *testing.T) {
	list := parse(t, `{"type":"record","name":"L","fields":[{"name":"a","type":"int"},{"name":"b","type":["null","L"]}]}`)
	deep := strings.Repeat(`{"a":1,"b":{"L":`, 300) + "null" + strings.Repeat("}}", 300)
	if _, err := list.Encode(nil, []byte(deep)); err == nil || !strings.HasSuffix(err.Error(), "nested deeper than 200 levels") {
		t.Errorf("deep: %.80v", err)
	}
	// each level is read again from each level above
	wide := strings.Repeat(`{"b":{"L":`, 90) + `{"b":null,"a":1` + strings.Repeat(" ", 200<<10) + "}" + strings.Repeat(`},"a":1}`, 90)
	if _, err := list.Encode(nil, []byte(wide)); err == nil || !strings.HasSuffix(err.Error(), "not in the schema's order") {
		t.Errorf("wide: %.80v", err)
	}
	few := strings.Repeat(`{"b":{"L":`, 90) + `{"b":null,"a":1}` + strings.Repeat(`},"a":1}`, 90)
	if _, err := list.Encode(nil, []byte(few)); err != nil {
		t.Errorf("few: %v", err)
	}
}

// The records of the file were encoded by another implementation.
func TestAgreesWithAnotherImplementation(t *testing.T) {
	src, err := os.ReadFile("testdata/all.avsc")
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := parse(t, string(src)), twmb.MustParse(string(src))
	lines, err := os.ReadFile("testdata/all.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range bytes.Split(bytes.TrimSpace(lines), []byte("\n")) {
		var v any
		if err := theirs.DecodeJSON(line, &v, twmb.TaggedUnions()); err != nil {
			t.Fatal(i, err)
		}
		got, err := ours.Encode(nil, line)
		if err != nil {
			t.Fatal(i, err)
		}
		oracle(t, string(src), got)
		text, err := ours.Decode(nil, got)
		if err != nil {
			t.Fatal(i, err)
		}
		if err := theirs.DecodeJSON(text, &v); err != nil {
			t.Errorf("line %d: what we decoded is refused: %v", i, err)
		}
		if diff := cmp.Diff(plain(t, line), plain(t, text)); diff != "" {
			t.Errorf("line %d: %s", i, diff)
		}
	}
}

func plain(t *testing.T, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
