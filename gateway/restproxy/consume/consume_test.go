package consume

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

const one = "/consumers/g/instances/i"

func failure(code int, message string) string {
	return fmt.Sprintf(`{"error_code":%d,"message":"%s"}`, code, message)
}

// TestConsumerDefaults: what the server says holds for consumers that do not.
func TestConsumerDefaults(t *testing.T) {
	p := serve(t, Config{Reset: "EARLIEST", NoAutoCommit: true})
	p.write(0, "1")
	p.want("POST", "/consumers/g", `{"name":"i","format":"json","fetch.min.bytes":"1"}`, 200, `{"instance_id":"i","base_uri":"URL/consumers/g/instances/i"}`)
	p.want("POST", one+"/subscription", `{"topics":["t"]}`, 204, "")
	p.poll(one, "application/vnd.kafka.json.v2+json", 1)
	p.want("DELETE", one, "", 204, "")
	p.want("POST", "/consumers/g", `{"name":"i","format":"json","fetch.min.bytes":"1"}`, 200, `{"instance_id":"i","base_uri":"URL/consumers/g/instances/i"}`)
	p.want("GET", one+"/offsets", `{"partitions":[{"topic":"t","partition":0}]}`, 200, `{"offsets":[]}`)
}

func TestConsumerLife(t *testing.T) {
	p := serve(t, Config{})
	p.write(0, `{"a":1}`, "null")
	p.want("POST", "/consumers/g", `{"name":"i","format":"JSON","auto.offset.reset":"earliest","auto.commit.enable":"false","fetch.min.bytes":"1"}`, 200,
		`{"instance_id":"i","base_uri":"URL/consumers/g/instances/i"}`)
	p.want("POST", "/consumers/g", `{"id":"i"}`, 409, failure(40902, "Consumer with specified consumer ID already exists in the specified consumer group."))
	p.want("POST", "/consumers/other", `{"id":"i"}`, 200, `{"instance_id":"i","base_uri":"URL/consumers/other/instances/i"}`)
	p.want("GET", one+"/subscription", "", 200, `{"topics":[]}`)
	p.want("POST", one+"/subscription", `{}`, 204, "")
	p.want("POST", one+"/subscription", `{"topics":["t"]}`, 204, "")
	p.want("GET", one+"/subscription", "", 200, `{"topics":["t"]}`)
	p.want("POST", one+"/assignments", `{"partitions":[{"topic":"t","partition":0}]}`, 409, failure(40903, "Illegal state: Subscription to topics, partitions and pattern are mutually exclusive"))
	got := p.poll(one, "application/vnd.kafka.json.v2+json", 2)
	if d := cmp.Diff([]string{`{"topic":"t","key":null,"value":{"a":1},"partition":0,"offset":0}`}, got[:1]); d != "" {
		t.Error(d)
	}
	p.want("GET", one+"/assignments", "", 200, `{"partitions":[{"topic":"t","partition":0},{"topic":"t","partition":1}]}`)
	p.want("POST", one+"/offsets", `{"offsets":[{"topic":"t","partition":0,"offset":0,"metadata":"m"}]}`, 200, `[]`)
	p.want("GET", one+"/offsets", `{"partitions":[{"topic":"t","partition":0},{"topic":"t","partition":1}]}`, 200, `{"offsets":[{"topic":"t","partition":0,"offset":1,"metadata":"m"}]}`)
	p.want("POST", one+"/offsets", "", 200, `[]`)
	p.want("GET", one+"/offsets", `{"partitions":[{"topic":"t","partition":0}]}`, 200, `{"offsets":[{"topic":"t","partition":0,"offset":2,"metadata":""}]}`)
	p.want("GET", one+"/offsets", "", 404, failure(40402, "Partition not found."))
	p.want("DELETE", one+"/subscription", "", 204, "")
	p.want("GET", one+"/assignments", "", 200, `{"partitions":[]}`)
	p.want("GET", one+"/records", "", 409, failure(40903, "Consumer is not subscribed to any topics or assigned any partitions"))
	p.poll406(one, "application/vnd.kafka.binary.v2+json", "application/vnd.kafka.json.v2+json")
	p.want("DELETE", one, "", 204, "")
	for _, path := range []string{"", "/subscription"} {
		p.want("DELETE", one+path, "", 404, failure(40403, "Consumer instance not found."))
	}
	for _, path := range []string{"/records", "/offsets", "/assignments", "/subscription"} {
		p.want("GET", one+path, "", 404, failure(40403, "Consumer instance not found."))
	}
	if n := p.handler.Instances(); n != 1 {
		t.Errorf("%d instances are left", n)
	}
}

func TestConsumerSeeks(t *testing.T) {
	p := serve(t, Config{})
	p.write(0, "a", "b", "c")
	p.want("POST", "/consumers/g", `{"id":"i","fetch.min.bytes":1}`, 200, `{"instance_id":"i","base_uri":"URL/consumers/g/instances/i"}`)
	p.want("POST", one+"/positions", `{"offsets":[{"topic":"t","partition":0,"offset":1}]}`, 409, failure(40903, "Illegal state: No current assignment for partition t-0"))
	p.want("POST", one+"/assignments", `{"partitions":[{"topic":"t","partition":0}]}`, 204, "")
	p.want("POST", one+"/subscription", `{"topics":["t"]}`, 409, failure(40903, "Illegal state: Subscription to topics, partitions and pattern are mutually exclusive"))
	for _, tc := range []struct{ path, body, first string }{
		{"/positions/beginning", `{"partitions":[{"topic":"t","partition":0}]}`, `"YQ=="`},
		{"/positions", `{"offsets":[{"topic":"t","partition":0,"offset":1,"metadata":"x"}]}`, `"Yg=="`},
		{"/positions", `{"timestamps":[{"topic":"t","partition":0,"timestamp":"2023-11-14T22:13:20Z"}]}`, `"YQ=="`},
	} {
		p.want("POST", one+tc.path, tc.body, 204, "")
		code, body, header := p.call("GET", one+"/records?timeout=5000&max_bytes=1", "*/*", "")
		if want := `[{"topic":"t","key":null,"value":` + tc.first; code != 200 || !strings.HasPrefix(body, want) || strings.Count(body, "topic") != 1 {
			t.Errorf("%s %s: %d %s", tc.path, tc.body, code, body)
		}
		if ct := header.Get("Content-Type"); ct != "application/vnd.kafka.binary.v2+json" {
			t.Errorf("content type %q", ct)
		}
	}
	p.want("POST", one+"/positions/end", `{"partitions":[{"topic":"t","partition":0}]}`, 204, "")
	p.want("GET", one+"/records?timeout=50", "", 200, `[]`)
}

func TestConsumerPattern(t *testing.T) {
	p := serve(t, Config{})
	p.write(0, "a")
	p.want("POST", "/consumers/g", `{"id":"i","auto.offset.reset":"earliest","fetch.min.bytes":1}`, 200, `{"instance_id":"i","base_uri":"URL/consumers/g/instances/i"}`)
	p.want("POST", one+"/subscription", `{"topic_pattern":"[s-u]"}`, 204, "")
	p.poll(one, "", 1)
	p.want("GET", one+"/subscription", "", 200, `{"topics":["t"]}`)
}

func TestPoisonRecordIsAnElement(t *testing.T) {
	p := serve(t, Config{})
	p.write(0, `1`, `{"a":`, `2`)
	p.want("POST", "/consumers/g", `{"id":"i","format":"json","fetch.min.bytes":1}`, 200, `{"instance_id":"i","base_uri":"URL/consumers/g/instances/i"}`)
	p.want("POST", one+"/assignments", `{"partitions":[{"topic":"t","partition":0}]}`, 204, "")
	p.want("POST", one+"/positions/beginning", `{"partitions":[{"topic":"t","partition":0}]}`, 204, "")
	want := []string{
		`{"topic":"t","key":null,"value":1,"partition":0,"offset":0}`,
		`{"topic":"t","key":null,"value":{"error_code":40801,"message":"the bytes are not JSON","raw":"eyJhIjo="},"partition":0,"offset":1,"error_code":40801,"error":"value: the bytes are not JSON"}`,
		`{"topic":"t","key":null,"value":2,"partition":0,"offset":2}`,
	}
	if d := cmp.Diff(want, p.poll(one, "application/json", 3)); d != "" {
		t.Error(d)
	}
}

func TestConsumerRefused(t *testing.T) {
	p := serve(t, Config{MaxInstances: 1})
	for _, tc := range []struct {
		name, body   string
		status, code int
		text         string
	}{
		{"format", `{"format":"xml"}`, 422, 422, "Invalid format type."},
		{"no registry", `{"format":"avro"}`, 422, 42206, ""},
		{"reset", `{"auto.offset.reset":"newest"}`, 422, 42204, ""},
		{"auto commit", `{"auto.commit.enable":"maybe"}`, 422, 42204, ""},
		{"min bytes too small", `{"fetch.min.bytes":-2}`, 422, 40001, ""},
		{"min bytes too large", `{"responseMinBytes":10000001}`, 422, 40001, ""},
		{"timeout", `{"requestWaitMs":-1}`, 422, 42204, ""},
		{"unknown field", `{"nmae":"x"}`, 422, 422, "Unrecognized field: nmae"},
		{"broken", `{`, 400, 400, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, body, _ := p.call("POST", "/consumers/g", "", tc.body)
			if code != tc.status || !strings.HasPrefix(body, fmt.Sprintf(`{"error_code":%d,`, tc.code)) || !strings.Contains(body, tc.text) {
				t.Errorf("got %d %s", code, body)
			}
		})
	}
	// An empty body takes the defaults.
	code, body, _ := p.call("POST", "/consumers/g", "", "")
	m := regexp.MustCompile(`^{"instance_id":"(rest-consumer-[0-9a-f-]{36})","base_uri":"URL/consumers/g/instances/(rest-consumer-[0-9a-f-]{36})"}$`).FindStringSubmatch(body)
	if code != 200 || m == nil || m[1] != m[2] {
		t.Fatalf("got %d %s", code, body)
	}
	if code, body, _ := p.call("POST", "/consumers/g", "", ""); code != 503 {
		t.Errorf("one too many: %d %s", code, body)
	}
	in := "/consumers/g/instances/" + m[1]
	for _, tc := range []struct {
		method, path, accept, body string
		status                     int
	}{
		{"POST", "/subscription", "", "", 422}, {"POST", "/assignments", "", "null", 422}, {"POST", "/positions", "", "", 422},
		{"POST", "/positions/end", "", "", 422}, {"POST", "/subscription", "", `{"topic_pattern":"["}`, 400},
		{"POST", "/assignments", "", `{"partitions":[{"topic":"","partition":0}]}`, 422},
		{"POST", "/assignments", "", `{"partitions":[{"topic":"t","partition":-1}]}`, 422},
		{"POST", "/positions", "", `{"offsets":[{"topic":"t","partition":0,"offset":-1}]}`, 422},
		{"POST", "/positions", "", `{"timestamps":[{"topic":"t","partition":0,"timestamp":"soon"}]}`, 400},
		{"POST", "/offsets", "", `{"offsets":[{"topic":"t","partition":0,"offset":-1}]}`, 422},
		{"GET", "/records?timeout=x", "", "", 404}, {"GET", "/records?max_bytes=x", "", "", 404},
		{"GET", "/records", "text/plain", "", 406}, {"GET", "/subscription", "text/plain", "", 406},
		{"GET", "/records", "application/vnd.kafka.avro.v2+json", "", 406},
		{"GET", "/records", "", "", 409}, // neither subscribed nor assigned
		{"PUT", "/records", "", "", 405},
	} {
		if code, body, _ := p.call(tc.method, in+tc.path, tc.accept, tc.body); code != tc.status {
			t.Errorf("%s %s %s: got %d %s, want %d", tc.method, tc.path, tc.body, code, body, tc.status)
		}
	}
}

func TestIdleConsumersAreClosed(t *testing.T) {
	p := serve(t, Config{InstanceTimeout: 50 * time.Millisecond})
	p.want("POST", "/consumers/g", `{"id":"i","consumer.request.timeout.ms":300}`, 200, `{"instance_id":"i","base_uri":"URL/consumers/g/instances/i"}`)
	p.want("POST", one+"/assignments", `{"partitions":[{"topic":"t","partition":0}]}`, 204, "")
	p.want("GET", one+"/records", "", 200, "[]") // longer than the timeout: a call keeps it alive
	for deadline := time.Now().Add(10 * time.Second); p.handler.Instances() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the consumer was not closed")
		}
	}
	p.want("GET", one+"/subscription", "", 404, failure(40403, "Consumer instance not found."))
}

func TestDeleteEndsARead(t *testing.T) {
	p := serve(t, Config{RequestTimeout: time.Minute})
	p.want("POST", "/consumers/g", `{"id":"i"}`, 200, `{"instance_id":"i","base_uri":"URL/consumers/g/instances/i"}`)
	p.want("POST", one+"/assignments", `{"partitions":[{"topic":"t","partition":0}]}`, 204, "")
	answer := make(chan int, 1)
	go func() {
		code, _, _ := p.call("GET", one+"/records", "", "")
		answer <- code
	}()
	p.want("DELETE", one, "", 204, "")
	if code := <-answer; code != 404 {
		t.Errorf("the read got %d", code)
	}
}

type words struct{}

func (words) Decode(_ context.Context, _, data []byte) ([]byte, error) {
	switch data[0] {
	case 0:
	case 1:
		return nil, connector.Errorf(connector.Unavailable, "the registry is away")
	default:
		return nil, errors.New("unknown magic byte\nat x")
	}
	if len(data) < 5 {
		return nil, errors.New("too short")
	}
	return []byte(`{"word":"` + string(data[5:]) + `"}`), nil
}

func TestSchemaFormats(t *testing.T) {
	p := serve(t, Config{Decoder: words{}})
	p.write(0, "\x00\x00\x00\x00\x01hi", "plain")
	p.want("POST", "/consumers/g", `{"id":"i","format":"avro","fetch.min.bytes":1}`, 200, `{"instance_id":"i","base_uri":"URL/consumers/g/instances/i"}`)
	p.want("POST", one+"/assignments", `{"partitions":[{"topic":"t","partition":0}]}`, 204, "")
	p.want("POST", one+"/positions/beginning", `{"partitions":[{"topic":"t","partition":0}]}`, 204, "")
	want := []string{`{"topic":"t","key":null,"value":{"word":"hi"},"partition":0,"offset":0}`,
		`{"topic":"t","key":null,"value":{"error_code":40801,"message":"unknown magic byte","raw":"cGxhaW4="},"partition":0,"offset":1,"error_code":40801,"error":"value: unknown magic byte"}`}
	// A mismatch among the schema formats is not noticed, as in the original.
	if d := cmp.Diff(want, p.poll(one, "application/vnd.kafka.protobuf.v2+json", 2)); d != "" {
		t.Error(d)
	}
}

// TestReadWithoutItsRegistry says that records whose schema cannot be had now
// are neither answered nor passed over.
func TestReadWithoutItsRegistry(t *testing.T) {
	p := serve(t, Config{Decoder: words{}})
	p.write(0, "\x00\x00\x00\x00\x01hi", "\x01")
	const path = "/v3/clusters/C/topics/t/partitions/0/records?format=avro&timeout=0"
	if code, body, _ := p.call("GET", path, "", ""); code != 200 || !strings.Contains(body, `"word":"hi"}}}],"metadata"`) || !strings.Contains(body, `&offset=1&`) {
		t.Errorf("got %d %s", code, body)
	}
	if code, body, _ := p.call("GET", path+"&offset=1", "", ""); code != 408 || !strings.HasPrefix(body, `{"error_code":40801,`) {
		t.Errorf("got %d %s", code, body)
	}
}

func TestStatelessRead(t *testing.T) {
	p := serve(t, Config{})
	p.write(0, `{"a":1}`, "null", "x")
	const path = "/v3/clusters/C/topics/t/partitions/0/records"
	answer := func(query, next, data string) string {
		return `{"kind":"KafkaRecordList","data":[` + data + `],"metadata":{"self":"URL` + path + query + `","next":"URL` + path + next + `","earliest_offset":0,"latest_offset":3}}`
	}
	record := func(offset int, key, value, tail string) string {
		return fmt.Sprintf(`{"cluster_id":"C","topic_name":"t","partition_id":0,"offset":%d,"timestamp":"2023-11-14T22:13:20.000Z","headers":[],"key":%s,"value":%s%s}`, offset, key, value, tail)
	}
	data := func(kind, text string) string { return `{"type":"` + kind + `","data":` + text + `}` }
	for _, tc := range []struct{ query, accept, want string }{
		{"?offset=1", "", answer("?offset=1", "?offset=3", record(1, data("BINARY", `"aw=="`), data("BINARY", "null"), "")+","+record(2, data("BINARY", "null"), data("BINARY", `"eA=="`), ""))},
		{"?max_bytes=1", "application/vnd.kafka.json.v2+json", answer("?max_bytes=1", "?max_bytes=1&offset=1", record(0, data("JSON", "null"), data("JSON", `{"a":1}`), ""))},
		{"?format=json&offset=2", "", answer("?format=json&offset=2", "?format=json&offset=3", record(2, data("JSON", "null"), data("JSON", `null,"error_code":40801,"message":"the bytes are not JSON","raw":"eA=="`), `,"error_code":40801,"error":"value: the bytes are not JSON"`))},
		{"?format=string&offset=2", "application/json", answer("?format=string&offset=2", "?format=string&offset=3", record(2, data("STRING", "null"), data("STRING", `"x"`), ""))},
		{"?offset=latest&timeout=0", "", answer("?offset=latest&timeout=0", "?offset=3&timeout=0", "")},
		{"?timestamp=2023-11-14T22:13:21Z&timeout=0", "", answer("?timestamp=2023-11-14T22:13:21Z&timeout=0", "?offset=3&timeout=0", "")},
		{"?timestamp=1700000000000&max_bytes=1", "", answer("?timestamp=1700000000000&max_bytes=1", "?max_bytes=1&offset=1", record(0, data("BINARY", "null"), data("BINARY", `"eyJhIjoxfQ=="`), ""))},
	} {
		code, body, header := p.call("GET", path+tc.query, tc.accept, "")
		if code != 200 || body != tc.want || header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: got  %d %s\nwant %s", tc.query, code, body, tc.want)
		}
	}
	for _, tc := range []struct {
		path, accept string
		status, code int
	}{
		{path + "?offset=-1", "", 400, 400}, {path + "?offset=x", "", 400, 400}, {path + "?offset=1&timestamp=1", "", 400, 400},
		{path + "?timestamp=x", "", 400, 400}, {path + "?timeout=x", "", 400, 400}, {path + "?format=xml", "", 400, 400},
		{path + "?offset=99", "", 400, 40002}, {path + "?format=avro", "", 422, 42206}, {path, "text/plain", 406, 0},
		{"/v3/clusters/C/topics/t/partitions/x/records", "", 404, 404}, {"/v3/clusters/C/topics/t/partitions/9/records", "", 404, 40403},
		{"/v3/clusters/C/topics/u/partitions/0/records", "", 404, 40403}, {"/v3/clusters/X/topics/t/partitions/0/records", "", 404, 404},
	} {
		code, body, _ := p.call("GET", tc.path, tc.accept, "")
		if code != tc.status || tc.code != 0 && !strings.HasPrefix(body, fmt.Sprintf(`{"error_code":%d,`, tc.code)) {
			t.Errorf("%s: got %d %s, want %d/%d", tc.path, code, body, tc.status, tc.code)
		}
	}
}

func TestReadErrorsByKind(t *testing.T) {
	in := &instance{}
	for kind, code := range map[connector.Kind]int{connector.Denied: 40301, connector.Unauthenticated: 40101, connector.Unavailable: 50302} {
		if e := wire.Of(in.explain(connector.Errorf(kind, "x"))); e.Code != code {
			t.Errorf("%v: %d", kind, e.Code)
		}
	}
}
