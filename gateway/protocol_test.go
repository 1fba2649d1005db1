package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestHTTP2 streams both ways at once without TLS.
func TestHTTP2(t *testing.T) {
	echo := func(s *Server) {
		s.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
			Stream(r)
			_ = http.NewResponseController(w).Flush()
			buf := make([]byte, 10)
			for {
				n, err := r.Body.Read(buf)
				_, _ = w.Write(buf[:n])
				_ = http.NewResponseController(w).Flush()
				if err != nil {
					return
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	url, _ := started(t, DefaultConfig(), echo)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	pr, pw := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, "POST", url+"/echo", pr)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 {
		t.Fatal(res.Proto)
	}
	for _, text := range []string{"one", "two"} {
		_, _ = io.WriteString(pw, text)
		got := make([]byte, 3)
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != text {
			t.Fatalf("%q %v", got, err)
		}
	}
	_ = pw.Close()
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) != 0 {
		t.Errorf("%q %v", rest, err)
	}

	off := DefaultConfig()
	off.HTTP2 = false
	url, _ = started(t, off, echo)
	if req, err = http.NewRequestWithContext(ctx, "POST", url+"/echo", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if res, err := transport.RoundTrip(req); err == nil {
		_ = res.Body.Close()
		t.Error("HTTP/2 is spoken although it is off")
	}
}

func TestHeadersAndLists(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Headers = map[string]string{"X-Foo": "bar"}
	cfg.Compression = false
	cfg.CORS = CORS{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET", "POST"}, AllowedHeaders: []string{"X-A"}, ExposedHeaders: []string{"X-B", "X-C"}}
	s := New(cfg, nil)
	s.HandleFunc("GET /big", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 5000)) })
	ask := func(method, path string) http.Header {
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("Origin", "http://o")
		r.Header.Set("Access-Control-Request-Method", "GET")
		r.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w.Header()
	}
	h := ask("OPTIONS", "/big")
	if h.Get("X-Foo") != "bar" || h.Get("Access-Control-Allow-Methods") != "GET, POST" || h.Get("Access-Control-Allow-Headers") != "X-A" || h.Get("Access-Control-Expose-Headers") != "X-B, X-C" {
		t.Error(h)
	}
	if h := ask("GET", "/big"); h.Get("Content-Encoding") != "" || h.Get("X-Foo") != "bar" {
		t.Error(h)
	}
	cfg.Headers = map[string]string{"X-Foo": "a\r\nSet-Cookie: x"}
	if faults := cfg.Validate(); len(faults) != 1 || faults[0].Path != "headers.X-Foo" {
		t.Error(faults)
	}
}
