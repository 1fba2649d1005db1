package schema

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/headrace/headrace/connector"
)

const (
	userProto = `syntax = "proto3"; package x; message User { int32 id = 1; } message Other { bool b = 1; }`
	userJSON  = `{"title":"User","type":"object","required":["id"]}`
)

func newSchemas(t testing.TB, f *fake, l Limits) *Schemas { return NewSchemas(f.client(t), l) }

func TestEncodeByEveryReference(t *testing.T) {
	f := newFake(t)
	f.SeedSchema("t-value", 1, 11, sr.Schema{Schema: user})
	f.SeedSchema("t-value", 2, 12, sr.Schema{Schema: strings.Replace(user, "int", "long", 1)})
	f.SeedSchema("x.User", 1, 15, sr.Schema{Schema: strings.Replace(user, "{", `{"doc":"d",`, 1)})
	f.SeedSchema("p-value", 1, 13, sr.Schema{Schema: userProto, Type: sr.TypeProtobuf})
	f.SeedSchema("j-key", 1, 14, sr.Schema{Schema: userJSON, Type: sr.TypeJSON})
	f.SeedSchema("j-User", 5, 16, sr.Schema{Schema: strings.Replace(userJSON, "{", `{"description":"d",`, 1), Type: sr.TypeJSON})
	s := newSchemas(t, f, Limits{})
	for _, c := range []struct {
		name string
		ref  Ref
		want Used
		data string
	}{
		{"latest", Ref{Topic: "t"}, Used{Avro, "t-value", 12, 2}, "\x02"},
		{"version", Ref{Topic: "t", Version: 1}, Used{Avro, "t-value", 11, 1}, "\x02"},
		{"id", Ref{Topic: "t", ID: 11}, Used{Avro, "t-value", 11, 1}, "\x02"},
		{"id and type", Ref{Topic: "t", ID: 11, Type: Avro}, Used{Avro, "t-value", 11, 1}, "\x02"},
		{"record name", Ref{Topic: "t", ID: 15, Strategy: RecordName}, Used{Avro, "x.User", 15, 1}, "\x02"},
		{"subject", Ref{Topic: "other", Subject: "t-value", Version: 2}, Used{Avro, "t-value", 12, 2}, "\x02"},
		{"text that is there", Ref{Topic: "t", Type: Avro, Text: user}, Used{Avro, "t-value", 11, 1}, "\x02"},
		{"Protobuf", Ref{Topic: "p"}, Used{Protobuf, "p-value", 13, 1}, "\x00\x08\x01"},
		{"JSON Schema as a key", Ref{Topic: "j", Key: true}, Used{JSONSchema, "j-key", 14, 1}, `{"id":1}`},
		{"topic and record name", Ref{Topic: "j", ID: 16, Strategy: TopicRecordName}, Used{JSONSchema, "j-User", 16, 5}, `{"id":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, used, err := s.Encode(t.Context(), []byte("+"), c.ref, []byte(`{"id":1}`))
			if err != nil {
				t.Fatal(err)
			}
			want := "+\x00" + string(binary.BigEndian.AppendUint32(nil, uint32(c.want.ID))) + c.data
			if used != c.want || string(got) != want {
				t.Errorf("%q with %+v\nwant %q with %+v", got, used, want, c.want)
			}
			back, err := s.Decode(t.Context(), []byte("+"), got[1:])
			if err != nil || string(back) != `+{"id":1}` {
				t.Errorf("back as %s, %v", back, err)
			}
		})
	}
}

func TestRegisterWhatIsMissing(t *testing.T) {
	f := newFake(t)
	s := newSchemas(t, f, Limits{})
	for _, c := range []struct{ kind, text, subject string }{
		{Avro, user, "x.User"}, {Protobuf, userProto, "t-x.User"}, {JSONSchema, userJSON, "t-value"},
	} {
		ref := Ref{Topic: "t", Type: c.kind, Text: c.text, LookupOnly: true}
		switch c.kind {
		case Avro:
			ref.Strategy = RecordName
		case Protobuf:
			ref.Strategy = TopicRecordName
		}
		if _, _, err := s.Encode(t.Context(), nil, ref, []byte(`{"id":1}`)); connector.KindOf(err) != connector.NotFound {
			t.Errorf("%s: looked up only: %v", c.kind, err)
		}
		ref.LookupOnly = false
		_, used, err := s.Encode(t.Context(), nil, ref, []byte(`{"id":1}`))
		if err != nil || used.Subject != c.subject || used.Version != 1 || used.ID == 0 {
			t.Errorf("%s: %+v, %v", c.kind, used, err)
		}
	}
}

func TestProtobufMessage(t *testing.T) {
	f := newFake(t)
	f.SeedSchema("t-value", 1, 1, sr.Schema{Schema: userProto, Type: sr.TypeProtobuf})
	s := newSchemas(t, f, Limits{})
	got, _, err := s.Encode(t.Context(), nil, Ref{Topic: "t", Message: "x.Other"}, []byte(`{"b":true}`))
	if err != nil || string(got) != "\x00\x00\x00\x00\x01\x02\x02\x08\x01" {
		t.Errorf("%q, %v", got, err)
	}
	_, _, err = s.Encode(t.Context(), nil, Ref{Topic: "t", Message: "x.None"}, []byte(`{"b":true}`))
	var schema *SchemaError
	if !errors.As(err, &schema) {
		t.Errorf("unknown message: %v", err)
	}
}

func TestReferencesAreFetched(t *testing.T) {
	f := newFake(t)
	f.SeedSchema("country", 3, 1, sr.Schema{Schema: `{"type":"enum","name":"geo.Country","symbols":["DE"]}`})
	f.SeedSchema("address", 1, 2, sr.Schema{Schema: `{"type":"record","name":"Address","fields":[{"name":"c","type":"geo.Country"}]}`,
		References: []sr.SchemaReference{{Name: "geo.Country", Subject: "country", Version: 3}}})
	f.SeedSchema("t-value", 1, 4, sr.Schema{Schema: `{"type":"record","name":"P","fields":[{"name":"a","type":"Address"},{"name":"c","type":"geo.Country"}]}`,
		References: []sr.SchemaReference{{Name: "geo.Country", Subject: "country", Version: 3}, {Name: "Address", Subject: "address", Version: 1}}})
	f.SeedSchema("money", 1, 5, sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; message Money { int64 c = 1; }`})
	f.SeedSchema("p-value", 1, 6, sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; import "m/money.proto"; message P { Money m = 1; }`,
		References: []sr.SchemaReference{{Name: "m/money.proto", Subject: "money", Version: 1}}})
	s := newSchemas(t, f, Limits{})
	for topic, value := range map[string]string{"t": `{"a":{"c":"DE"},"c":"DE"}`, "p": `{"m":{"c":"5"}}`} {
		got, _, err := s.Encode(t.Context(), nil, Ref{Topic: topic}, []byte(value))
		if err != nil {
			t.Fatal(err)
		}
		if back, err := s.Decode(t.Context(), nil, got); err != nil || string(back) != value {
			t.Errorf("%s: %s, %v", topic, back, err)
		}
	}
}

// References of strangers end: in a circle, in a chain without end, and where
// there is nothing.
func TestBadReferences(t *testing.T) {
	f := newFake(t)
	f.instead(func(w http.ResponseWriter, r *http.Request) {
		subject := strings.Split(r.URL.Path, "/")[2]
		next := subject + "x"
		switch subject {
		case "circle":
			next = "circle"
		case "gonex":
			http.Error(w, `{"error_code":40401,"message":"no"}`, http.StatusNotFound)
			return
		}
		_, _ = fmt.Fprintf(w, `{"subject":%q,"version":1,"id":1,"schema":"\"int\"","references":[{"name":"n","subject":%q,"version":1}]}`, subject, next)
	})
	for _, c := range []struct {
		subject string
		want    string
	}{
		{"circle", ""},
		{"chain", "the schema refers to more than 200 others, or over more than 20 levels"},
		{"gone", "schema registry: get version 1 of subject gonex: 40401 no"},
	} {
		s := newSchemas(t, f, Limits{})
		_, _, err := s.Encode(t.Context(), nil, Ref{Subject: c.subject}, []byte(`1`))
		if got := fmt.Sprint(err); err != nil && got != c.want || err == nil && c.want != "" {
			t.Errorf("%s: %v, want %s", c.subject, err, c.want)
		}
	}
}

func TestEncodeErrors(t *testing.T) {
	f := newFake(t)
	f.SeedSchema("t-value", 1, 1, sr.Schema{Schema: user})
	f.SeedSchema("int-value", 1, 2, sr.Schema{Schema: `"int"`})
	f.SeedSchema("bad-value", 1, 3, sr.Schema{Schema: `{"type":"record"}`})
	s := newSchemas(t, f, Limits{})
	const schemaFault, registryFault, valueFault = "schema", "registry", "value"
	for _, c := range []struct {
		name  string
		ref   Ref
		kind  connector.Kind
		whose string
	}{
		{"value", Ref{Topic: "t"}, connector.Invalid, valueFault},
		{"unknown id", Ref{Topic: "t", ID: 99}, connector.NotFound, registryFault},
		{"unknown subject", Ref{Topic: "nowhere"}, connector.NotFound, registryFault},
		{"unknown version", Ref{Topic: "t", Version: 9}, connector.NotFound, registryFault},
		{"id of another subject", Ref{Topic: "t", ID: 2}, connector.NotFound, registryFault},
		{"another type", Ref{Topic: "t", ID: 1, Type: Protobuf}, connector.Invalid, schemaFault},
		{"another type of a version", Ref{Topic: "t", Type: Protobuf}, connector.Invalid, schemaFault},
		{"broken text", Ref{Topic: "t", Type: Avro, Text: "{"}, connector.Invalid, schemaFault},
		{"text too long", Ref{Topic: "t", Type: Avro, Text: strings.Repeat(" ", 2<<20)}, connector.Invalid, schemaFault},
		{"broken schema in the registry", Ref{Topic: "bad"}, connector.Invalid, schemaFault},
		{"no record name", Ref{Topic: "t", ID: 2, Strategy: RecordName}, connector.Invalid, valueFault},
		{"strategy without schema", Ref{Topic: "t", Strategy: RecordName}, connector.Invalid, valueFault},
		{"unknown strategy", Ref{Topic: "t", ID: 1, Strategy: "X"}, connector.Invalid, valueFault},
		{"no topic", Ref{ID: 1}, connector.Invalid, valueFault},
	} {
		got, _, err := s.Encode(t.Context(), []byte("+"), c.ref, []byte(`{"id":"x"}`))
		whose := valueFault
		var schema *SchemaError
		var answer *ResponseError
		switch {
		case errors.As(err, &schema):
			whose = schemaFault
		case errors.As(err, &answer):
			whose = registryFault
		}
		if err == nil || connector.KindOf(err) != c.kind || whose != c.whose || string(got) != "+" {
			t.Errorf("%s: %v: kind %v of the %s, dst %q", c.name, err, connector.KindOf(err), whose, got)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	f := newFake(t)
	f.SeedSchema("t-value", 1, 1, sr.Schema{Schema: user})
	s := newSchemas(t, f, Limits{})
	for _, c := range []struct{ data, want string }{
		{"", "not in the Schema Registry's wire format: 0 bytes"},
		{`{"a":1}`, "not in the Schema Registry's wire format: the first byte is 123 instead of 0"},
		{"\x00\x00\x00\x00\x63\x02", "schema registry: get schema id 99: 40403"},
		{"\x00\xff\xff\xff\xff\x02", "schema registry: get schema id -1: "},
		{"\x00\x00\x00\x00\x01", "AVRO schema 1: $.id: the Avro data ends early"},
	} {
		got, err := s.Decode(t.Context(), []byte("+"), []byte(c.data))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || string(got) != "+" {
			t.Errorf("%q: %q, %v", c.data, got, err)
		}
	}
	before := f.calls.Load()
	for range 10 {
		if _, err := s.Decode(t.Context(), nil, []byte("\x00\x00\x00\x00\x63\x02")); err == nil {
			t.Fatal("no error")
		}
	}
	if n := f.calls.Load() - before; n != 0 {
		t.Errorf("an unknown id was asked for %d times more", n)
	}
}

func BenchmarkEncodeAvro(b *testing.B) {
	f := newFake(b)
	f.SeedSchema("t-value", 1, 1, sr.Schema{Schema: user})
	s := newSchemas(b, f, Limits{})
	value := []byte(`{"id":12345}`)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, _, err = s.Encode(b.Context(), dst[:0], Ref{Topic: "t", ID: 1, Type: Avro}, value); err != nil {
			b.Fatal(err)
		}
	}
}

// spread is a sink that says what it could do with.
type spread struct{ connector.Sink }

func (spread) InFlight() int { return 123 }

// The bound of what is in flight follows the partitions also behind a schema.
func TestInFlightIsPassedOn(t *testing.T) {
	for want, next := range map[int]connector.Sink{123: spread{}, 0: nil} {
		s, ok := NewEncodingSink(next, nil, Formats{}, "t", nil).(interface{ InFlight() int })
		if !ok || s.InFlight() != want {
			t.Errorf("%d is not passed on", want)
		}
	}
}
