package restproxy_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
)

const (
	avroUser  = `{"type":"record","name":"User","namespace":"x","fields":[{"name":"id","type":"int"},{"name":"nick","type":["null","string"]}]}`
	protoUser = `syntax = "proto3"; package x; message User { int32 id = 1; string nick = 2; }`
	jsonUser  = `{"title":"User","type":"object","required":["id"],"properties":{"id":{"type":"integer"}}}`
)

// records is the path of a stateless read from the beginning.
func records(topic string) string {
	return "/v3/clusters/C/topics/" + topic + "/partitions/0/records?timeout=2000"
}

func TestV2ProduceAndConsume(t *testing.T) {
	for _, c := range []struct{ format, topic, schema, value, key, keySchema string }{
		{"avro", "t", avroUser, `{"id":1,"nick":{"string":"n"}}`, `7`, `"int"`},
		{"protobuf", "p", protoUser, `{"id":1,"nick":"n"}`, `{"b":true}`, `syntax = "proto3"; message K { bool b = 1; }`},
		{"jsonschema", "j", jsonUser, `{"id":1}`, `"k"`, `{"type":"string"}`},
	} {
		t.Run(c.format, func(t *testing.T) {
			p := serve(t)
			status, body := p.call("POST", "/topics/"+c.topic, v2(c.format), fmt.Sprintf(
				`{"value_schema":%s,"key_schema":%s,"records":[{"key":%s,"value":%s},{"value":%[4]s},{"value":null}]}`,
				strconv.Quote(c.schema), strconv.Quote(c.keySchema), c.key, c.value))
			want := `{"offsets":[{"partition":0,"offset":0,"error_code":null,"error":null},{"partition":0,"offset":1,"error_code":null,"error":null},{"partition":0,"offset":2,"error_code":null,"error":null}],"key_schema_id":1,"value_schema_id":2}`
			if status != 200 || body != want {
				t.Fatalf("%d %s\nwant %s", status, body, want)
			}
			if status, body = p.call("POST", "/topics/"+c.topic, v2(c.format), fmt.Sprintf(`{"value_schema_id":2,"records":[{"value":%s}]}`, c.value)); status != 200 ||
				!strings.HasSuffix(body, `"key_schema_id":null,"value_schema_id":2}`) {
				t.Errorf("by id: %d %s", status, body)
			}
			// A consumer of v2, and a read without one.
			p.call("POST", "/consumers/g", "application/vnd.kafka.v2+json", `{"name":"i","format":"`+c.format+`","auto.offset.reset":"earliest"}`)
			p.call("POST", "/consumers/g/instances/i/assignments", "application/vnd.kafka.v2+json", `{"partitions":[{"topic":"`+c.topic+`","partition":0}]}`)
			p.call("POST", "/consumers/g/instances/i/positions/beginning", "application/vnd.kafka.v2+json", `{"partitions":[{"topic":"`+c.topic+`","partition":0}]}`)
			status, body = p.call("GET", "/consumers/g/instances/i/records?timeout=3000", v2(c.format), "")
			first := fmt.Sprintf(`[{"topic":%q,"key":%s,"value":%s,"partition":0,"offset":0}`, c.topic, c.key, c.value)
			if status != 200 || !strings.HasPrefix(body, first) || strings.Contains(body, "error") {
				t.Errorf("consumer: %d %s\nwant %s", status, body, first)
			}
			status, body = p.call("GET", records(c.topic), v2(c.format), "")
			if status != 200 || strings.Count(body, c.value) != 3 {
				t.Errorf("read: %d %s", status, body)
			}
		})
	}
}

// seeded is a registry with what the tests below name.
func seeded(t *testing.T) *proxy {
	p := serve(t)
	p.registry.SeedSchema("t-value", 1, 1, sr.Schema{Schema: avroUser})
	p.registry.SeedSchema("t-value", 2, 2, sr.Schema{Schema: strings.Replace(avroUser, `"int"`, `"long"`, 1)})
	p.registry.SeedSchema("t-key", 1, 3, sr.Schema{Schema: `["null","string"]`})
	p.registry.SeedSchema("x.User", 1, 4, sr.Schema{Schema: protoUser, Type: sr.TypeProtobuf})
	p.registry.SeedSchema("t-User", 1, 5, sr.Schema{Schema: jsonUser, Type: sr.TypeJSON})
	return p
}

func TestV3Combinations(t *testing.T) {
	p := seeded(t)
	const data = `"data":{"id":1,"nick":null}`
	for _, c := range []struct{ name, value, want string }{
		{"latest", `{` + data + `}`, `{"type":"AVRO","subject":"t-value","schema_id":2,"schema_version":2,"size":7}`},
		{"version", `{"schema_version":1,` + data + `}`, `{"type":"AVRO","subject":"t-value","schema_id":1,"schema_version":1,"size":7}`},
		{"id", `{"schema_id":1,` + data + `}`, `{"type":"AVRO","subject":"t-value","schema_id":1,"schema_version":1,"size":7}`},
		{"text that is known", `{"type":"AVRO","schema":` + strconv.Quote(avroUser) + `,` + data + `}`, `{"type":"AVRO","subject":"t-value","schema_id":1,"schema_version":1,"size":7}`},
		{"text that is new", `{"type":"AVRO","subject":"new","schema":"\"int\"","data":5}`, `{"type":"AVRO","subject":"new","schema_id":6,"schema_version":1,"size":6}`},
		{"record name", `{"subject_name_strategy":"RECORD_NAME","schema_id":4,"data":{"id":1}}`, `{"type":"PROTOBUF","subject":"x.User","schema_id":4,"schema_version":1,"size":8}`},
		{"topic and record name", `{"subject_name_strategy":"TOPIC_RECORD_NAME","schema_id":5,"data":{"id":1}}`, `{"type":"JSONSCHEMA","subject":"t-User","schema_id":5,"schema_version":1,"size":13}`},
		{"subject", `{"subject":"t-User","data":{"id":1}}`, `{"type":"JSONSCHEMA","subject":"t-User","schema_id":5,"schema_version":1,"size":13}`},
		{"null in a union", `{"subject":"t-key","data":null}`, `{"type":"AVRO","subject":"t-key","schema_id":3,"schema_version":1,"size":6}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := p.call("POST", "/v3/clusters/C/topics/t/records", "application/json", `{"value":`+c.value+`}`)
			if status != 200 || !strings.Contains(body, `{"error_code":200`) || !strings.Contains(body, `"value":`+c.want) {
				t.Errorf("%d %s\nwant %s", status, body, c.want)
			}
		})
	}
}

func TestV3Errors(t *testing.T) {
	p := seeded(t)
	for _, c := range []struct{ name, value, want string }{
		{"does not fit", `{"data":{"id":"x","nick":null}}`, `{"error_code":400,"message":"Bad Request: value: $.id: expected a long, got a string"}`},
		{"bare union", `{"data":{"id":1,"nick":"n"}}`, `{"error_code":400,"message":"Bad Request: value: $.nick: expected a union's value`},
		{"null", `{"data":null}`, `{"error_code":400,"message":"Bad Request: value: $: expected record x.User, got null"}`},
		{"unknown id", `{"schema_id":99,"data":{"id":1}}`, `{"error_code":422,"message":"Error: 42207 : Error serializing message. schema registry: get schema id 99: 40403`},
		{"unknown version", `{"schema_version":9,"data":{"id":1}}`, `{"error_code":422,"message":"Error: 42207 : Error serializing message. schema registry: get version 9 of subject t-value: 40402`},
		{"unknown subject", `{"subject":"nowhere","data":{"id":1}}`, `{"error_code":422,"message":"Error: 42207 : Error serializing message. schema registry: get version latest of subject nowhere: 40401`},
		{"broken schema", `{"type":"AVRO","schema":"{","data":{"id":1}}`, `{"error_code":422,"message":"Error: 42205 : Invalid schema: the Avro schema is not valid`},
		{"other type", `{"type":"PROTOBUF","schema":` + strconv.Quote(avroUser) + `,"data":{"id":1}}`, `{"error_code":422,"message":"Error: 42205 : Invalid schema: the Protobuf schema is not valid`},
		{"JSON Schema", `{"schema_id":5,"subject_name_strategy":"TOPIC_RECORD_NAME","data":{}}`, `{"error_code":400,"message":"Bad Request: value: $: missing id"}`},
		{"Protobuf", `{"schema_id":4,"subject":"x.User","data":{"idd":1}}`, `{"error_code":400,"message":"Bad Request: value: $.idd: the message has no such field"}`},
		{"strategy without schema", `{"subject_name_strategy":"RECORD_NAME","data":{}}`, `{"error_code":400,`},
		{"id and version", `{"schema_id":1,"schema_version":1,"data":{}}`, `{"error_code":400,`},
		{"text without type", `{"schema":"\"int\"","data":1}`, `{"error_code":400,`},
		{"type without text", `{"type":"AVRO","schema_id":1,"data":1}`, `{"error_code":400,`},
	} {
		t.Run(c.name, func(t *testing.T) {
			// What follows a bad record is written.
			status, body := p.call("POST", "/v3/clusters/C/topics/t/records", "application/json", `{"value":`+c.value+`}{"value":{"type":"STRING","data":"x"}}`)
			if status != 200 || !strings.HasPrefix(body, c.want) || !strings.Contains(body, "\r\n"+`{"error_code":200,`) {
				t.Errorf("%d %s\nwant %s", status, body, c.want)
			}
		})
	}
}

func TestV2Errors(t *testing.T) {
	p := seeded(t)
	for _, c := range []struct {
		name, format, body string
		status             int
		want               string
	}{
		{"does not fit", "avro", `{"value_schema_id":1,"records":[{"value":{"id":1,"nick":null}},{"value":{"id":1}}]}`, 400, `{"error_code":400,"message":"Bad Request: records[1].value: $.nick: field nick of record x.User is missing"}`},
		{"no value schema", "avro", `{"records":[{"value":{"id":1}}]}`, 422, `{"error_code":42202,`},
		{"no key schema", "avro", `{"value_schema_id":1,"records":[{"key":"k","value":{"id":1,"nick":null}}]}`, 422, `{"error_code":42201,`},
		{"broken schema", "avro", `{"value_schema":"{","records":[{"value":1}]}`, 422, `{"error_code":42205,"message":"Invalid schema: the Avro schema is not valid`},
		{"broken Protobuf", "protobuf", `{"value_schema":"message","records":[{"value":1}]}`, 422, `{"error_code":42205,"message":"Invalid schema: the Protobuf schema is not valid`},
		{"broken JSON Schema", "jsonschema", `{"value_schema":"{\"type\":5}","records":[{"value":1}]}`, 422, `{"error_code":42205,"message":"Invalid schema: the JSON schema is not valid`},
		{"id of another format", "protobuf", `{"value_schema_id":1,"records":[{"value":{"id":1}}]}`, 422, `{"error_code":42205,"message":"Invalid schema: the schema is of type AVRO, not PROTOBUF"}`},
		{"unknown id", "avro", `{"value_schema_id":99,"records":[{"value":{"id":1}}]}`, 422, `{"error_code":42207,"message":"Error serializing message. schema registry: get schema id 99`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := p.call("POST", "/topics/t", v2(c.format), c.body)
			if status != c.status || !strings.HasPrefix(body, c.want) {
				t.Errorf("%d %s\nwant %d %s", status, body, c.status, c.want)
			}
		})
	}
	if _, body := p.call("GET", records("t"), v2("binary"), ""); !strings.Contains(body, `"data":[]`) {
		t.Errorf("something was written: %s", body)
	}
}

// What the registry itself answers, and what that makes of a request.
func TestRegistryErrors(t *testing.T) {
	for _, c := range []struct {
		name     string
		answer   int
		v2status int
		v2code   int
		v3       string
	}{
		{"away", 503, 422, 42207, `{"error_code":422,"message":"Error: 42207 : Error serializing message. schema registry: `},
		{"bad credentials", 401, 403, 40301, `{"error_code":40301,"message":"schema registry: `},
		{"no right", 403, 403, 40301, `{"error_code":40301,"message":"schema registry: `},
		{"incompatible", 409, 422, 42207, `{"error_code":422,"message":"Error: 42207 : Error serializing message. schema registry: `},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := serve(t)
			p.registry.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
				if c.answer == 409 && !strings.HasSuffix(r.URL.Path, "/versions") {
					return false // it is the registration that is refused
				}
				w.WriteHeader(c.answer)
				_, _ = fmt.Fprintf(w, `{"error_code":%d,"message":"m"}`, c.answer)
				return true
			})
			status, body := p.call("POST", "/topics/t", v2("avro"), `{"value_schema":"\"int\"","records":[{"value":1}]}`)
			if status != c.v2status || !strings.HasPrefix(body, fmt.Sprintf(`{"error_code":%d,`, c.v2code)) {
				t.Errorf("v2: %d %s", status, body)
			}
			status, body = p.call("POST", "/v3/clusters/C/topics/t/records", "application/json", `{"value":{"type":"AVRO","schema":"\"int\"","data":1}}`)
			if status != 200 || !strings.HasPrefix(body, c.v3) {
				t.Errorf("v3: %d %s", status, body)
			}
		})
	}
}

// A record that is not in the wire format is an element with its own error.
func TestPoison(t *testing.T) {
	p := seeded(t)
	p.call("POST", "/topics/t", v2("binary"), `{"records":[{"value":"AAAA"}]}`)
	p.call("POST", "/topics/t", v2("avro"), `{"value_schema_id":1,"records":[{"value":{"id":1,"nick":null}}]}`)
	_, body := p.call("GET", records("t"), v2("avro"), "")
	if !strings.Contains(body, `"error_code":40801,"error":"value: not in the Schema Registry's wire format`) || !strings.Contains(body, `"data":{"id":1,"nick":null}`) {
		t.Error(body)
	}
}

// While the registry is away a consumer gets an error and keeps its position.
func TestConsumerWaitsForTheRegistry(t *testing.T) {
	p := seeded(t)
	const typeV2 = "application/vnd.kafka.v2+json"
	// Written as bytes, so that nothing knows the schema before the read.
	p.call("POST", "/topics/t", v2("binary"), `{"records":[{"value":"AAAAAAECAA=="},{"value":"AAAAAAIEAA=="}]}`)
	p.call("POST", "/consumers/g", typeV2, `{"name":"i","format":"avro","auto.offset.reset":"earliest"}`)
	p.call("POST", "/consumers/g/instances/i/assignments", typeV2, `{"partitions":[{"topic":"t","partition":0}]}`)
	p.call("POST", "/consumers/g/instances/i/positions/beginning", typeV2, `{"partitions":[{"topic":"t","partition":0}]}`)
	read := func() (int, string) {
		return p.call("GET", "/consumers/g/instances/i/records?timeout=2000", v2("avro"), "")
	}
	away := func(path string) {
		p.registry.ClearInterceptors()
		p.registry.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasPrefix(r.URL.Path, path) {
				return false
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		})
	}
	away("/")
	if status, body := read(); status != 408 || !strings.HasPrefix(body, `{"error_code":40801,`) {
		t.Errorf("away: %d %s", status, body)
	}
	away("/schemas/ids/2")
	first := `[{"topic":"t","key":null,"value":{"id":1,"nick":null},"partition":0,"offset":0}]`
	if status, body := read(); status != 200 || body != first {
		t.Errorf("the second schema away: %d %s", status, body)
	}
	p.registry.ClearInterceptors()
	second := `[{"topic":"t","key":null,"value":{"id":2,"nick":null},"partition":0,"offset":1}]`
	if status, body := read(); status != 200 || body != second {
		t.Errorf("back again: %d %s", status, body)
	}
}

// BenchmarkProduceAvroV2 is a request of 500 records over HTTP to a broker in
// this process, records a second as the result.
func BenchmarkProduceAvroV2(b *testing.B) {
	p := serve(b)
	p.registry.SeedSchema("t-value", 1, 1, sr.Schema{Schema: avroUser})
	const n = 500
	body := `{"value_schema_id":1,"records":[` + strings.Repeat(`{"value":{"id":123456,"nick":{"string":"a nickname of some length"}}},`, n-1) + `{"value":{"id":1,"nick":null}}]}`
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if status, answer := p.call("POST", "/topics/t", v2("avro"), body); status != 200 {
				b.Error(status, answer)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "records/s")
}
