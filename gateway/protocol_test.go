package gateway

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestHTTP2 streams both ways at once without TLS.
func TestHTTP2(t *testing.T) {
	echo := func(s *Server) {
		mounted(t, s, map[string]http.HandlerFunc{"POST /echo": func(w http.ResponseWriter, r *http.Request) {
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
		}})
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
	mounted(t, s, map[string]http.HandlerFunc{"GET /big": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 5000)) }})
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

// TestRestOfAStreamIsNoRequest leaves a stream before its end: what the client
// still sends of its body must not be served as its next request.
func TestRestOfAStreamIsNoRequest(t *testing.T) {
	const head = "POST /stream HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	served := make(chan string, 10)
	url, _ := started(t, DefaultConfig(), func(s *Server) {
		mounted(t, s, map[string]http.HandlerFunc{"GET /next": func(http.ResponseWriter, *http.Request) { served <- "next" }, "POST /stream": func(w http.ResponseWriter, r *http.Request) {
			Stream(r)
			conn := http.NewResponseController(w)
			_ = conn.EnableFullDuplex()
			_, _ = r.Body.Read(make([]byte, 1))
			_, _ = io.WriteString(w, "enough")
			_ = conn.Flush()
			_ = conn.SetReadDeadline(time.Now())
			_, _ = io.Copy(io.Discard, r.Body)
		}})
	})
	for _, tc := range []struct {
		name, sent, later string
		want              int // requests that are served behind it
	}{
		{name: "ended", sent: head + "1\r\nx\r\n0\r\n\r\n", later: "GET /next HTTP/1.1\r\nHost: h\r\n\r\n", want: 1},
		{name: "open", sent: head + "1\r\nx\r\n", later: "GET /next HTTP/1.1\r\nHost: h\r\n\r\n"},
		{name: "broken", sent: head + "1\r\nx\r\nzz\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.WriteString(conn, tc.sent); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(conn)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(res.Body); err != nil || string(text) != "enough" {
				t.Errorf("%q %v", text, err)
			}
			_, _ = io.WriteString(conn, tc.later) // the connection may be closed already
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, in) // until the server closes
			if len(served) != tc.want {
				t.Errorf("%d requests were served behind it, want %d", len(served), tc.want)
			}
			for len(served) > 0 {
				<-served
			}
		})
	}
}

type wrapped struct{ io.ReadCloser }

func (w wrapped) Unwrap() io.ReadCloser { return w.ReadCloser }

func TestStreamOfAWrappedBody(t *testing.T) {
	b := &body{}
	r := httptest.NewRequest("POST", "/", nil)
	r.Body = wrapped{wrapped{b}}
	if Stream(r); !b.stream {
		t.Error("the bounds of the body are still there")
	}
}
