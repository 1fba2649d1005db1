package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/gateway/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// started runs a server on a free port until the test ends.
func started(t *testing.T, cfg Config, prepare func(*Server)) (url string, stop func() error) {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	s := New(cfg, nil)
	if prepare != nil {
		prepare(s)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		_ = stop()
		http.DefaultClient.CloseIdleConnections()
	})
	return s.URL(), stop
}

// mounted mounts handlers by method and path.
func mounted(t *testing.T, s *Server, handlers map[string]http.HandlerFunc) {
	t.Helper()
	var routes []route.Route
	for pattern, h := range handlers {
		method, path, _ := strings.Cut(pattern, " ")
		routes = append(routes, route.Route{Method: method, Path: path, ID: pattern, OwnTypes: true, Handler: h})
	}
	if _, err := s.Mount([]route.Table{{Routes: routes, Refuse: refuse}}); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestAnswers(t *testing.T) {
	var failing error
	url, _ := started(t, DefaultConfig(), func(s *Server) {
		reg := prometheus.NewRegistry()
		reg.MustRegister(s)
		s.Gatherer = reg
		s.Ready = func(context.Context) error { return failing }
		mounted(t, s, map[string]http.HandlerFunc{
			"GET /thing/{id}": func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.PathValue("id")) },
			"GET /own404":     func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "mine", 404) },
		})
	})
	for _, tc := range []struct {
		name, method, path string
		ready              error
		status             int
		body               string
	}{
		{"handler", "GET", "/thing/1", nil, 200, "1"},
		{"trailing slash", "GET", "/thing/1/", nil, 200, "1"},
		{"unknown path", "GET", "/nothing", nil, 404, `{"error_code":404,"message":"HTTP 404 Not Found"}`},
		{"wrong method", "PUT", "/thing/1", nil, 405, `{"error_code":405,"message":"HTTP 405 Method Not Allowed"}`},
		{"a handler's own 404", "GET", "/own404", nil, 404, "mine\n"},
		{"health", "GET", "/-/health", nil, 200, `{"status":"ok"}`},
		{"ready", "GET", "/-/ready", nil, 200, `{"status":"ok"}`},
		{"not ready", "GET", "/-/ready", errors.New("cluster main: no broker"), 503, `{"error_code":503,"message":"cluster main: no broker"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			failing = tc.ready
			req, _ := http.NewRequest(tc.method, url+tc.path, nil)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			if res.StatusCode != tc.status || string(b) != tc.body {
				t.Errorf("got %d %q", res.StatusCode, b)
			}
		})
	}
	_, text := get(t, url+"/-/metrics")
	for _, want := range []string{
		`headrace_http_requests_total{code="200",route="GET /thing/{id}"} 2`,
		`headrace_http_requests_total{code="404",route="unmatched"} 1`,
		`headrace_http_request_duration_seconds_count{route="GET /own404"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %s:\n%s", want, text)
		}
	}
}

func TestPanicIsAnsweredWithoutItsValue(t *testing.T) {
	var logged bytes.Buffer
	cfg := DefaultConfig()
	s := New(cfg, slog.New(slog.NewTextHandler(&logged, nil)))
	mounted(t, s, map[string]http.HandlerFunc{
		"GET /early": func(http.ResponseWriter, *http.Request) { panic("hunter2") },
		"GET /late": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic("hunter2")
		},
	})
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	code, body := get(t, srv.URL+"/early")
	if code != 500 || body != `{"error_code":500,"message":"Internal Server Error"}` {
		t.Errorf("got %d %s", code, body)
	}
	res, err := http.Get(srv.URL + "/late")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("an answer that was cut off looks complete")
	}
	srv.Close() // ends the handlers, and with them the logging
	http.DefaultClient.CloseIdleConnections()
	if text := logged.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, "panic=string") {
		t.Errorf("log: %s", text)
	}
}

func TestCompression(t *testing.T) {
	big := strings.Repeat("0123456789", 1000)
	url, _ := started(t, DefaultConfig(), func(s *Server) {
		h := func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			text := big
			if r.URL.Query().Has("small") {
				text = "small"
			}
			for len(text) > 0 { // in pieces, as encoders write
				n := min(len(text), 100)
				_, _ = io.WriteString(w, text[:n])
				text = text[n:]
			}
		}
		mounted(t, s, map[string]http.HandlerFunc{"GET /x": h, "PUT /x": h})
	})
	for _, tc := range []struct {
		name, method, query, accept string
		want                        bool
	}{
		{"large", "GET", "", "gzip", true},
		{"one of several", "GET", "", "br, gzip;q=0.5", true},
		{"refused", "GET", "", "gzip;q=0", false},
		{"small", "GET", "?small", "gzip", false},
		{"not asked", "GET", "", "identity", false},
		{"put", "PUT", "", "gzip", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req, _ := http.NewRequest(tc.method, url+"/x"+tc.query, nil)
			req.Header.Set("Accept-Encoding", tc.accept)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			var in io.Reader = res.Body
			if got := res.Header.Get("Content-Encoding") == "gzip"; got != tc.want {
				t.Fatalf("gzip %v, want %v", got, tc.want)
			} else if got {
				if in, err = gzip.NewReader(in); err != nil {
					t.Fatal(err)
				}
			}
			b, err := io.ReadAll(in)
			want := big
			if tc.query != "" {
				want = "small"
			}
			if err != nil || string(b) != want {
				t.Errorf("got %d bytes, %v", len(b), err)
			}
		})
	}
}

func TestCORS(t *testing.T) {
	for _, tc := range []struct {
		name           string
		allowed        []string
		method, origin string
		status         int
		want           string
	}{
		{"preflight", []string{"https://a.example"}, "OPTIONS", "https://a.example", 204, "https://a.example"},
		{"request", []string{"https://a.example"}, "GET", "https://a.example", 200, "https://a.example"},
		{"any", []string{"*"}, "GET", "https://b.example", 200, "*"},
		{"other origin", []string{"https://a.example"}, "GET", "https://b.example", 200, ""},
		{"off", nil, "GET", "https://a.example", 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.CORS.AllowedOrigins = tc.allowed
			s := New(cfg, nil)
			r := httptest.NewRequest(tc.method, "/-/health", nil)
			r.Header.Set("Origin", tc.origin)
			r.Header.Set("Access-Control-Request-Method", "POST")
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			if w.Code != tc.status || w.Header().Get("Access-Control-Allow-Origin") != tc.want {
				t.Errorf("got %d %v", w.Code, w.Header())
			}
		})
	}
}

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name  string
		set   func(*Config)
		fault string
	}{
		{"default", func(*Config) {}, ""},
		{"ipv6 loopback", func(c *Config) { c.Listen = "[::1]:80" }, ""},
		{"localhost", func(c *Config) { c.Listen = "localhost:80" }, ""},
		{"all addresses", func(c *Config) { c.Listen = ":8082" }, "listen"},
		{"public", func(c *Config) { c.Listen = "10.0.0.1:80" }, "listen"},
		{"a name", func(c *Config) { c.Listen = "localhost.example.com:80" }, "listen"},
		{"public and meant so", func(c *Config) { c.Listen, c.AllowAnonymous = "0.0.0.0:80", true }, ""},
		{"no port", func(c *Config) { c.Listen = "127.0.0.1" }, "listen"},
		{"body", func(c *Config) { c.MaxBodyBytes = 0 }, "max_body_bytes"},
		{"connections", func(c *Config) { c.MaxConnections = 0 }, "max_connections"},
		{"timeout", func(c *Config) { c.IdleTimeout = 0 }, "idle_timeout"},
		{"origin", func(c *Config) { c.CORS.AllowedOrigins = []string{"example.com"} }, "cors.allowed_origins"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := DefaultConfig()
			tc.set(&cfg)
			got := ""
			for _, f := range cfg.Validate() {
				got += f.Path
			}
			if got != tc.fault {
				t.Errorf("got %q, want %q", got, tc.fault)
			}
		})
	}
}
