package webhooksink

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/auth/httpclient"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/connectortest"
	"github.com/headrace/headrace/connector/exporter"
	"github.com/headrace/headrace/internal/egress"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver keeps what it was sent.
type receiver struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r *http.Request, body []byte) // nil: 200

	mu       sync.Mutex
	bodies   [][]byte
	requests []*http.Request
	away     atomic.Bool
}

func receive(t *testing.T, answer func(http.ResponseWriter, *http.Request, []byte)) *receiver {
	t.Helper()
	rec := &receiver{answer: answer}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if rec.away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if rec.answer != nil {
			rec.answer(w, r, body)
		}
		rec.mu.Lock()
		defer rec.mu.Unlock()
		rec.bodies, rec.requests = append(rec.bodies, body), append(rec.requests, r)
	}))
	t.Cleanup(rec.Close)
	return rec
}

func (r *receiver) stored() (out []connector.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.bodies {
		out = append(out, connector.Message{Partition: connector.AnyPartition, Value: b})
	}
	return out
}

// open makes a sink that may call this machine.
func open(t *testing.T, url string, change func(*Config)) connector.Sink {
	t.Helper()
	cfg := DefaultConfig()
	cfg.URL = url
	if change != nil {
		change(&cfg)
	}
	if faults := cfg.Validate(); len(faults) > 0 {
		t.Fatal(faults)
	}
	cfg.Callbacks.Allow = []string{"127.0.0.1"}
	s, err := New(cfg, block.Env{Block: "hook"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func record(key, value string) *connector.Message {
	m := &connector.Message{Partition: connector.AnyPartition, Value: []byte(value)}
	if key != "" {
		m.Key = []byte(key)
	}
	return m
}

func send(t *testing.T, s connector.Sink, batch ...*connector.Message) (out []connector.Result) {
	t.Helper()
	s.Write(t.Context(), batch, func(r []connector.Result) { out = append(out, r...) })
	if len(out) != len(batch) {
		t.Fatalf("%d results for %d records", len(out), len(batch))
	}
	return out
}

func TestConformance(t *testing.T) {
	connectortest.TestSink(t, connectortest.SinkHarness{
		Caps: connectortest.SinkCaps{ValueOnly: true, Empty: true, Binary: true, Concurrent: true},
		Open: func(t *testing.T) connectortest.Destination {
			rec := receive(t, nil)
			return connectortest.Destination{
				Sink:   open(t, rec.URL, func(c *Config) { c.Concurrency = 1 }), // one lane: the suite looks at the order of all
				Stored: func(*testing.T) []connector.Message { return rec.stored() },
				Bad:    &connector.Message{Partition: connector.AnyPartition, Key: []byte("k")},
				Outage: func() func() {
					rec.away.Store(true)
					return func() { rec.away.Store(false) }
				},
			}
		},
		Refused: func(t *testing.T) (connector.Sink, error) {
			rec := receive(t, func(w http.ResponseWriter, r *http.Request, _ []byte) {
				if _, password, _ := r.BasicAuth(); password != "right" {
					w.WriteHeader(http.StatusUnauthorized)
				}
			})
			return open(t, rec.URL, func(c *Config) { c.Authentication = &httpclient.Settings{Username: "u", Password: "topsecret"} }), nil
		},
		Secret: "topsecret",
	})
}

func TestWhatIsSent(t *testing.T) {
	rec := receive(t, nil)
	s := open(t, rec.URL+"/in?token=abc", func(c *Config) {
		c.Method, c.Headers = "PUT", map[string]connector.Secret{"X-Tenant": "t1"}
		c.Signature = &Signature{Secret: "shared"}
		c.Concurrency = 1
		if faults := c.Validate(); len(faults) > 0 {
			t.Fatal(faults)
		}
	})
	s.(*sink).now = func() time.Time { return time.Unix(1_800_000_000, 0) }
	for i, r := range send(t, s, record("k 1", `{"a":1}`), record("\x00ü", "no json"), record("", "")) {
		if r.Err != nil {
			t.Errorf("record %d: %v", i, r.Err)
		}
	}
	mac := hmac.New(sha256.New, []byte("shared"))
	_, _ = mac.Write([]byte(`1800000000.{"a":1}`))
	first, second := rec.requests[0], rec.requests[1]
	for got, want := range map[string]string{
		first.Method: "PUT", first.URL.String(): "/in?token=abc", first.Header.Get("X-Tenant"): "t1", first.Header.Get("Headrace-Key"): "k 1",
		first.Header.Get("Content-Type"): "application/json", second.Header.Get("Content-Type"): "application/octet-stream",
		first.Header.Get("Headrace-Signature"):   "t=1800000000,v1=" + hex.EncodeToString(mac.Sum(nil)),
		second.Header.Get("Headrace-Key-Base64"): base64.StdEncoding.EncodeToString([]byte("\x00ü")),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestBatch(t *testing.T) {
	rec := receive(t, nil)
	s := open(t, rec.URL, func(c *Config) { c.Batch, c.Concurrency = 3, 1 })
	results := send(t, s, record("", "1"), record("", "no json"), record("", `"3"`), record("", "4"))
	if connector.KindOf(results[1].Err) != connector.Invalid || results[0].Err != nil || results[3].Err != nil {
		t.Errorf("%v", results)
	}
	if got := fmt.Sprintf("%s", rec.bodies); got != `[[1,"3"] [4]]` {
		t.Error(got)
	}
}

// Each status has its kind, and none shows the answer's text.
func TestStatus(t *testing.T) {
	for status, want := range map[int]connector.Kind{
		400: connector.Invalid, 401: connector.Unauthenticated, 403: connector.Denied, 404: connector.NotFound, 408: connector.Unavailable, 410: connector.NotFound,
		413: connector.TooLarge, 422: connector.Invalid, 425: connector.Unavailable, 429: connector.Throttled, 500: connector.Unavailable, 501: connector.Unknown,
		503: connector.Unavailable, 302: connector.Unknown, 307: connector.Unknown,
	} {
		rec := receive(t, func(w http.ResponseWriter, _ *http.Request, body []byte) {
			w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			_, _ = w.Write(body)
		})
		err := send(t, open(t, rec.URL, nil), record("", `{"card":"4111"}`))[0].Err
		var e *connector.Error
		if connector.KindOf(err) != want || !errors.As(err, &e) || e.RetryAfter != 7*time.Second || strings.Contains(err.Error(), "4111") {
			t.Errorf("%d: %v %v", status, connector.KindOf(err), err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-1": 0, "99999999999": maxRetryAfter, "99999999999999999999": 0, "Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second,
		"Fri, 02 Jan 2026 03:00:00 GMT": 0, "soon": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// A receiver that refuses for a while gets every record, each key's in order,
// and nothing twice.
func TestOrderPerKeyThroughRefusals(t *testing.T) {
	var n atomic.Int64
	var mu sync.Mutex
	got := map[string][]int{}
	rec := receive(t, nil)
	rec.answer = func(w http.ResponseWriter, r *http.Request, body []byte) {
		if n.Add(1)%5 == 0 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var v int
		if err := json.Unmarshal(body, &v); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		key := r.Header.Get("Headrace-Key")
		got[key] = append(got[key], v)
	}
	policy := block.Retry{Timeout: connector.Duration(time.Minute), Delay: connector.Duration(time.Millisecond), MaxDelay: connector.Duration(time.Millisecond)}
	s := exporter.Retried(open(t, rec.URL, func(c *Config) { c.Concurrency = 8 }), policy)
	var batch []*connector.Message
	for i := range 300 {
		batch = append(batch, record(fmt.Sprintf("k%d", i%7), fmt.Sprint(i)))
	}
	for _, r := range send(t, s, batch...) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	total := 0
	for key, values := range got {
		total += len(values)
		for i := 1; i < len(values); i++ {
			if values[i] <= values[i-1] {
				t.Errorf("%s: %d came behind %d", key, values[i], values[i-1])
			}
		}
	}
	if total != 300 {
		t.Errorf("%d records came, want 300", total)
	}
}

// What a block's url names is called only where callbacks may go: a recorder
// stands where the network would be.
func TestAddressesThatMustNotBeReached(t *testing.T) {
	for _, url := range []string{"http://127.0.0.1:80/x", "http://[::1]/x", "http://169.254.169.254/latest/meta-data", "http://0.0.0.0:9/", "http://[::ffff:127.0.0.1]:8/"} {
		cfg := DefaultConfig()
		cfg.URL = url
		dialled := 0
		s, err := New(cfg, block.Env{Block: "hook"})
		if err != nil {
			t.Fatal(err)
		}
		s.(*sink).policy.Dial = func(context.Context, string, string) (net.Conn, error) {
			dialled++
			return nil, errors.New("recorded")
		}
		err = send(t, s, record("", "{}"))[0].Err
		if !errors.Is(err, egress.ErrForbidden) || connector.KindOf(err).Retriable() || dialled > 0 {
			t.Errorf("%s: %v, dialled %d times", url, err, dialled)
		}
		_ = s.Close(t.Context())
	}
}

func TestFaults(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"url: is not an address":           func(c *Config) { c.URL = "hooks.example.com" },
		"url: carries a user name":         func(c *Config) { c.URL = "https://u:p@h/x" },
		"batch: must be between":           func(c *Config) { c.Batch = 0 },
		"concurrency: must be between":     func(c *Config) { c.Concurrency = 1000 },
		"timeout: must be more than 0":     func(c *Config) { c.Timeout = 0 },
		"retry: delay must be":             func(c *Config) { c.Retry.MaxDelay = 0 },
		"headers: \"a b\" is not a header": func(c *Config) { c.Headers = map[string]connector.Secret{"a b": "x"} },
		"authentication: has no url":       func(c *Config) { c.Authentication = &httpclient.Settings{URL: "https://x"} },
		"url: is plain http, so the credentials can": func(c *Config) {
			c.URL = "http://h.example/x"
			c.Authentication = &httpclient.Settings{BearerToken: "t"}
		},
		"authentication.username: is missing": func(c *Config) { c.Authentication = &httpclient.Settings{Password: "p"} },
	} {
		cfg := DefaultConfig()
		cfg.URL = "https://h.example/x?token=s3cret"
		change(&cfg)
		faults := cfg.Validate()
		if len(faults) != 1 || !strings.HasPrefix(faults[0].Path+": "+faults[0].Message, want) || strings.Contains(faults[0].Message, "s3cret") {
			t.Errorf("%v, want %s", faults, want)
		}
	}
}
