package main

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestReadAnswer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/length":
			_, _ = w.Write([]byte("body"))
		case "/chunks":
			for range 3 {
				_, _ = w.Write([]byte(strings.Repeat("x", 100)))
				w.(http.Flusher).Flush()
			}
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/close":
			w.Header().Set("Connection", "close")
		default:
			http.Error(w, "no such thing", http.StatusNotFound)
		}
	}))
	defer srv.Close()
	for _, c := range []struct {
		path string
		keep bool
		fail string
	}{
		{"/length", true, ""}, {"/chunks", true, ""}, {"/empty", true, ""}, {"/close", false, ""}, {"/other", true, "404: no such thing"},
	} {
		t.Run(c.path, func(t *testing.T) {
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			r := bufio.NewReader(conn)
			for range 2 { // the second shows that the first was read to its end
				keep, err := ask(conn, r, []byte("GET "+c.path+" HTTP/1.1\r\nHost: x\r\n\r\n"))
				if c.fail != "" {
					if err == nil || !strings.Contains(err.Error(), c.fail) {
						t.Fatalf("error %v, want %q", err, c.fail)
					}
				} else if err != nil || keep != c.keep {
					t.Fatalf("keep %t (%v), want %t", keep, err, c.keep)
				}
				if !keep {
					return
				}
			}
		})
	}
}

// A closed loop counts each request once, good or bad.
func TestLoadCounts(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer srv.Close()
	addr := srv.Listener.Addr().String()
	request := func(path string) [][]byte {
		return [][]byte{[]byte("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")}
	}
	if l := load(addr, request("/good"), 2, 50*time.Millisecond); l.bad != 0 || l.good == 0 || int64(len(l.took)) != l.good {
		t.Errorf("good %d, bad %d, timed %d", l.good, l.bad, len(l.took))
	}
	if l := load(addr, request("/bad"), 2, time.Minute); l.good != 0 || l.bad != 2*failLimit || l.note == "" {
		t.Errorf("good %d, bad %d, note %q", l.good, l.bad, l.note)
	}
}

func TestMedian(t *testing.T) {
	m := measured{{Seconds: 3}, {Seconds: 1}, {Seconds: 2}, {Seconds: 99, Note: "failed"}}
	if got := m.median(func(r result) float64 { return r.Seconds }); got != 2 {
		t.Errorf("median %v, want 2: a failed measurement does not count", got)
	}
}
