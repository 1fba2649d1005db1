package avro_test

import "testing"

// A record of eleven fields with unions, an array and a map, about 300 bytes
// of JSON.
const (
	benchSchema = `{"type":"record","name":"Order","namespace":"shop","fields":[
 {"name":"id","type":"long"},{"name":"customer","type":"string"},{"name":"note","type":["null","string"]},
 {"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID","SENT"]}},
 {"name":"total","type":"double"},{"name":"paid","type":"boolean"},{"name":"created","type":{"type":"long","logicalType":"timestamp-millis"}},
 {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[{"name":"sku","type":"string"},{"name":"n","type":"int"}]}}},
 {"name":"tags","type":{"type":"map","values":"string"}},{"name":"hash","type":"bytes"},{"name":"ratio","type":["null","float"]}]}`
	benchJSON = `{"id":123456789,"customer":"c-1234","note":{"string":"please ring twice"},"state":"PAID","total":99.95,"paid":true,"created":1700000000000,"lines":[{"sku":"A-1","n":2},{"sku":"B-22","n":1}],"tags":{"channel":"web","region":"eu"},"hash":"\u0001\u00ffabcdef","ratio":null}`
)

func BenchmarkEncode(b *testing.B) {
	s := parse(b, benchSchema)
	value := []byte(benchJSON)
	var dst []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		var err error
		if dst, err = s.Encode(dst[:0], value); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	s := parse(b, benchSchema)
	data, err := s.Encode(nil, []byte(benchJSON))
	if err != nil {
		b.Fatal(err)
	}
	var dst []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(benchJSON)))
	for b.Loop() {
		if dst, err = s.Decode(dst[:0], data); err != nil {
			b.Fatal(err)
		}
	}
}
