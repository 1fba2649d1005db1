package produce

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	jsonV2   = "application/vnd.kafka.json.v2+json"
	binaryV2 = "application/vnd.kafka.binary.v2+json"
)

func okV2(offset int) string {
	return fmt.Sprintf(`{"offsets":[{"partition":0,"offset":%d,"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`, offset)
}

func TestProduceV2Bytes(t *testing.T) {
	type kv struct{ Key, Value []byte }
	for _, tc := range []struct {
		name, format, record string
		want                 kv
	}{
		{"json", jsonV2, `{"key":"k","value":{"a":1}}`, kv{[]byte(`"k"`), []byte(`{"a":1}`)}},
		{"json is compacted", jsonV2, "{\"value\": {\"a b\" : [1, \"x \\\" y\" ,\n2 ] } }", kv{nil, []byte(`{"a b":[1,"x \" y",2]}`)}},
		{"numbers keep their digits", jsonV2, `{"value":12345678901234567890.10}`, kv{nil, []byte(`12345678901234567890.10`)}},
		{"duplicate names", jsonV2, `{"value":{"a":1,"a":2}}`, kv{nil, []byte(`{"a":1,"a":2}`)}},
		{"null is a tombstone", jsonV2, `{"key":null,"value":null}`, kv{nil, nil}},
		{"nothing", jsonV2, `{}`, kv{nil, nil}},
		{"schema fields mean nothing here", jsonV2, `{"value":1}],"key_schema":"x","value_schema_id":"3","records":[{"value":2}`, kv{nil, []byte(`2`)}},
		{"binary", binaryV2, `{"key":"a2V5","value":"dmFsdWU="}`, kv{[]byte("key"), []byte("value")}},
		{"binary without padding", binaryV2, `{"value":"dmFsdWU"}`, kv{nil, []byte("value")}},
		{"binary, escaped slash", binaryV2, `{"value":"\/\/8="}`, kv{nil, []byte{0xff, 0xff}}},
		{"binary, empty is not null", binaryV2, `{"value":""}`, kv{nil, []byte{}}},
		{"partition null", jsonV2, `{"value":1,"partition":null}`, kv{nil, []byte("1")}},
		{"partition in a string", jsonV2, `{"value":1,"partition":"0"}`, kv{nil, []byte("1")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cluster, client := broker(t)
			url := serve(t, Config{Route: OneCluster(kafkaPublisher{client})})
			status, body, header := post(t, url+"/topics/t", tc.format, `{"records":[`+tc.record+`]}`)
			if status != 200 || body != okV2(0) || header.Get("Content-Type") != "application/vnd.kafka.v2+json" {
				t.Fatalf("got %d %s %v", status, body, header)
			}
			r := consume(t, cluster, 1)[0]
			if d := cmp.Diff(tc.want, kv{r.Key, r.Value}); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestProduceV2Refused(t *testing.T) {
	_, client := broker(t)
	url := serve(t, Config{Route: OneCluster(kafkaPublisher{client}), MaxRecords: 3})
	one := `{"records":[{"value":1}]}`
	for _, tc := range []struct {
		name, path, contentType, body string
		status, code                  int
		text                          string
	}{
		{"no content type", "/topics/t", "", one, 415, 415, ""},
		{"plain json", "/topics/t", "application/json", one, 415, 415, ""},
		{"v2 without format", "/topics/t", "application/vnd.kafka.v2+json", one, 415, 415, "HTTP 415 Unsupported Media Type"},
		{"unknown format", "/topics/t", "application/vnd.kafka.xml.v2+json", one, 415, 415, ""},
		{"unreadable type", "/topics/t", "application/;;", one, 415, 415, ""},
		{"charset", "/topics/t", jsonV2 + "; charset=utf-16", one, 400, 400, "charset"},
		{"empty", "/topics/t", jsonV2, "", 422, 422, "must not be null"},
		{"blank", "/topics/t", jsonV2, " \n", 422, 422, "must not be null"},
		{"null", "/topics/t", jsonV2, "null", 422, 422, "must not be null"},
		{"array", "/topics/t", jsonV2, "[]", 400, 400, ""},
		{"no records", "/topics/t", jsonV2, "{}", 422, 422, "must not be null"},
		{"records null", "/topics/t", jsonV2, `{"records":null}`, 422, 422, "must not be null"},
		{"records empty", "/topics/t", jsonV2, `{"records":[]}`, 422, 422, "may not be empty"},
		{"records of another type", "/topics/t", jsonV2, `{"records":{}}`, 400, 400, ""},
		{"record of another type", "/topics/t", jsonV2, `{"records":[1]}`, 400, 400, ""},
		{"unknown field", "/topics/t", jsonV2, `{"recrods":[]}`, 422, 422, "Unrecognized field: recrods"},
		{"unknown field in a record", "/topics/t", jsonV2, `{"records":[{"headers":[]}]}`, 422, 422, "Unrecognized field: headers"},
		{"escaped unknown field", "/topics/t", jsonV2, `{"a\"b":1}`, 422, 422, `Unrecognized field: a\"b`},
		{"broken", "/topics/t", jsonV2, `{"records":[{"value":}]}`, 400, 400, "not JSON"},
		{"ends early", "/topics/t", jsonV2, `{"records":[{"value":1}`, 400, 400, "ends early"},
		{"two values", "/topics/t", jsonV2, one + one, 400, 400, ""},
		{"not utf-8", "/topics/t", jsonV2, "{\"records\":[{\"value\":\"\xff\"}]}", 400, 400, ""},
		{"deep", "/topics/t", jsonV2, `{"records":[{"value":` + strings.Repeat("[", 20000), 400, 400, ""},
		{"bad base64", "/topics/t", binaryV2, `{"records":[{"value":"fooba"},{"value":"%"}]}`, 400, 400, "base64"},
		{"line break in base64", "/topics/t", binaryV2, `{"records":[{"value":"dmFs\ndWU="}]}`, 400, 400, "base64"},
		{"three pads", "/topics/t", binaryV2, `{"records":[{"value":"Zm9vYg==="}]}`, 400, 400, "base64"},
		{"number for base64", "/topics/t", binaryV2, `{"records":[{"value":1}]}`, 400, 400, "base64"},
		{"partition of another type", "/topics/t", jsonV2, `{"records":[{"partition":{}}]}`, 400, 400, "partition"},
		{"partition out of range", "/topics/t", jsonV2, `{"records":[{"partition":3000000000}]}`, 400, 400, "partition"},
		{"negative partition", "/topics/t", jsonV2, `{"records":[{"partition":-1}]}`, 422, 422, "partition"},
		{"negative partition in the path", "/topics/t/partitions/-1", jsonV2, one, 404, 40402, "Partition not found."},
		{"partition in the path is no number", "/topics/t/partitions/x", jsonV2, one, 404, 404, "HTTP 404 Not Found"},
		{"too many records", "/topics/t", jsonV2, `{"records":[{},{},{},{}]}`, 413, 413, ""},
		{"body over the limit", "/topics/t", jsonV2, `{"records":[{"value":"` + strings.Repeat("x", 11<<20) + `"}]}`, 413, 413, ""},
		{"no registry", "/topics/t", "application/vnd.kafka.avro.v2+json", `{"value_schema_id":1,"records":[{"value":1}]}`, 422, 42206, "Schema Registry must be configured"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, body, header := post(t, url+tc.path, tc.contentType, tc.body)
			want := fmt.Sprintf(`{"error_code":%d,"message":"`, tc.code)
			if status != tc.status || !strings.HasPrefix(body, want) || !strings.Contains(body, tc.text) {
				t.Errorf("got %d %s", status, body)
			}
			if ct := header.Get("Content-Type"); ct != "application/vnd.kafka.v2+json" {
				t.Errorf("content type %q", ct)
			}
		})
	}
	status, body, _ := post(t, url+"/topics/t", jsonV2, one)
	if status != 200 || body != okV2(0) {
		t.Errorf("a refused request wrote something: %d %s", status, body)
	}
}

func TestProduceV2Accept(t *testing.T) {
	_, client := broker(t)
	url := serve(t, Config{Route: OneCluster(kafkaPublisher{client}), DefaultFormat: "json"})
	for _, tc := range []struct {
		accept, contentType string
		status              int
		want                string
	}{
		{"text/plain", jsonV2, 406, "application/vnd.kafka.v2+json"},
		{"application/json", jsonV2, 200, "application/json"},
		{"*/*", jsonV2, 200, "application/vnd.kafka.v2+json"},
		{"application/vnd.kafka.v2+json, application/json;q=0.5", jsonV2, 200, "application/vnd.kafka.v2+json"},
		{"", "application/json", 200, "application/vnd.kafka.v2+json"}, // the default format
		{"", "application/vnd.kafka.JSON.v2+json; charset=UTF-8", 200, "application/vnd.kafka.v2+json"},
	} {
		req, _ := http.NewRequest("POST", url+"/topics/t", strings.NewReader(`{"records":[{"value":1}]}`))
		req.Header.Set("Accept", tc.accept)
		req.Header.Set("Content-Type", tc.contentType)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != tc.status || res.Header.Get("Content-Type") != tc.want {
			t.Errorf("%+v: got %d %q", tc, res.StatusCode, res.Header.Get("Content-Type"))
		}
	}
}

func TestProduceV2Partitions(t *testing.T) {
	_, client := broker(t)
	url := serve(t, Config{Route: OneCluster(kafkaPublisher{client})})
	_, body, _ := post(t, url+"/topics/t/partitions/1/", jsonV2, `{"records":[{"value":1},{"value":2,"partition":0},{"value":3}]}`)
	want := `{"offsets":[{"partition":1,"offset":0,"error_code":null,"error":null},{"partition":0,"offset":0,"error_code":null,"error":null},` +
		`{"partition":1,"offset":1,"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`
	if body != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
}

// failing makes the broker refuse every produce with err.
func failing(cluster *kfake.Cluster, err *kerr.Error) {
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		in := req.(*kmsg.ProduceRequest)
		out := in.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range in.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
			for _, p := range topic.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, err.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			out.Topics = append(out.Topics, rt)
		}
		return out, nil, true
	})
}

func TestProduceV2Failures(t *testing.T) {
	for _, tc := range []struct {
		name         string
		topic        string
		err          *kerr.Error
		status, code int
	}{
		{"unknown topic", "nosuch", nil, 200, 50003},
		{"denied", "t", kerr.TopicAuthorizationFailed, 403, 40301},
		{"too large", "t", kerr.MessageTooLarge, 200, 50002},
		{"not retriable", "t", kerr.InvalidRecord, 200, 50002},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cluster, client := broker(t)
			if tc.err != nil {
				failing(cluster, tc.err)
			}
			url := serve(t, Config{Route: OneCluster(kafkaPublisher{client})})
			status, body, _ := post(t, url+"/topics/"+tc.topic, jsonV2, `{"records":[{"value":1}]}`)
			want := fmt.Sprintf(`{"offsets":[{"partition":null,"offset":null,"error_code":%d,"error":"`, tc.code)
			if status != tc.status || !strings.HasPrefix(body, want) || !strings.HasSuffix(body, `"key_schema_id":null,"value_schema_id":null}`) {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
}
