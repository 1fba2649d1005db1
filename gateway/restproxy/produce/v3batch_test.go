package produce

import (
	"fmt"
	"strings"
	"testing"
)

func TestProduceV3Batch(t *testing.T) {
	_, client := broker(t)
	url := serve(t, Config{Route: OneCluster(kafkaPublisher{client})}) + "/v3/clusters/C/topics/t/records:batch"
	status, body, header := post(t, url, "application/json", `{"entries":[
		{"id":"1","value":{"type":"STRING","data":"x"},"key":{"type":"JSON","data":[1, 2]}},
		{"id":"2-b_X","value":{"type":"BINARY","data":5}},
		{"id":"3","partition_id":-1},
		{"id":"4","partition_id":17},
		{"id":"5"}]}`)
	success := func(id string, offset int, parts string) string {
		return fmt.Sprintf(`{"id":"%s","cluster_id":"C","topic_name":"t","partition_id":0,"offset":%d,"timestamp":T%s}`, id, offset, parts)
	}
	head := `{"successes":[` + success("1", 0, `,"key":{"type":"JSON","size":5},"value":{"type":"STRING","size":1}`) + `,` + success("5", 1, "") +
		`],"failures":[{"id":"2-b_X","error_code":400,"message":"Bad Request: data=5 is not a base64 string."},` +
		`{"id":"3","error_code":40402,"message":"Partition not found."},{"id":"4","error_code":40401,"message":"`
	if status != 207 || !strings.HasPrefix(untimed(body), head) || !strings.HasSuffix(body, `"}]}`) || header.Get("Content-Type") != "application/json" {
		t.Errorf("got  %d %s\nwant %s", status, untimed(body), head)
	}
	status, body, _ = post(t, url, "application/json", `{"entries":[{"id":"1"}]}`)
	if want := `{"successes":[` + success("1", 2, "") + `],"failures":[]}`; status != 207 || untimed(body) != want {
		t.Errorf("got %d %s", status, body)
	}
}

func TestProduceV3BatchRefused(t *testing.T) {
	_, client := broker(t)
	url := serve(t, Config{Route: OneCluster(kafkaPublisher{client})}) + "/v3/clusters/C/topics/t/records:batch"
	entries := func(s string) string { return `{"entries":[` + s + `]}` }
	var eleven []string
	for i := range 11 {
		eleven = append(eleven, fmt.Sprintf(`{"id":"%d"}`, i))
	}
	for _, tc := range []struct {
		name, body   string
		status, code int
		message      string
	}{
		{"no body", "", 422, 42208, "Request body is empty. Data is required."},
		{"null", "null", 422, 42208, "Request body is empty. Data is required."},
		{"empty", entries(""), 422, 42208, "Empty batch."},
		{"no entries", "{}", 422, 42208, "Empty batch."},
		{"entries null", `{"entries":null}`, 422, 42208, "Empty batch."},
		{"too many", entries(strings.Join(eleven, ",")), 422, 42208, "Too many entries in batch."},
		{"same id", entries(`{"id":"a"},{"id":"a"}`), 422, 42208, "Batch entry IDs are not distinct."},
		{"no id", entries(`{}`), 422, 42208, "Batch entry identifier is not a valid string."},
		{"empty id", entries(`{"id":""}`), 422, 42208, "Batch entry identifier is not a valid string."},
		{"id with a space", entries(`{"id":"a b"}`), 422, 42208, "Batch entry identifier is not a valid string."},
		{"number as id", entries(`{"id":1}`), 422, 42208, "Batch entry identifier is not a valid string."},
		{"id of 81", entries(`{"id":"` + strings.Repeat("a", 81) + `"}`), 422, 42208, "Batch entry identifier is not a valid string."},
		{"unknown field", `{"records":[]}`, 422, 422, "Unrecognized field: records"},
		{"unknown field in an entry", entries(`{"id":"1","vlaue":{}}`), 422, 422, "Unrecognized field: vlaue"},
		{"combination", entries(`{"id":"1"},{"id":"2","value":{"type":"JSON","schema_id":1}}`), 400, 400, ""},
		{"array", `[]`, 400, 400, ""},
		{"entries of another type", `{"entries":{}}`, 400, 400, ""},
		{"entry of another type", entries(`1`), 400, 400, ""},
		{"broken", entries(`{"id":"1"`), 400, 400, ""},
		{"two values", entries(`{"id":"1"}`) + "{}", 400, 400, ""},
		{"body over the limit", `{"entries":[{"id":"` + strings.Repeat("x", 11<<20), 413, 413, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, body, _ := post(t, url, "application/json", tc.body)
			if status != tc.status || !strings.HasPrefix(body, fmt.Sprintf(`{"error_code":%d,"message":"%s`, tc.code, tc.message)) {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
	_, body, _ := post(t, url, "application/json", entries(`{"id":"ok"}`))
	if !strings.Contains(body, `"offset":0`) {
		t.Errorf("a refused batch wrote something: %s", body)
	}
}
