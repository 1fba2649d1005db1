package restproxy

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestLinksOfConsumersAndReads follows the links of v2's consumers and of reads
// without one, with names that hold the characters of URLs.
func TestLinksOfConsumersAndReads(t *testing.T) {
	p := serve(t, broker(t).ListenAddrs(), nil)
	follow := func(method, link string) (int, string) {
		path, own := strings.CutPrefix(link, p.url)
		if !own {
			t.Errorf("%s is not a link to %s", link, p.url)
		}
		status, body, _ := p.call(method, path, "")
		return status, body
	}
	for _, tc := range []struct{ group, name string }{{"a%2Fb", "x/y"}, {"%2E%2E", ".."}, {"a%20b%3Fc%23d%252Fe", "ü?&#%2F"}, {"plain", "plain"}} {
		for _, prefix := range []string{"", Prefix} {
			name, err := json.Marshal(tc.name)
			if err != nil {
				t.Fatal(err)
			}
			status, body, _ := p.call("POST", prefix+"/consumers/"+tc.group, `{"name":`+string(name)+`}`, "Content-Type", typeV2)
			var made struct {
				URI string `json:"base_uri"`
			}
			if err := json.Unmarshal([]byte(body), &made); err != nil || status != 200 {
				t.Fatal(status, body, err)
			}
			if status, body := follow("GET", made.URI+"/subscription"); status != 200 {
				t.Errorf("%s/subscription: %d %s", made.URI, status, body)
			}
			if status, body := follow("DELETE", made.URI); status != 204 {
				t.Errorf("%s: %d %s", made.URI, status, body)
			}
		}
	}
	for _, prefix := range []string{"", Prefix} {
		status, body, _ := p.call("GET", prefix+"/v3/clusters/C%2Fd/topics/t/partitions/0/records?timeout=1", "")
		for range 2 {
			var read struct{ Metadata struct{ Self, Next string } }
			if err := json.Unmarshal([]byte(body), &read); err != nil || status != 200 {
				t.Fatal(prefix, status, body, err)
			}
			if status, _ := follow("GET", read.Metadata.Self); status != 200 {
				t.Errorf("self %s: %d", read.Metadata.Self, status)
			}
			status, body = follow("GET", read.Metadata.Next)
		}
	}
}
