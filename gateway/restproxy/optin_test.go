package restproxy

import (
	"strings"
	"testing"
)

// TestOptIns are the extensions: off by default, and what they do when they are
// asked for, by the setting or by one request.
func TestOptIns(t *testing.T) {
	bootstrap := broker(t).ListenAddrs()
	off := serve(t, bootstrap, nil)
	on := serve(t, bootstrap, func(c *Config) {
		c.DefaultFormat, c.Metadata, c.FailedStatus, c.TrustedProxies = "json", true, true, []string{"127.0.0.1"}
	})
	const failing = `{"records":[{"value":1,"partition":0},{"value":2,"partition":99}]}`
	const described = `{"records":[{"value":1,"partition":1,"timestamp":1000,"headers":[{"name":"h","value":"YQ=="}]}]}`
	for _, tc := range []struct {
		name       string
		on         *proxy
		path, kind string
		body       string
		status     int
		want       string
	}{
		{"plain JSON refused", off, "/topics/t", plain, `{"records":[{"value":1}]}`, 415, ""},
		{"text refused", off, "/topics/t", "text/plain", `x`, 415, ""},
		{"plain JSON", on, "/topics/t/partitions/1", plain, `{"records":[{"value":1}]}`, 200, `"offset":0`},
		{"text", on, "/topics/t/partitions/1?key=k", "text/plain; charset=utf-8", "a \"line\"\n", 200, `"offset":1`},
		{"bytes", on, "/topics/t/partitions/1", "application/octet-stream", "\x00\xff", 200, `"offset":2`},
		{"metadata refused", off, "/topics/t", jsonV2, described, 422, "Unrecognized field: timestamp"},
		{"metadata of one request", off, "/topics/t?metadata=true", jsonV2, described, 200, `"offset":3`},
		{"metadata", on, "/topics/t", jsonV2, described, 200, `"offset":4`},
		{"not metadata in one request", on, "/topics/t?metadata=false", jsonV2, described, 422, ""},
		{"a header that is not base64", on, "/topics/t", jsonV2, `{"records":[{"headers":[{"name":"h","value":"!"}]}]}`, 400, "records[0]"},
		{"failures are 200", off, "/topics/t", jsonV2, failing, 200, `"error_code":50003`},
		{"failures are 207 in one request", off, "/topics/t?failed_status=207", jsonV2, failing, 207, `"error_code":50003`},
		{"failures are 207", on, "/topics/t", jsonV2, failing, 207, `"error_code":50003`},
		{"failures are 200 in one request", on, "/topics/t?failed_status=200", jsonV2, failing, 200, ""},
		{"no such switch", on, "/topics/t?failed_status=500", jsonV2, failing, 400, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, body, _ := tc.on.call("POST", tc.path, tc.body, "Content-Type", tc.kind)
			if status != tc.status || !strings.Contains(body, tc.want) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	_, body, _ := off.call("GET", "/v3/clusters/C/topics/t/partitions/1/records?offset=1&format=binary&timeout=5000", "")
	for _, want := range []string{
		`"key":{"type":"BINARY","data":"aw=="},"value":{"type":"BINARY","data":"YSAibGluZSIK"}`, `"data":"AP8="`,
		`"timestamp":"1970-01-01T00:00:01.000Z","headers":[{"name":"h","value":"YQ=="}]`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
	for p, want := range map[*proxy]string{off: off.url + "/v3/clusters/C", on: "https://api.example.com/base/v3/clusters/C"} {
		_, body, _ := p.call("GET", "/v3/clusters/C", "", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "api.example.com", "X-Forwarded-Prefix", "/base")
		if !strings.Contains(body, `"self":"`+want+`"`) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
	_, body, _ = on.call("GET", "/v3/clusters/C", "", "Forwarded", `for=1.2.3.4;proto=https;host="api.example.com:444"`)
	if !strings.Contains(body, `"self":"https://api.example.com:444/v3/clusters/C"`) {
		t.Error(body)
	}
}
