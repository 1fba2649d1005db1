package protobuf_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/schema/protobuf"
)

const order = `syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/any.proto";
import "common/money.proto";
message Order {
  int64 id = 1;
  string customer = 2;
  repeated Line lines = 3;
  map<string, int32> counts = 4;
  common.Money total = 5;
  google.protobuf.Timestamp at = 6;
  google.protobuf.StringValue note = 7;
  oneof paid { string card = 8; bool cash = 9; }
  State state = 10;
  bytes hash = 11;
  google.protobuf.Any more = 12;
  enum State { NEW = 0; SENT = 1; }
  message Line { string sku = 1; double price = 2; message Tax { int32 percent = 1; } Tax tax = 3; }
}
message Second { bool b = 1; }
`

const money = `syntax = "proto3"; package common; message Money { string currency = 1; int64 cents = 2; }`

func schema(t testing.TB) *protobuf.Schema {
	t.Helper()
	s, err := protobuf.Parse(order, protobuf.Reference{Name: "common/money.proto", Text: money})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The bytes are those of the Protobuf encoding, written down by hand; before
// them stand the message indexes.
func TestEncodeAndDecode(t *testing.T) {
	s := schema(t)
	for _, c := range []struct{ name, message, json, hex, back string }{
		{"first message", "shop.Order", `{"id":"150"}`, "00 089601",
			`{"id":"150","customer":"","lines":[],"counts":{},"state":"NEW","hash":""}`},
		{"second message", "shop.Second", `{"b":true}`, "02 02 0801", `{"b":true}`},
		{"nested message", "shop.Order.Line", `{"sku":"A"}`, "04 00 00 0a0141", `{"sku":"A","price":0}`},
		{"message in a nested message", "shop.Order.Line.Tax", `{"percent":19}`, "06 00 00 00 0813", `{"percent":19}`},
		{"imports, lists, maps", "shop.Order", `{"total":{"currency":"EUR","cents":5},"lines":[{"sku":"A"}],"counts":{"x":1}}`,
			"00 1a030a0141 22050a01781001 2a070a034555521005",
			`{"id":"0","customer":"","lines":[{"sku":"A","price":0}],"counts":{"x":1},"total":{"currency":"EUR","cents":"5"},"state":"NEW","hash":""}`},
		{"well-known types", "shop.Order", `{"at":"1970-01-01T00:00:01Z","note":"n"}`, "00 32020801 3a030a016e",
			`{"id":"0","customer":"","lines":[],"counts":{},"at":"1970-01-01T00:00:01Z","note":"n","state":"NEW","hash":""}`},
		{"oneof, enum, bytes", "shop.Order", `{"cash":false,"state":"SENT","hash":"AQI="}`, "00 5001 5a020102 4800",
			`{"id":"0","customer":"","lines":[],"counts":{},"cash":false,"state":"SENT","hash":"AQI="}`},
		{"enum by number", "shop.Order", `{"state":1}`, "00 5001",
			`{"id":"0","customer":"","lines":[],"counts":{},"state":"SENT","hash":""}`},
		{"any", "shop.Second", `{}`, "02 02", `{"b":false}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := s.Message(c.message).Encode([]byte("+"), []byte(c.json))
			if err != nil {
				t.Fatal(err)
			}
			if want := "2b" + strings.ReplaceAll(c.hex, " ", ""); hex.EncodeToString(got) != want {
				t.Errorf("bytes %x, want %s", got, want)
			}
			back, err := s.Decode([]byte("+"), got[1:])
			if err != nil || string(back) != "+"+c.back {
				t.Errorf("back as %s, %v\nwant    +%s", back, err, c.back)
			}
		})
	}
	if s.First().Name() != "shop.Order" || s.Message("shop.None") != nil {
		t.Error("wrong messages")
	}
}

func TestErrorsNameThePath(t *testing.T) {
	for _, c := range []struct{ name, json, want string }{
		{"unknown field", `{"lines":[{"sku":"a"},{"skuu":"secret"}]}`, "$.lines[1].skuu: the message has no such field"},
		{"wrong kind", `{"lines":[{"price":"secret"}]}`, "$.lines[0].price: the value is no double"},
		{"overflow", `{"counts":{"a b":99999999999}}`, `$.counts["a b"]: the value is no int32`},
		{"fraction", `{"id":1.5}`, "$.id: the value is no int64"},
		{"enum", `{"state":"GONE"}`, "$.state: the value is no enum"},
		{"oneof", `{"card":"secret","cash":true}`, "$.cash: another field of the same oneof is set"},
		{"twice", `{"id":1,"id":2}`, "$.id: the field or key is there twice"},
		{"timestamp", `{"at":"secret"}`, "$.at: the value does not fit the schema"},
		{"array for message", `{"total":["secret"]}`, "$.total: not JSON, or a value of another kind"},
		{"no JSON", `{"id":`, "$.id: not JSON"},
		{"null", `null`, "$: not JSON, or a value of another kind"},
		{"nothing", ``, "$: not JSON"},
		{"any of an unknown type", `{"more":{"@type":"x/y.Z"}}`, "$.more"},
		{"umlauts before", `{"customer":"äöü","more2":1}`, "$.more2: the message has no such field"},
		{"second line", "{\n \"id\":1,\n  \"idd\":2}", "$.idd: the message has no such field"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := schema(t).First().Encode([]byte("+"), []byte(c.json))
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Error("the error shows a value")
			}
			if connector.KindOf(err) != connector.Invalid || string(got) != "+" {
				t.Errorf("kind %v, dst %q", connector.KindOf(err), got)
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	s := schema(t)
	for _, c := range []struct{ name, hex, want string }{
		{"nothing", "", "the message indexes before the Protobuf data are broken"},
		{"negative count", "01", "the message indexes before"},
		{"many indexes", "feffffff0f", "the message indexes before"},
		{"index missing", "02", "the message indexes before"},
		{"no such message", "0208", "the message indexes name no message"},
		{"no such nested message", "040210", "the message indexes name no message"},
		{"cut", "000a", "the bytes are no message shop.Order"},
	} {
		data, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Decode([]byte("+"), data)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || string(got) != "+" {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

func TestBadSchemas(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no Protobuf":    {`{"type":"record"}`, "the Protobuf schema is not valid: 1:1"},
		"unknown type":   {`syntax = "proto3"; message A { B b = 1; }`, "the Protobuf schema is not valid: 1:32"},
		"missing import": {`syntax = "proto3"; import "x.proto"; message A {}`, "the Protobuf schema is not valid"},
		"no message":     {`syntax = "proto3"; enum E { A = 0; }`, "the Protobuf schema has no message"},
		"imports itself": {`syntax = "proto3"; import "headrace-schema.proto"; message A {}`, "the Protobuf schema is not valid"},
		"too deep":       {strings.Repeat("message A{", 1000), "the Protobuf schema headrace-schema.proto is nested"},
	} {
		if _, err := protobuf.Parse(c.text); err == nil || !strings.HasPrefix(err.Error(), c.want) || connector.KindOf(err) != connector.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Confluent's own files need no reference, and a registry may hand out a file
// as its descriptor.
func TestKnownFiles(t *testing.T) {
	s, err := protobuf.Parse(`syntax = "proto3"; import "confluent/meta.proto"; import "confluent/type/decimal.proto";
message A { confluent.type.Decimal d = 1 [(confluent.field_meta).doc = "money"]; }`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.First().Encode(nil, []byte(`{"d":{"scale":2}}`))
	if err != nil || hex.EncodeToString(got) != "000a021802" {
		t.Errorf("%x, %v", got, err)
	}
	// message A { int32 i = 1; } of a.proto in proto3, by protoc
	s, err = protobuf.Parse("CgdhLnByb3RvIg4KAUESCQoBaRgBIAEoBWIGcHJvdG8z")
	if err != nil {
		t.Fatal(err)
	}
	if got, err = s.First().Encode(nil, []byte(`{"i":7}`)); err != nil || hex.EncodeToString(got) != "000807" {
		t.Errorf("%x, %v", got, err)
	}
}

func TestProto2(t *testing.T) {
	s, err := protobuf.Parse(`syntax = "proto2"; message A { required int32 i = 1; optional string s = 2 [default = "x"]; }`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.First().Encode(nil, []byte(`{"s":"y"}`)); err == nil || err.Error() != "$: a required field is missing" {
		t.Errorf("without a required field: %v", err)
	}
}

// Two bytes of an empty message stand for much JSON when it has many fields.
func TestBounds(t *testing.T) {
	var b strings.Builder
	b.WriteString(`syntax = "proto3"; import "google/protobuf/any.proto"; message A { repeated B b = 1; repeated google.protobuf.Any any = 2; } message B {`)
	for i := 1; i <= 1000; i++ {
		b.WriteString(" int32 a_field_with_a_long_name_" + strings.Repeat("x", i%10) + string(rune('a'+i%26)) + strings.Repeat("y", i/26) + " = " + itoa(i) + ";")
	}
	b.WriteString("}")
	s, err := protobuf.Parse(b.String())
	if err != nil {
		t.Fatal(err)
	}
	data := append([]byte{0}, strings.Repeat("\x0a\x00", 5000)...)
	if _, err := s.Decode(nil, data); err == nil || !strings.HasPrefix(err.Error(), "the message has more than 64 MiB of JSON") {
		t.Errorf("many empty messages: %v", err)
	}
	one := "\x0a\x03x/A\x12" + string(rune(100)) + strings.Repeat("\x0a\x00", 50)
	anys := "\x00" + strings.Repeat("\x12"+string(rune(len(one)))+one, 100)
	if _, err := s.Decode(nil, []byte(anys)); err == nil || !strings.HasPrefix(err.Error(), "the message has more than 64 MiB of JSON") {
		t.Errorf("many empty messages in Anys: %v", err)
	}
	deep := strings.Repeat(`{"more":{"@type":"x/shop.Order","more":`, 100)
	if _, err := schema(t).First().Encode(nil, []byte(deep)); connector.KindOf(err) != connector.Invalid {
		t.Errorf("deep: %v", err)
	}
}

func itoa(i int) string {
	if i < 10 {
		return string(rune('0' + i))
	}
	return itoa(i/10) + itoa(i%10)
}

func BenchmarkEncode(b *testing.B) {
	m := schema(b).First()
	value := []byte(`{"id":"150","customer":"c-1","lines":[{"sku":"A","price":1.5}],"counts":{"x":1},"state":"SENT"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Encode(nil, value); err != nil {
			b.Fatal(err)
		}
	}
}

// Bytes and schemas of strangers do not panic, and what is decoded can be
// encoded again.
func FuzzDecode(f *testing.F) {
	f.Add(order, []byte{0, 8, 150, 1})
	f.Add(`syntax = "proto3"; import "google/protobuf/struct.proto"; message A { google.protobuf.Value v = 1; repeated A a = 2; }`, []byte{0, 0x12, 0})
	f.Add("CgdhLnByb3RvIg4KAUESCQoBaRgBIAEoBWIGcHJvdG8z", []byte{0, 8, 7})
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		s, err := protobuf.Parse(text, protobuf.Reference{Name: "common/money.proto", Text: money})
		if err != nil {
			return
		}
		if out, err := s.Decode(nil, data); err == nil && len(out) > 2*protobuf.MaxOutput {
			t.Fatalf("%d bytes of JSON", len(out))
		}
		_, _ = s.First().Encode(nil, data) // may fail, must not panic
	})
}
