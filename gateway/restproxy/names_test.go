package restproxy

import (
	"strings"
	"testing"
)

// A name that cannot be is answered at once, briefly, and in the door's shape.
func TestNamesThatCannotBe(t *testing.T) {
	k := broker(t)
	p := serve(t, k.ListenAddrs(), nil)
	_, clusters, _ := p.call("GET", "/v3/clusters", "")
	id := between(clusters, `"cluster_id":"`, `"`)
	k.Close() // nobody is asked
	long, longer := strings.Repeat("a", 250), strings.Repeat("a", 40_000)
	for _, name := range []string{long, longer} {
		for _, tc := range []struct{ method, path, body, media, want string }{
			{"GET", "/topics/" + name, "", "", "40403"},
			{"GET", "/topics/" + name + "/partitions/0", "", "", "40403"},
			{"POST", "/topics/" + name, `{"records":[{"value":1}]}`, "application/vnd.kafka.json.v2+json", "40403"},
			{"GET", "/v3/clusters/" + id + "/topics/" + name, "", "", "40403"},
			{"GET", "/v3/clusters/" + id + "/topics/" + name + "/configs", "", "", "40403"},
			{"POST", "/v3/clusters/" + id + "/topics/" + name + "/records", `{}`, "application/json", "40403"},
			{"DELETE", "/v3/clusters/" + id + "/topics/" + name, "", "", "40403"},
		} {
			status, text, _ := p.call(tc.method, tc.path, tc.body, "Content-Type", tc.media)
			if status != 404 || !strings.Contains(text, `"error_code":`+tc.want) || len(text) > 200 {
				t.Errorf("%s %.60s…: %d %.200s", tc.method, tc.path, status, text)
			}
		}
	}
	if status, text, _ := p.call("POST", "/consumers/"+longer, `{}`, "Content-Type", "application/vnd.kafka.v2+json"); status != 404 || len(text) > 200 {
		t.Errorf("a group: %d %.200s", status, text)
	}
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}
