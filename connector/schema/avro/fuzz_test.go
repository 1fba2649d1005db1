package avro_test

import (
	"bytes"
	"testing"

	twmb "github.com/twmb/avro"

	"github.com/headrace/headrace/connector/schema/avro"
)

// What is encoded decodes, encodes to the same bytes again, and another
// implementation can read it; nothing panics.
func FuzzEncode(f *testing.F) {
	f.Add(order, []byte(`{"id":1,"note":{"string":"x"},"state":"NEW","items":[{"sku":"abcd","price":1.5,"n":2}],"tags":{"a":{"long":1}}}`))
	f.Add(`["null",{"type":"map","values":"bytes"}]`, []byte(`{"map":{"a":"\u00ff"}}`))
	f.Add(`"double"`, []byte(`1e-5`))
	f.Add(`{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}`, []byte(`{"b":1,"a":2}`))
	f.Fuzz(func(t *testing.T, schema string, text []byte) {
		s, err := avro.Parse(schema)
		if err != nil {
			return
		}
		binary, err := s.Encode(nil, text)
		if err != nil {
			return
		}
		back, err := s.Decode(nil, binary)
		if err != nil {
			t.Fatalf("cannot decode % x: %v", binary, err)
		}
		again, err := s.Encode(nil, back)
		if err != nil || !bytes.Equal(again, binary) {
			t.Fatalf("% x became % x over %s: %v", binary, again, back, err)
		}
		var v any
		if _, err := twmb.MustParse(schema).Decode(binary, &v); err != nil && !bytes.Contains([]byte(schema), []byte("logicalType")) {
			t.Fatalf("another implementation cannot read % x: %v", binary, err)
		}
	})
}

// Bytes of strangers neither panic nor grow without bound.
func FuzzDecode(f *testing.F) {
	f.Add(order, []byte{2, 2, 2, 'x', 0, 0, 0})
	f.Add(`{"type":"array","items":"null"}`, []byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add(`{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}`, []byte{0})
	f.Fuzz(func(t *testing.T, schema string, data []byte) {
		s, err := avro.Parse(schema)
		if err != nil {
			return
		}
		out, err := s.Decode(nil, data)
		if err == nil && len(out) > avro.MaxOutput+len(data)*6+len(schema)+64 {
			t.Fatalf("%d bytes of JSON", len(out))
		}
	})
}
