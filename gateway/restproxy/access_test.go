package restproxy

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
)

func TestAccessLists(t *testing.T) {
	bootstrap := broker(t).ListenAddrs()
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   map[string]int
	}{
		{"everything", nil, map[string]int{"GET /v3/clusters": 200, "GET /topics": 200}},
		{"allow", func(c *Config) { c.Allow = []string{"api.v3.clusters.*", "api.v2.topics.list"} },
			map[string]int{"GET /v3/clusters": 200, "GET /v3/clusters/C/topics": 404, "POST /v3/clusters/C/topics": 405, "OPTIONS /v3/clusters/C/topics": 200, "GET /topics": 200, "GET /topics/t": 404}},
		{"block", func(c *Config) { c.Block = []string{"api.v3.clusters.list", "api.v2.consumers.*"} },
			map[string]int{"GET /v3/clusters": 404, "GET /v3/clusters/C": 200, "POST /consumers/g": 405, "GET /kafka/v3/clusters": 404}},
		{"block wins", func(c *Config) { c.Allow, c.Block = []string{"api.v3.*"}, []string{"api.v3.topics.get"} },
			map[string]int{"GET /v3/clusters": 200, "GET /v3/clusters/C/topics/t": 404, "GET /topics": 404}},
		{"no v2", func(c *Config) { c.V2 = false }, map[string]int{"GET /v3/clusters": 200, "GET /topics": 404, "POST /topics/t": 404}},
		{"no v3", func(c *Config) { c.V3 = false }, map[string]int{"GET /v3/clusters": 404, "GET /topics": 200}},
		{"prefix", nil, map[string]int{"GET /kafka/v3/clusters": 200, "GET /kafka/v3/clusters/": 200, "GET /kafka/topics": 200}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := serve(t, bootstrap, tc.change)
			for call, want := range tc.want {
				method, path, _ := strings.Cut(call, " ")
				if status, body, _ := p.call(method, path, ""); status != want {
					t.Errorf("%s: %d %s, want %d", call, status, body, want)
				}
			}
		})
	}
}

func TestRequestLimit(t *testing.T) {
	p := serve(t, broker(t).ListenAddrs(), func(c *Config) {
		c.Requests = RequestLimit{PerSecond: 3, DefaultCost: 1, Costs: map[string]int{"api.v2.brokers.list": 0, "api.v3.*": 2, "api.v3.clusters.list": 100}}
	})
	var codes []int
	for _, path := range []string{"/topics", "/topics", "/topics", "/topics", "/brokers"} {
		status, body, _ := p.call("GET", path, "")
		codes = append(codes, status)
		if status == 429 && !strings.Contains(body, `"error_code":429,"message":"Request rate limit exceeded`) {
			t.Error(body)
		}
	}
	if codes[0] != 200 || codes[3] != 429 || codes[4] != 200 {
		t.Errorf("got %v", codes)
	}
}

func TestRecordLimit(t *testing.T) {
	p := serve(t, broker(t).ListenAddrs(), func(c *Config) { c.Settings.Records = RecordLimit{PerCluster: 2, BytesGlobal: 1000} })
	record := `{"value":{"type":"STRING","data":"x"}}`
	status, body, _ := p.call("POST", "/v3/clusters/C/topics/t/records", strings.Repeat(record, 3), "Content-Type", plain)
	lines := strings.Split(strings.TrimSpace(body), "\r\n")
	if status != 200 || len(lines) != 3 || !strings.HasPrefix(lines[1], `{"error_code":200`) || !strings.HasPrefix(lines[2], `{"error_code":429,"message":"Request rate limit exceeded`) {
		t.Errorf("%d %s", status, body)
	}
	status, body, _ = p.call("POST", "/v3/clusters/C/topics/t/records:batch", `{"entries":[{"id":"1"}]}`, "Content-Type", plain)
	if status != 207 || !strings.Contains(body, `{"id":"1","error_code":429`) {
		t.Errorf("%d %s", status, body)
	}
}

func TestBucket(t *testing.T) {
	now := time.Now()
	b := newBucket(10)
	for _, tc := range []struct {
		name     string
		after    time.Duration
		n        int
		patience time.Duration
		wait     time.Duration
		ok       bool
	}{
		{"full", 0, 10, 0, 0, true},
		{"empty", 0, 1, 0, 0, false},
		{"refilled by the tenth", 100 * time.Millisecond, 1, 0, 0, true},
		{"waits", 0, 2, time.Second, 200 * time.Millisecond, true},
		{"owes", 0, 1, 100 * time.Millisecond, 0, false},
		{"more than fits", 2 * time.Second, 15, 0, 0, true},
		{"pays it back", 0, 1, time.Second, 600 * time.Millisecond, true},
	} {
		now = now.Add(tc.after)
		wait, ok := take(b, now, tc.n, tc.patience)
		if ok != tc.ok || wait.Round(time.Millisecond) != tc.wait {
			t.Errorf("%s: %v %v", tc.name, wait, ok)
		}
	}
	if _, ok := take(newBucket(0), now, 1e9, 0); !ok {
		t.Error("no limit is a limit")
	}
	// What is lent is bounded, so a call costs no more than an hour of its limit.
	slow := newBucket(1)
	take(slow, now, math.MaxInt32, 0)
	if wait, ok := take(slow, now, 1, 2*maxDebt); !ok || wait > maxDebt+2*time.Second {
		t.Errorf("after a call without measure: %v %v", wait, ok)
	}
}

func TestTenantsAreBounded(t *testing.T) {
	tenants := newTenants(1)
	for i := range 3 * maxTenants {
		tenants.of(strings.Repeat("x", i))
	}
	if len(tenants.by) > maxTenants {
		t.Errorf("%d buckets", len(tenants.by))
	}
}

func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		name, fault string
		change      func(*Settings)
	}{
		{"defaults", "", func(*Settings) {}},
		{"listener", "advertised_listeners", func(s *Settings) { s.AdvertisedListeners = []string{"host:80"} }},
		{"proxies", "trusted_proxies", func(s *Settings) { s.TrustedProxies = []string{"10.0.0.0/33"} }},
		{"network and address", "", func(s *Settings) { s.TrustedProxies = []string{"10.0.0.0/8", "::1"} }},
		{"entries", "max_batch_entries", func(s *Settings) { s.MaxBatchEntries = 51 }},
		{"fetch", "consumer_min_bytes", func(s *Settings) { s.ConsumerMinBytes = -2 }},
		{"idle", "consumer_idle_timeout", func(s *Settings) { s.ConsumerIdle = connector.Duration(0) }},
		{"rate", "request_limit.per_second", func(s *Settings) { s.Requests.PerSecond = -1 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := DefaultSettings()
			tc.change(&s)
			got := ""
			for _, f := range s.Validate() {
				got += f.Path
			}
			if got != tc.fault {
				t.Errorf("got %q, want %q", got, tc.fault)
			}
		})
	}
}
