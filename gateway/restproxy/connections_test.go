package restproxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway"
)

// TestHalfClosed: a client that ends its side early still gets its answer; one
// that ends in the middle of a request costs nothing.
func TestHalfClosed(t *testing.T) {
	p := serve(t, broker(t).ListenAddrs(), swallowed)
	for _, tc := range []struct{ name, request, want string }{
		{"complete", "POST " + v3Records + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", "200 OK"},
		{"stream", "POST " + v3Records + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "200 OK"},
		{"stream without end", "POST " + v3Records + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", `"error_code":200`},
		{"body without end", "POST /topics/t HTTP/1.1\r\nHost: x\r\nContent-Type: " + jsonV2 + "\r\nContent-Length: 100\r\n\r\n{", "400 Bad Request"},
		{"headers without end", "POST /topics/t HTTP/1.1\r\nHost: x\r\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, tc.request); err != nil {
				t.Fatal(err)
			}
			if err := c.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			got, err := io.ReadAll(c)
			if err != nil || !strings.Contains(string(got), tc.want) {
				t.Errorf("%v %q", err, got)
			}
		})
	}
}

// TestSlowLoris: clients that drip headers, bodies or a stream's reading are
// cut off, and hold nobody else up.
func TestSlowLoris(t *testing.T) {
	cfg := gateway.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	cfg.HeaderTimeout, cfg.BodyTimeout = connector.Duration(300*time.Millisecond), connector.Duration(300*time.Millisecond)
	p := serveWith(t, cfg, broker(t).ListenAddrs(), swallowed)
	ctx, cancel := context.WithCancel(t.Context())
	if err := p.server.Listen(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.server.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	addr := p.server.Addr().String()
	const n = 200
	conns := make([]net.Conn, n)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
		text := "POST /topics/t HTTP/1.1\r\nHost: x\r\nX: "
		if i%2 == 0 {
			text = "POST /topics/t HTTP/1.1\r\nHost: x\r\nContent-Type: " + jsonV2 + "\r\nContent-Length: 1000\r\n\r\n{"
		}
		_, _ = io.WriteString(c, text)
	}
	for i, c := range conns { // an honest client meanwhile
		if i%20 == 0 {
			res, err := client.Get("http://" + addr + "/-/health")
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
		}
		_, _ = io.WriteString(c, " ")
	}
	for i, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatalf("connection %d is still open: %v", i, err)
		}
	}
}

// TestVanishedClients: nothing is left of clients that go away in the middle
// of streams and reads.
func TestVanishedClients(t *testing.T) {
	p := serve(t, broker(t).ListenAddrs(), nil)
	round := func() {
		var streams []*stream
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 50 {
			s := p.stream(v3Records)
			s.send(`{"partition_id":0}`)
			s.line()
			s.send(`{"value":{"type":"STRING","data":"`)
			streams = append(streams, s)
			path := "/v3/clusters/C/topics/t/partitions/1/records?timeout=60000"
			if i%2 == 0 {
				path = fmt.Sprintf("/consumers/g/instances/i%d/records?timeout=60000", i)
				p.call("POST", "/consumers/g", fmt.Sprintf(`{"id":"i%d","consumer.request.timeout.ms":60000}`, i), "Content-Type", typeV2)
				p.call("POST", fmt.Sprintf("/consumers/g/instances/i%d/assignments", i), `{"partitions":[{"topic":"t","partition":1}]}`, "Content-Type", typeV2)
			}
			req, err := http.NewRequestWithContext(ctx, "GET", p.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				if res, err := client.Do(req); err == nil {
					_ = res.Body.Close()
				}
			}()
		}
		cancel()
		for i, s := range streams {
			_ = s.in.CloseWithError(io.ErrUnexpectedEOF) // the request breaks off
			s.close()
			if i%2 == 0 {
				p.call("DELETE", fmt.Sprintf("/consumers/g/instances/i%d", i), "")
			}
		}
		client.CloseIdleConnections()
	}
	usage := func(most int) (goroutines int, heap uint64) {
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			client.CloseIdleConnections()
			if goroutines = runtime.NumGoroutine(); goroutines <= most || time.Now().After(deadline) {
				break
			}
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return goroutines, m.HeapAlloc
	}
	round() // connections and caches
	before, heap := usage(runtime.NumGoroutine())
	round()
	round()
	after, heapAfter := usage(before)
	if after > before+20 || heapAfter > heap+20<<20 {
		t.Errorf("%d goroutines and %d KiB before, %d and %d KiB after", before, heap>>10, after, heapAfter>>10)
	}
}
