package restproxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/gateway/restproxy/consume"
)

// two serves the same cluster twice, as behind a load balancer.
func two(t *testing.T) (a, b *proxy) {
	bootstrap := broker(t).ListenAddrs()
	var list [2]*proxy
	for i := range list {
		list[i] = serve(t, bootstrap, func(c *Config) {
			c.SelfURL = func() string { return list[i].url }
			c.Members = &consume.Members{Secret: []byte("a secret of all servers"), Loopback: true}
		})
	}
	return list[0], list[1]
}

// assigned waits for both partitions of t.
func (p *proxy) assigned(instance string) {
	p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		_, body, _ := p.call("GET", instance+"/assignments", "")
		if strings.Count(body, "topic") == 2 {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatal("no assignment: " + body)
		}
	}
}

// TestForwarding makes every call of a consumer at the server that does not
// have it.
func TestForwarding(t *testing.T) {
	a, b := two(t)
	status, body, _ := a.call("POST", "/consumers/g", `{"id":"i/ü","format":"json","auto.offset.reset":"earliest"}`, "Content-Type", typeV2)
	if status != 200 {
		t.Fatal(status, body)
	}
	for i := range 3 {
		if status, body, _ := b.call("POST", "/topics/t", fmt.Sprintf(`{"records":[{"value":%d,"partition":0}]}`, i), "Content-Type", jsonV2); status != 200 {
			t.Fatal(status, body)
		}
	}
	const in = "/consumers/g/instances/i%2F%C3%BC"
	if status, body, _ := b.call("POST", in+"/subscription", `{"topics":["t"]}`, "Content-Type", typeV2); status != 204 {
		t.Fatal(status, body)
	}
	b.assigned(in)
	for _, tc := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/subscription", "", 200, `{"topics":["t"]}`},
		{"GET", "/records?timeout=5000&max_bytes=2", "", 200, `[{"topic":"t","key":null,"value":0,"partition":0,"offset":0}]`},
		{"POST", "/positions/beginning", `{"partitions":[{"topic":"t","partition":0}]}`, 204, ""},
		{"POST", "/positions", `{"offsets":[{"topic":"t","partition":0,"offset":2}]}`, 204, ""},
		{"GET", "/records?timeout=5000&max_bytes=1", "", 200, `[{"topic":"t","key":null,"value":2,"partition":0,"offset":2}]`},
		{"POST", "/offsets", ``, 200, `[]`},
		{"GET", "/offsets", `{"partitions":[{"topic":"t","partition":0}]}`, 200, `{"offsets":[{"topic":"t","partition":0,"offset":3,"metadata":""}]}`},
		{"POST", "/positions/end", `{"partitions":[{"topic":"t","partition":1}]}`, 204, ""},
		{"POST", "/assignments", `{"partitions":[{"topic":"t","partition":1}]}`, 409, `{"error_code":40903,"message":"Illegal state: Subscription to topics, partitions and pattern are mutually exclusive"}`},
		{"DELETE", "/subscription", "", 204, ""},
		{"POST", "/assignments", `{"partitions":[{"topic":"t","partition":1}]}`, 204, ""},
		{"GET", "/assignments", "", 200, `{"partitions":[{"topic":"t","partition":1}]}`},
		{"DELETE", "", "", 204, ""},
		{"DELETE", "", "", 404, `{"error_code":40403,"message":"Consumer instance not found."}`},
	} {
		accept := jsonV2 + ", " + typeV2 + ";q=0.5"
		status, body, _ := b.call(tc.method, in+tc.path, tc.body, "Content-Type", typeV2, "Accept", accept)
		if status != tc.status || body != tc.want {
			t.Errorf("%s %s: %d %s, want %d %s", tc.method, tc.path, status, body, tc.status, tc.want)
		}
	}
	if n := a.proxy.reads.Instances() + b.proxy.reads.Instances(); n != 0 {
		t.Errorf("%d consumers are left", n)
	}
}

func TestNameIsTakenElsewhere(t *testing.T) {
	a, b := two(t)
	for i, p := range []*proxy{a, b} {
		status, body, _ := p.call("POST", "/consumers/g", `{"id":"same"}`, "Content-Type", typeV2)
		if want := []int{200, 409}[i]; status != want {
			t.Errorf("%d %s", status, body)
		}
	}
}

// TestNoLoop: a request that was passed on once is answered where it is, even
// when both servers believe that the other one has the consumer.
func TestNoLoop(t *testing.T) {
	a, b := two(t)
	a.call("POST", "/consumers/g", `{"id":"i"}`, "Content-Type", typeV2)
	b.call("POST", "/consumers/g", `{"id":"j"}`, "Content-Type", typeV2)
	for _, path := range []string{"/consumers/g/instances/i/subscription", "/consumers/g/instances/j/subscription"} {
		for _, p := range []*proxy{a, b} { // each learns where the other's is
			if status, body, _ := p.call("GET", path, ""); status != 200 {
				t.Fatal(status, body)
			}
		}
	}
	// Gone at its owner without the other one knowing.
	if status, _, _ := a.call("DELETE", "/consumers/g/instances/i", ""); status != 204 {
		t.Fatal(status)
	}
	for range 2 {
		if status, body, _ := b.call("GET", "/consumers/g/instances/i/subscription", ""); status != 404 || !strings.Contains(body, "40403") {
			t.Error(status, body)
		}
	}
	if status, _, _ := b.call("GET", "/consumers/g/instances/i/subscription", "", consume.HopHeader, "1"); status != 403 {
		t.Error(status)
	}
}

// TestStrangersGetNothing: who is in the list without the secret, or says what
// a member says of itself elsewhere, sees no request.
func TestStrangersGetNothing(t *testing.T) {
	var asked atomic.Int64
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte("<html>"))
	}))
	defer stranger.Close()
	bootstrap := broker(t).ListenAddrs()
	p := serve(t, bootstrap, func(c *Config) {
		c.SelfURL = func() string { return "http://127.0.0.1:1" }
		c.Members = &consume.Members{Secret: []byte("a secret of all servers"), Loopback: true}
	})
	join(t, bootstrap, stranger.URL+"/internal", stranger.URL+" "+strings.Repeat("0", 64), "not a url")
	status, body, _ := p.call("GET", "/consumers/g/instances/nope/records", "", "Authorization", "Bearer token", "Cookie", "a=b")
	if status != 404 || !strings.Contains(body, "40403") || asked.Load() != 0 {
		t.Errorf("%d %s; the stranger was asked %d times", status, body, asked.Load())
	}
}

// join adds servers to the list of gateways.
func join(t *testing.T, bootstrap []string, urls ...string) {
	t.Helper()
	cluster, err := kafka.NewCluster("peer", kafka.Settings{BootstrapServer: bootstrap, SecurityProtocol: "PLAINTEXT"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := reader.New(cluster, nil)
	t.Cleanup(func() {
		_ = r.Close()
		_ = cluster.Close()
	})
	first := r.NewRoster(PeerGroup)
	for i, u := range urls {
		x := first
		if i > 0 {
			x = r.NewRoster(PeerGroup)
		}
		t.Cleanup(x.Close)
		x.Join(t.Context(), u)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		list, err := first.Members(t.Context())
		if err == nil && len(list) == len(urls) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(list, err)
		}
	}
}
