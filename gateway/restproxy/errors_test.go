package restproxy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"errors"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/schema"
	"github.com/headrace/headrace/gateway"
)

// failing answers records of topics that are called after a kind of error with
// that kind, as Kafka does; all others go to next.
type failing struct{ next connector.Publisher }

var kinds = map[string]connector.Kind{"invalid": connector.Invalid, "toolarge": connector.TooLarge, "unauthenticated": connector.Unauthenticated,
	"denied": connector.Denied, "notfound": connector.NotFound, "throttled": connector.Throttled, "unavailable": connector.Unavailable, "unknown": connector.Unknown}

func (f failing) Publish(ctx context.Context, batch []*connector.Message) error {
	kind, fails := kinds[batch[0].Topic]
	if !fails {
		return f.next.Publish(ctx, batch)
	}
	for _, m := range batch {
		m.Finish(connector.Result{Outcome: connector.Failed, Offset: -1, Err: connector.Errorf(kind, "producing to %s: Kafka said no\nat org.apache", m.Topic)})
	}
	return nil
}

// registry fails as the Schema Registry's client does, by the schema's text.
type registry struct{}

func (registry) Encode(_ context.Context, _ []byte, ref schema.Ref, _ []byte) ([]byte, schema.Used, error) {
	switch ref.Text {
	case "broken":
		return nil, schema.Used{}, &schema.SchemaError{Err: connector.Errorf(connector.Invalid, "no record")}
	case "misfit":
		return nil, schema.Used{}, connector.Errorf(connector.Invalid, "$.a: not a string")
	case "refused":
		return nil, schema.Used{}, &schema.ResponseError{Status: 403}
	default:
		return nil, schema.Used{}, connector.Errorf(connector.Unavailable, "the registry is down")
	}
}

func (registry) Decode(_ context.Context, _, _ []byte) ([]byte, error) {
	return nil, errors.New("nothing is decoded here")
}

const v3Records = "/v3/clusters/C/topics/t/records"

// TestErrorTable has the rows of the original's tables of errors: what is sent
// to it, and the status and the code (of the body, or of the first element
// that is an error) of the answer. Kafka's own refusals are in the tables of
// package admin, rate limits in TestRequestLimit and TestRecordLimit.
func TestErrorTable(t *testing.T) {
	bootstrap := broker(t).ListenAddrs()
	cfg := gateway.DefaultConfig()
	cfg.MaxBodyBytes = 100_000
	p := serveWith(t, cfg, bootstrap, func(c *Config) {
		next := c.Publish
		c.Publish = func(ctx context.Context, id string) (connector.Publisher, error) {
			out, err := next(ctx, id)
			return failing{out}, err
		}
		c.MaxRecordBytes, c.Schemas = 70_000, registry{}
		c.StreamMax, c.StreamGrace = connector.Duration(500*time.Millisecond), connector.Duration(time.Millisecond)
	})
	bare := serve(t, bootstrap, nil) // no registry
	dead := serve(t, []string{"127.0.0.1:1"}, nil)
	for _, name := range []string{"i", "assigned"} {
		p.call("POST", "/consumers/g", `{"id":"`+name+`","format":"json","auto.offset.reset":"earliest"}`, "Content-Type", typeV2)
	}
	p.call("POST", "/consumers/g/instances/assigned/assignments", `{"partitions":[{"topic":"t","partition":0}]}`, "Content-Type", typeV2)
	p.call("POST", "/topics/t", `{"records":[{"value":"bm90IEpTT04=","partition":0}]}`, "Content-Type", binaryV2)
	in, assigned := "/consumers/g/instances/i", "/consumers/g/instances/assigned"
	avro := "application/vnd.kafka.avro.v2+json"
	entries := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"id":"%d"}`, i))
		}
		return `{"entries":[` + strings.Join(list, ",") + `]}`
	}
	for _, tc := range []struct {
		row          string
		on           *proxy
		method, path string
		body, kind   string
		status, code int
		text         string // of the message; "" is not compared
		after        bool   // the stream goes on: a success follows
	}{
		// Section 5.3, elements of a stream.
		{"5.3 broken JSON", p, "POST", v3Records, `{"value":`, plain, 200, 400, "Bad Request: Error processing message: ", false},
		{"5.3 unknown field", p, "POST", v3Records, `{"x":1}{}`, plain, 200, 400, `Unrecognized field \"x\"`, true},
		{"5.3 wrong data type", p, "POST", v3Records, `{"value":{"type":"BINARY","data":1}}{}`, plain, 200, 400, "Bad Request: data=1 is not a base64 string.", true},
		{"5.3 not a string", p, "POST", v3Records, `{"value":{"type":"STRING","data":1}}{}`, plain, 200, 400, "Bad Request: data=1 is not a string.", true},
		{"5.3 bad base64", p, "POST", v3Records, `{"value":{"type":"BINARY","data":"!"}}{}`, plain, 200, 400, "is not a valid base64 string.", true},
		{"5.3 schema fields", p, "POST", v3Records, `{"value":{"type":"JSON","schema_id":1,"data":1}}{}`, plain, 200, 400, "", true},
		{"5.3 negative partition", p, "POST", v3Records, `{"partition_id":-1}{}`, plain, 200, 40402, "Partition not found.", true},
		{"5.3 partition that does not exist", p, "POST", v3Records, `{"partition_id":99}{}`, plain, 200, 40401, "", true},
		{"5.3 topic that does not exist", p, "POST", "/v3/clusters/C/topics/none/records", `{}`, plain, 200, 40401, "", false},
		{"5.3 not authorized", p, "POST", "/v3/clusters/C/topics/denied/records", `{}`, plain, 200, 40301, "", false},
		{"5.3 record too large", p, "POST", "/v3/clusters/C/topics/toolarge/records", `{}`, plain, 200, 413, "", false},
		{"5.3 no registry", bare, "POST", v3Records, `{"value":{"schema_id":1,"data":1}}{}`, plain, 200, 422, "Error: 42206 : Payload error. Schema Registry must be configured when using schemas.", true},
		{"5.3 data that does not fit", p, "POST", v3Records, `{"value":{"type":"AVRO","schema":"misfit","data":1}}{}`, plain, 200, 400, "$.a", true},
		{"5.3 registry down", p, "POST", v3Records, `{"value":{"type":"AVRO","schema":"x","data":1}}{}`, plain, 200, 422, "Error: 42207 : Error serializing message. ", true},
		{"5.3 registry refuses", p, "POST", v3Records, `{"value":{"type":"AVRO","schema":"refused","data":1}}{}`, plain, 200, 40301, "", true},
		{"5.3 invalid schema", p, "POST", v3Records, `{"value":{"type":"AVRO","schema":"broken","data":1}}{}`, plain, 200, 422, "Error: 42205 : ", true},
		{"5.3 empty body", p, "POST", v3Records, ``, plain, 200, 0, "", false},
		{"5.3 content type", p, "POST", v3Records, `{}`, "text/plain", 415, 415, "HTTP 415 Unsupported Media Type", false},
		{"5.3 charset", p, "POST", v3Records, `{}`, "application/json; charset=utf-16", 400, 400, "", false},

		// Section 5.6, batches.
		{"5.6 no body", p, "POST", v3Records + ":batch", ``, plain, 422, 42208, "Request body is empty. Data is required.", false},
		{"5.6 empty", p, "POST", v3Records + ":batch", `{"entries":[]}`, plain, 422, 42208, "Empty batch.", false},
		{"5.6 too many", p, "POST", v3Records + ":batch", entries(11), plain, 422, 42208, "Too many entries in batch.", false},
		{"5.6 same id", p, "POST", v3Records + ":batch", `{"entries":[{"id":"a"},{"id":"a"}]}`, plain, 422, 42208, "Batch entry IDs are not distinct.", false},
		{"5.6 bad id", p, "POST", v3Records + ":batch", `{"entries":[{"id":"a b"}]}`, plain, 422, 42208, "Batch entry identifier is not a valid string.", false},
		{"5.6 unknown field", p, "POST", v3Records + ":batch", `{"records":[]}`, plain, 422, 422, "Unrecognized field: records", false},
		{"5.6 schema fields", p, "POST", v3Records + ":batch", `{"entries":[{"id":"a"},{"id":"b","value":{"type":"JSON","schema":"x","data":1}}]}`, plain, 400, 400, "", false},

		// Section 6.2, parsing of requests.
		{"6.2 malformed", p, "POST", "/v3/clusters/C/topics", `{"topic_name":`, plain, 400, 400, "", false},
		{"6.2 wrong type", p, "POST", "/v3/clusters/C/topics", `{"topic_name":[]}`, plain, 400, 400, "", false},
		{"6.2 required field", p, "POST", "/v3/clusters/C/topics", `{}`, plain, 400, 400, "", false},
		{"6.2 unknown property", p, "POST", "/v3/clusters/C/topics", `{"x":1}`, plain, 422, 422, "Unrecognized field: x", false},
		{"6.2 null", p, "POST", "/topics/t", `{}`, jsonV2, 422, 422, "must not be null", false},
		{"6.2 empty", p, "POST", "/topics/t", `{"records":[]}`, jsonV2, 422, 422, "may not be empty", false},
		{"6.2 negative", p, "POST", "/topics/t", `{"records":[{"partition":-1}]}`, jsonV2, 422, 422, "", false},
		{"6.2 no body in v3", p, "POST", "/v3/clusters/C/topics", ``, plain, 422, 42206, "Payload error. Request body is empty. Data is required.", false},
		{"6.2 no body in v2", p, "POST", in + "/assignments", ``, typeV2, 422, 422, "", false},
		{"6.2 not an integer", p, "GET", "/v3/clusters/C/brokers/x", ``, "", 404, 404, "", false},

		// Section 6.3, codes.
		{"400", p, "POST", "/topics/t", `{"records":[{"value":"!"}]}`, binaryV2, 400, 400, "", false},
		{"40001", p, "POST", "/consumers/g", `{"fetch.min.bytes":10000001}`, typeV2, 422, 40001, "", false},
		{"40002", p, "POST", "/v3/clusters/C/topics", `{"topic_name":"t"}`, plain, 400, 40002, "already exists", false},
		{"40101", p, "POST", "/topics/unauthenticated", `{"records":[{}]}`, jsonV2, 401, 40101, "", false},
		{"40301", p, "POST", "/topics/denied", `{"records":[{}]}`, jsonV2, 403, 40301, "", false},
		{"404", p, "GET", "/v3/clusters/other", ``, "", 404, 404, "Cluster other cannot be found.", false},
		{"40401", p, "POST", v3Records, `{"partition_id":7}`, plain, 200, 40401, "", false},
		{"40402", p, "GET", "/topics/t/partitions/9", ``, "", 404, 40402, "Partition not found.", false},
		{"40403 instance", p, "GET", "/consumers/g/instances/none/assignments", ``, "", 404, 40403, "Consumer instance not found.", false},
		{"40403 topic", p, "GET", "/topics/none", ``, "", 404, 40403, "This server does not host this topic-partition.", false},
		{"405", p, "PUT", "/topics/t", ``, "", 405, 405, "HTTP 405 Method Not Allowed", false},
		{"415", p, "POST", "/topics/t", `{}`, plain, 415, 415, "HTTP 415 Unsupported Media Type", false},
		{"40601", p, "GET", in + "/records", ``, "Accept: " + binaryV2, 406, 40601, "The requested embedded data format does not match the deserializer for this consumer instance", false},
		{"40801", p, "GET", assigned + "/records?timeout=1000", ``, "Accept: " + jsonV2, 200, 40801, "", false},
		{"40902", p, "POST", "/consumers/g", `{"id":"i"}`, typeV2, 409, 40902, "", false},
		{"40903", p, "POST", assigned + "/subscription", `{"topics":["t"]}`, typeV2, 409, 40903, "Illegal state: ", false},
		{"413", p, "POST", "/topics/t", `{"records":[{"value":"` + strings.Repeat("x", 100_000) + `"}]}`, jsonV2, 413, 413, "the request body is over the limit of 100000 bytes", false},
		{"422", p, "POST", "/consumers/g", `{"format":"xml"}`, typeV2, 422, 422, "Invalid format type.", false},
		{"42201", p, "POST", "/topics/t", `{"records":[{"key":1,"value":1}],"value_schema":"x"}`, avro, 422, 42201, "", false},
		{"42202", p, "POST", "/topics/t", `{"records":[{"value":1}]}`, avro, 422, 42202, "", false},
		{"42204", p, "POST", "/consumers/g", `{"auto.offset.reset":"middle"}`, typeV2, 422, 42204, "", false},
		{"42205", p, "POST", "/topics/t", `{"records":[{"value":1}],"value_schema":"broken"}`, avro, 422, 42205, "", false},
		{"42206", bare, "POST", "/topics/t", `{"records":[{"value":1}],"value_schema":"x"}`, avro, 422, 42206, "Payload error. ", false},
		{"42207", p, "POST", "/topics/t", `{"records":[{"value":1}],"value_schema":"x"}`, avro, 422, 42207, "Error serializing message. ", false},
		{"42208", p, "POST", v3Records + ":batch", `null`, plain, 422, 42208, "", false},
		{"42901", p, "POST", "/v3/clusters/C/topics/throttled/records", `{}`, plain, 200, 42901, "", false},
		{"40903 nothing to read", p, "GET", in + "/records", ``, "Accept: " + jsonV2, 409, 40903, "not subscribed", false},
		{"50002", p, "POST", "/topics/unknown", `{"records":[{}]}`, jsonV2, 200, 50002, "", false},
		{"50003", p, "POST", "/topics/unavailable", `{"records":[{}]}`, jsonV2, 200, 50003, "", false},
		{"50003 unknown topic", p, "POST", "/topics/none", `{"records":[{}]}`, jsonV2, 200, 50003, "", false},
		{"50302", dead, "GET", "/topics", ``, "", 503, 50302, "", false},
	} {
		t.Run(tc.row, func(t *testing.T) {
			header := []string{"Content-Type", tc.kind}
			if accept, ok := strings.CutPrefix(tc.kind, "Accept: "); ok {
				header = []string{"Accept", accept}
			}
			start := time.Now()
			status, body, h := tc.on.call(tc.method, tc.path, tc.body, header...)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			code, message := firstError(body)
			if status != tc.status || code != tc.code || !strings.Contains(message, tc.text) || strings.Contains(body, "org.apache") {
				t.Errorf("got %d/%d %s, want %d/%d %q", status, code, body, tc.status, tc.code, tc.text)
			}
			if goesOn := strings.HasSuffix(body, "}\r\n") && strings.Contains(body, `{"error_code":200,`); goesOn != tc.after {
				t.Errorf("the stream went on: %v; %s", goesOn, body)
			}
			if v3 := strings.HasPrefix(tc.path, "/v3"); status >= 400 && v3 != (h.Get("Content-Type") == plain) {
				t.Errorf("Content-Type %s", h.Get("Content-Type"))
			}
		})
	}
	t.Run("406", func(t *testing.T) {
		for _, path := range []string{"/v3/clusters", "/topics"} {
			if status, body, _ := p.call("GET", path, "", "Accept", "text/csv"); status != 406 || !strings.Contains(body, "the Accept header must allow application/") {
				t.Errorf("%d %q", status, body)
			}
		}
	})
}

// firstError returns the first error_code that is not a success or null, and
// the message behind it.
func firstError(body string) (code int, message string) {
	for rest := body; ; {
		at := strings.Index(rest, `"error_code":`)
		if at < 0 {
			return 0, ""
		}
		rest = rest[at+len(`"error_code":`):]
		if n, _ := fmt.Sscanf(rest, "%d", &code); n == 1 && code != 200 {
			_, message, _ = strings.Cut(rest, `:"`)
			return code, message
		}
	}
}

// TestStreamErrors are the two rows of section 5.3 that need a stream.
func TestStreamErrors(t *testing.T) {
	p := serve(t, broker(t).ListenAddrs(), func(c *Config) {
		c.MaxRecordBytes, c.StreamMax, c.StreamGrace = 1000, connector.Duration(300*time.Millisecond), connector.Duration(time.Millisecond)
	})
	t.Run("5.3 over the size limit", func(t *testing.T) {
		body := `{}{"value":{"type":"STRING","data":"` + strings.Repeat("x", 300_000) + `"}}{}`
		status, text, _ := p.call("POST", v3Records, body, "Content-Type", plain)
		code, message := firstError(text)
		if status != 200 || code != 400 || !strings.Contains(message, "Produce request size is larger than allowed threshold") || strings.Count(text, `"error_code":200`) != 1 {
			t.Errorf("%d %s", status, text)
		}
	})
	t.Run("5.3 408", func(t *testing.T) {
		stream := p.stream(v3Records)
		defer stream.close()
		stream.send(`{}`)
		if line := stream.line(); !strings.Contains(line, `"error_code":200`) {
			t.Error(line)
		}
		if line := stream.line(); line != `{"error_code":408,"message":"Streaming connection open for longer than allowed: Connection will be closed."}` {
			t.Error(line)
		}
		if line := stream.line(); line != "" {
			t.Error("it goes on: " + line)
		}
	})
}
