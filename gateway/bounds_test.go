package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
)

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
		mounted(t, s, map[string]http.HandlerFunc{
			"POST /bounded": read,
			"POST /stream":  func(w http.ResponseWriter, r *http.Request) { Stream(r); read(w, r) },
		})
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
		mounted(t, s, map[string]http.HandlerFunc{"GET /slow": func(w http.ResponseWriter, _ *http.Request) {
			close(began)
			<-Draining(w)
			<-release
			_, _ = io.WriteString(w, "done")
		}})
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
		mounted(t, s, map[string]http.HandlerFunc{"GET /stuck": func(_ http.ResponseWriter, r *http.Request) {
			close(began)
			<-r.Context().Done()
		}})
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
