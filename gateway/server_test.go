package gateway

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector"
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
		s.HandleFunc("GET /thing/{id}", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.PathValue("id")) })
		s.HandleFunc("GET /own404", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "mine", 404) })
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
		{"no openapi", "GET", "/-/openapi.json", nil, 404, `{"error_code":404,"message":"HTTP 404 Not Found"}`},
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
		`headrace_http_requests_total{code="200",route="GET /thing/{id}"} 1`,
		`headrace_http_requests_total{code="404",route="unmatched"} 2`,
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
	s.HandleFunc("GET /early", func(http.ResponseWriter, *http.Request) { panic("hunter2") })
	s.HandleFunc("GET /late", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic("hunter2")
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
		s.HandleFunc("GET /x", h)
		s.HandleFunc("PUT /x", h)
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

func TestBodyBounds(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxBodyBytes = 1000
	cfg.BodyTimeout = connector.Duration(100 * time.Millisecond)
	cfg.HeaderTimeout = connector.Duration(100 * time.Millisecond)
	url, _ := started(t, cfg, func(s *Server) {
		read := func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			var large *http.MaxBytesError
			_, _ = fmt.Fprintf(w, "%d %v", n, errors.As(err, &large))
		}
		s.HandleFunc("POST /bounded", read)
		s.HandleFunc("POST /stream", func(w http.ResponseWriter, r *http.Request) { Stream(r); read(w, r) })
	})
	for _, tc := range []struct {
		path string
		size int
		want string
	}{
		{"/bounded", 1000, "1000 false"}, {"/bounded", 1001, "1000 true"}, {"/bounded", 1 << 20, "1000 true"}, {"/stream", 1 << 20, "1048576 false"},
	} {
		res, err := http.Post(url+tc.path, "x/y", strings.NewReader(strings.Repeat("x", tc.size)))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(b) != tc.want {
			t.Errorf("%s %d: got %s, want %s", tc.path, tc.size, b, tc.want)
		}
	}
	for name, sent := range map[string]string{
		"headers that never end": "POST /bounded HTTP/1.1\r\nHost: x\r\n",
		"a body that never ends": "POST /bounded HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, _ = io.WriteString(c, sent)
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("the connection was not closed: %v", err)
			}
		})
	}
}

func TestDrain(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	url, stop := started(t, DefaultConfig(), func(s *Server) {
		s.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
			close(began)
			<-Draining(r.Context())
			<-release
			_, _ = io.WriteString(w, "done")
		})
	})
	answer := make(chan string, 1)
	go func() {
		_, body := get(t, url+"/slow")
		answer <- body
	}()
	<-began
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for deadline := time.Now().Add(5 * time.Second); ; {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			break // no new connections while the open request goes on
		}
		_ = c.Close()
		if time.Now().After(deadline) {
			t.Fatal("still accepting")
		}
	}
	close(release)
	if got := <-answer; got != "done" {
		t.Errorf("answer %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestDrainIsBounded(t *testing.T) {
	cfg := DefaultConfig()
	cfg.DrainTimeout = connector.Duration(50 * time.Millisecond)
	began := make(chan struct{})
	url, stop := started(t, cfg, func(s *Server) {
		s.HandleFunc("GET /stuck", func(_ http.ResponseWriter, r *http.Request) {
			close(began)
			<-r.Context().Done()
		})
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if res, err := http.Get(url + "/stuck"); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-began
	if err := stop(); err == nil || !strings.Contains(err.Error(), "still open") {
		t.Errorf("got %v", err)
	}
	<-done
}

func TestConnectionLimit(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxConnections = 1
	url, _ := started(t, cfg, nil)
	host := strings.TrimPrefix(url, "http://")
	first, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(c net.Conn, patience time.Duration) error {
		_, _ = io.WriteString(c, "GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n")
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, err := http.ReadResponse(bufio.NewReader(c), nil)
		return err
	}
	if err := ask(first, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	second, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := ask(second, 100*time.Millisecond); err == nil {
		t.Fatal("two connections were served")
	}
	_ = first.Close()
	_ = second.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := http.ReadResponse(bufio.NewReader(second), nil); err != nil {
		t.Errorf("the freed place was not given on: %v", err)
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
