package produce

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

const recordsPath = "/v3/clusters/C/topics/t/records"

var timestamp = regexp.MustCompile(`"timestamp":"[^"]*"`)

// okV3 is the element of a success without its timestamp.
func okV3(offset int, parts string) string {
	return fmt.Sprintf(`{"error_code":200,"cluster_id":"C","topic_name":"t","partition_id":0,"offset":%d,"timestamp":T%s}`, offset, parts)
}

func untimed(body string) string { return timestamp.ReplaceAllString(body, `"timestamp":T`) }

func TestProduceV3Bytes(t *testing.T) {
	type record struct {
		Key, Value []byte
		Headers    []kgo.RecordHeader
	}
	for _, tc := range []struct {
		name, body, parts string
		want              record
	}{
		{"json", `{"value":{"type":"JSON","data":{"a": 1}}}`, `,"value":{"type":"JSON","size":7}`, record{Value: []byte(`{"a":1}`)}},
		{"type behind data", `{"value":{"data":"YQ==","type":"BINARY"}}`, `,"value":{"type":"BINARY","size":1}`, record{Value: []byte("a")}},
		{"json string keeps its quotes", `{"value":{"type":"JSON","data":"x"}}`, `,"value":{"type":"JSON","size":3}`, record{Value: []byte(`"x"`)}},
		{"string", `{"key":{"type":"STRING","data":"k\u00e9"},"value":{"type":"STRING","data":""}}`, `,"key":{"type":"STRING","size":3},"value":{"type":"STRING","size":0}`, record{Key: []byte("ké"), Value: []byte{}}},
		{"tombstone", `{"key":{"type":"BINARY","data":"aw"},"value":{"type":"BINARY","data":null}}`, `,"key":{"type":"BINARY","size":1},"value":{"type":"BINARY","size":-1}`, record{Key: []byte("k")}},
		{"json null", `{"value":{"type":"JSON","data":null}}`, `,"value":{"type":"JSON","size":-1}`, record{}},
		{"data left out", `{"value":{"type":"STRING"}}`, `,"value":{"type":"STRING","size":-1}`, record{}},
		{"nothing", `{}`, ``, record{}},
		{"null parts", `{"key":null,"value":null,"headers":null,"timestamp":null,"partition_id":null}`, ``, record{}},
		{"headers", `{"headers":[{"name":"a","value":"YQ=="},{"value":null,"name":"b"},{"name":"a"}]}`, ``,
			record{Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("a")}, {Key: "b"}, {Key: "a"}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cluster, client := broker(t)
			url := serve(t, Config{Route: OneCluster(kafkaPublisher{client})})
			status, body, header := post(t, url+recordsPath, "application/json", tc.body)
			if want := okV3(0, tc.parts) + "\r\n"; status != 200 || untimed(body) != want {
				t.Fatalf("got  %d %s\nwant %s", status, body, want)
			}
			if ct := header.Get("Content-Type"); ct != "application/json" {
				t.Errorf("content type %q", ct)
			}
			r := consume(t, cluster, 1)[0]
			if d := cmp.Diff(tc.want, record{r.Key, r.Value, r.Headers}); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestProduceV3Timestamp(t *testing.T) {
	_, client := broker(t)
	url := serve(t, Config{Route: OneCluster(kafkaPublisher{client})})
	for in, want := range map[string]string{
		`"2022-04-22T14:48:47.65Z"`:      "2022-04-22T14:48:47.650Z",
		`"2022-04-22T16:48:47+02:00"`:    "2022-04-22T14:48:47Z",
		`"2022-04-22T14:48Z"`:            "2022-04-22T14:48:00Z",
		`"2022-04-22T14:48:47.6501234Z"`: "2022-04-22T14:48:47.650Z",
		`1650638927000`:                  "2022-04-22T14:48:47Z",
	} {
		_, body, _ := post(t, url+recordsPath, "application/json", `{"timestamp":`+in+`}`)
		if !strings.Contains(body, `"timestamp":"`+want+`"`) {
			t.Errorf("%s: got %s", in, body)
		}
	}
}

// TestProduceV3Elements has the rows of the stream's error table: the bad
// record stands between two good ones, and either all go on or the stream ends.
func TestProduceV3Elements(t *testing.T) {
	value := func(s string) string { return `{"value":` + s + `}` }
	for _, tc := range []struct {
		name, record string
		code         int
		text         string
		ends         bool
	}{
		{"broken json", `{"value":}`, 400, "Bad Request: Error processing message: ", true},
		{"array", `[{}]`, 400, "Bad Request: Error processing message: ", true},
		{"scalar", `1`, 400, "Bad Request: Error processing message: ", true},
		{"not utf-8", "{\"\xff\":1}", 400, "Bad Request: Error processing message: ", false},
		{"unknown field", `{"valeu":{}}`, 400, `Unrecognized field \"valeu\"`, false},
		{"id is for batches", `{"id":"1"}`, 400, `Unrecognized field \"id\"`, false},
		{"unknown field in data", value(`{"type":"JSON","dat":1}`), 400, `Unrecognized field \"dat\"`, false},
		{"unknown field in a header", `{"headers":[{"name":"a","valeu":[{}]}]}`, 400, `Unrecognized field \"valeu\"`, false},
		{"not base64", value(`{"type":"BINARY","data":"%%%"}`), 400, `Bad Request: data=\"%%%\" is not a valid base64 string.`, false},
		{"binary of another type", value(`{"type":"BINARY","data":12345}`), 400, "Bad Request: data=12345 is not a base64 string.", false},
		{"string of another type", value(`{"type":"STRING","data":12345}`), 400, "Bad Request: data=12345 is not a string.", false},
		{"unknown type", value(`{"type":"XML","data":1}`), 400, "type", false},
		{"lower case type", value(`{"type":"json","data":1}`), 400, "type", false},
		{"value is no object", value(`5`), 400, "", false},
		{"type is no string", value(`{"type":5}`), 400, "", false},
		{"schema field with a schema-less type", value(`{"type":"JSON","schema_id":1,"data":1}`), 400, "", false},
		{"two schemas", value(`{"schema_id":1,"schema_version":1,"data":1}`), 400, "", false},
		{"schema type without schema", value(`{"type":"AVRO","schema_id":1,"data":1}`), 400, "", false},
		{"schema without type", value(`{"schema":"\"int\"","data":1}`), 400, "", false},
		{"subject and strategy", value(`{"subject":"s","subject_name_strategy":"TOPIC_NAME","data":1}`), 400, "", false},
		{"record name without schema", value(`{"subject_name_strategy":"RECORD_NAME","data":1}`), 400, "", false},
		{"unknown strategy", value(`{"subject_name_strategy":"X","data":1}`), 400, "", false},
		{"schema id of another type", value(`{"schema_id":"x","data":1}`), 400, "", false},
		{"subject of another type", value(`{"subject":1,"data":1}`), 400, "", false},
		{"no registry", value(`{"data":1}`), 422, "Error: 42206 : Payload error. Schema Registry must be configured when using schemas.", false},
		{"negative partition", `{"partition_id":-1}`, 40402, "Partition not found.", false},
		{"partition of another type", `{"partition_id":"x"}`, 400, "", false},
		{"unknown partition", `{"partition_id":17}`, 40401, "", false},
		{"bad timestamp", `{"timestamp":"yesterday"}`, 400, "", false},
		{"timestamp of another type", `{"timestamp":{}}`, 400, "", false},
		{"fractional timestamp", `{"timestamp":1.5}`, 400, "", false},
		{"headers of another type", `{"headers":{}}`, 400, "", false},
		{"header of another type", `{"headers":[1]}`, 400, "", false},
		{"header without name", `{"headers":[{"value":"YQ=="}]}`, 400, "", false},
		{"header name of another type", `{"headers":[{"name":1}]}`, 400, "", false},
		{"header value is not base64", `{"headers":[{"name":"a","value":"%"}]}`, 400, "base64", false},
		{"header value of another type", `{"headers":[{"name":"a","value":1}]}`, 400, "base64", false},
		{"too large", value(`{"type":"JSON","data":"` + strings.Repeat("x", 1100000) + `"}`), 413, "", false},
	} {
		for _, streamed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/streamed=%v", tc.name, streamed), func(t *testing.T) {
				_, client := broker(t)
				url := serve(t, Config{Route: OneCluster(kafkaPublisher{client})})
				var in io.Reader = strings.NewReader("{}" + tc.record + "{}")
				if streamed {
					in = io.MultiReader(in) // hides the length
				}
				res, err := http.Post(url+recordsPath, "application/json", in)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				b, err := io.ReadAll(res.Body)
				if err != nil {
					t.Fatal(err)
				}
				lines := strings.Split(strings.TrimSuffix(untimed(string(b)), "\r\n"), "\r\n")
				want := 3
				if tc.ends {
					want = 2
				}
				if res.StatusCode != 200 || len(lines) != want || lines[0] != okV3(0, "") {
					t.Fatalf("got %d %s", res.StatusCode, b)
				}
				if !strings.HasPrefix(lines[1], fmt.Sprintf(`{"error_code":%d,"message":"`, tc.code)) || !strings.Contains(lines[1], tc.text) {
					t.Errorf("element %s", lines[1])
				}
				if !tc.ends && lines[2] != okV3(1, "") {
					t.Errorf("the record behind it: %s", lines[2])
				}
			})
		}
	}
}

func TestProduceV3DestinationErrors(t *testing.T) {
	for _, tc := range []struct {
		kind connector.Kind
		code int
	}{
		{connector.Invalid, 400}, {connector.TooLarge, 413}, {connector.Unauthenticated, 40101}, {connector.Denied, 40301},
		{connector.NotFound, 40401}, {connector.Throttled, 42901}, {connector.Unavailable, 50003}, {connector.Unknown, 50002},
	} {
		f := failureOf(connector.Errorf(tc.kind, "line one\nline two"))
		if f.code != tc.code {
			t.Errorf("%v: %d", tc.kind, f.code)
		}
		if got := string(appendFailure(nil, f)); got != fmt.Sprintf(`"error_code":%d,"message":"line one"`, tc.code) {
			t.Errorf("%s", got)
		}
	}
	cluster, client := broker(t)
	failing(cluster, kerr.TopicAuthorizationFailed)
	url := serve(t, Config{Route: OneCluster(kafkaPublisher{client})})
	status, body, _ := post(t, url+recordsPath, "", "{}")
	if status != 200 || !strings.HasPrefix(body, `{"error_code":40301,`) {
		t.Errorf("got %d %s", status, body)
	}
	start := time.Now()
	_, body, _ = post(t, url+"/v3/clusters/C/topics/nosuch/records", "", "{}")
	if !strings.HasPrefix(body, `{"error_code":40401,`) || time.Since(start) > 5*time.Second {
		t.Errorf("unknown topic after %v: %s", time.Since(start), body)
	}
}

func TestProduceV3Request(t *testing.T) {
	_, client := broker(t)
	route := func(_ context.Context, id string) (connector.Publisher, error) {
		if id != "C" {
			return nil, wire.UnknownCluster(id)
		}
		return kafkaPublisher{client}, nil
	}
	url := serve(t, Config{Route: route})
	for _, tc := range []struct {
		name, path, contentType, body string
		status                        int
		want                          string
	}{
		{"empty", recordsPath, "application/json", "", 200, ""},
		{"blank", recordsPath, "application/json", " \r\n", 200, ""},
		{"wrong type", recordsPath, "text/plain", "{}", 415, `{"error_code":415,"message":"HTTP 415 Unsupported Media Type: the Content-Type must be application/json"}`},
		{"unknown charset", recordsPath, "application/json; charset=utf-32", "{}", 400, `{"error_code":400,"message":"Bad Request: charset utf-32 is not supported; send UTF-8 or ISO-8859-1"}`},
		{"utf-8", recordsPath, "application/json; charset=UTF-8", "{}", 200, okV3(0, "") + "\r\n"},
		{"latin 1", recordsPath, "application/json; charset=ISO-8859-1", "{\"value\":{\"type\":\"STRING\",\"data\":\"\xe9\"}}", 200, okV3(1, `,"value":{"type":"STRING","size":2}`) + "\r\n"},
		{"several clusters", "/v3/clusters/X/topics/t/records", "", "{}", 404, `{"error_code":404,"message":"Cluster X cannot be found."}`},
		{"slash at the end", recordsPath + "/", "", "{}", 200, okV3(2, "") + "\r\n"},
		{"many in one body", recordsPath, "", "{}{}\n\n {}", 200, okV3(3, "") + "\r\n" + okV3(4, "") + "\r\n" + okV3(5, "") + "\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, body, _ := post(t, url+tc.path, tc.contentType, tc.body)
			if status != tc.status || untimed(body) != tc.want {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
	req, _ := http.NewRequest("POST", url+recordsPath, strings.NewReader("{}"))
	req.Header.Set("Accept", "text/plain")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != 406 || !strings.Contains(string(b), "must allow application/json") {
		t.Errorf("got %d %s", res.StatusCode, b)
	}
}

func TestProduceV3ManyRecordsInOneBody(t *testing.T) {
	_, client := broker(t)
	url := serve(t, Config{Route: OneCluster(kafkaPublisher{client})})
	const n = 3*groupRecords + 7
	_, body, _ := post(t, url+recordsPath, "application/json", strings.Repeat(`{"value":{"type":"JSON","data":1}}`, n))
	lines := strings.Split(untimed(body), "\r\n")
	if len(lines) != n+1 {
		t.Fatalf("%d answers", len(lines)-1)
	}
	for i, line := range lines[:n] {
		if line != okV3(i, `,"value":{"type":"JSON","size":1}`) {
			t.Fatalf("answer %d: %s", i, line)
		}
	}
}
