package restproxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway"
)

// swallowed acknowledges everything at once, with increasing offsets, so that
// what is left is the memory and the time of the door.
func swallowed(c *Config) {
	var offset atomic.Int64
	out := connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
		for _, m := range batch {
			m.Finish(connector.Result{Offset: offset.Add(1) - 1, Timestamp: 1000})
		}
		return nil
	})
	c.Publish = func(context.Context, string) (connector.Publisher, error) { return out, nil }
}

// endless is a body of a length, made as it is read.
type endless struct {
	head, repeat string
	left         int
	at           int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := copy(p, e.head)
	e.head = e.head[n:]
	for n < len(p) {
		m := copy(p[n:], e.repeat[e.at:])
		e.at = (e.at + m) % len(e.repeat)
		n += m
	}
	n = min(n, e.left)
	e.left -= n
	return n, nil
}

// peak returns how far the heap grows while f runs.
func peak(f func()) uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, most := m.HeapAlloc, m.HeapAlloc
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case <-done:
			tick.Stop()
			return most - before
		case <-tick.C:
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
	}
}

// TestGigabyteBodies sends a gigabyte (less under the race detector) in several ways. None of it may stay in
// memory, and each is answered.
func TestGigabyteBodies(t *testing.T) {
	p := serve(t, broker(t).ListenAddrs(), swallowed)
	const size = hugeBody
	record := `{"value":{"type":"STRING","data":"` + strings.Repeat("x", 60_000) + `"}}`
	for _, tc := range []struct {
		name, path, kind, head, repeat string
		chunked                        bool
		status                         int
		want                           string
	}{
		{"v2", "/topics/t", jsonV2, `{"records":[{"value":"`, "x", false, 413, `"error_code":413`},
		{"v2 of unknown length", "/topics/t", jsonV2, `{"records":[{"value":"`, "x", true, 413, `"error_code":413`},
		{"batch", v3Records + ":batch", plain, `{"entries":[{"id":"`, "x", false, 413, `"error_code":413`},
		{"create a topic", "/v3/clusters/C/topics", plain, `{"topic_name":"`, "x", false, 413, `"error_code":413`},
		{"create a consumer", "/consumers/g", typeV2, `{"name":"`, "x", true, 413, `"error_code":413`},
		{"one record of a stream", v3Records, plain, `{"value":{"type":"STRING","data":"`, "x", true, 200, "Produce request size is larger than allowed threshold"},
		{"blanks in a stream", v3Records, plain, ``, " ", true, 200, ""},
		{"records of a stream", v3Records, plain, ``, record, true, 200, `"error_code":200`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			grown := peak(func() {
				req, err := http.NewRequest("POST", p.url+tc.path, &endless{head: tc.head, repeat: tc.repeat, left: size})
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", tc.kind)
				if !tc.chunked {
					req.ContentLength = size
				}
				res, err := client.Transport.RoundTrip(req)
				if err != nil {
					t.Error(err)
					return
				}
				defer res.Body.Close()
				var last string
				n := 0
				for lines := bufio.NewScanner(res.Body); lines.Scan(); n++ {
					last = lines.Text()
				}
				if res.StatusCode != tc.status || !strings.Contains(last, tc.want) && n < size/len(record) {
					t.Errorf("%d, %d lines, the last %.300s", res.StatusCode, n, last)
				}
			})
			t.Logf("the heap grew by %d MiB", grown>>20)
			if grown > 150<<20 {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
		})
	}
}

// TestMillionTinyRecords streams them on one connection; each is answered in
// order.
func TestMillionTinyRecords(t *testing.T) {
	p := serve(t, broker(t).ListenAddrs(), swallowed)
	const n = tiny
	grown := peak(func() {
		req, err := http.NewRequest("POST", p.url+v3Records, &endless{repeat: "{}", left: 2 * n})
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Content-Type", plain)
		start := time.Now()
		res, err := client.Transport.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		i := 0
		for lines := bufio.NewScanner(res.Body); lines.Scan(); i++ {
			_, rest, _ := bytes.Cut(lines.Bytes(), []byte(`"offset":`))
			digits, _, _ := bytes.Cut(rest, []byte(","))
			if string(digits) != strconv.Itoa(i) {
				t.Errorf("answer %d: %s", i, lines.Text())
				return
			}
		}
		if i != n {
			t.Errorf("%d answers", i)
		}
		t.Logf("%.0f records/s", n/time.Since(start).Seconds())
	})
	if grown > 100<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

func TestDeepJSON(t *testing.T) {
	p := serve(t, broker(t).ListenAddrs(), swallowed)
	deep := strings.Repeat("[", 1_000_000)
	object := strings.Repeat(`{"a":`, 1_000_000)
	for _, tc := range []struct{ path, kind, body string }{
		{v3Records, plain, `{"value":{"type":"JSON","data":` + deep},
		{v3Records, plain, object},
		{v3Records, plain, `{"x":` + object},
		{v3Records + ":batch", plain, `{"entries":[{"id":"1","value":{"type":"JSON","data":` + deep},
		{v3Records + ":batch", plain, deep},
		{"/topics/t", jsonV2, `{"records":[{"value":` + object},
		{"/topics/t", jsonV2, `{"x":` + deep},
		{"/v3/clusters/C/topics", plain, `{"configs":` + deep},
		{"/v3/clusters/C/topics", plain, object},
		{"/consumers/g", typeV2, `{"x":` + deep},
	} {
		var status int
		var body string
		grown := peak(func() { status, body, _ = p.call("POST", tc.path, tc.body, "Content-Type", tc.kind) })
		code, _ := firstError(body)
		if status != 400 && status != 422 && (status != 200 || code != 400) || grown > 100<<20 {
			t.Errorf("%s %.40s: %d %.200s, the heap grew by %d MiB", tc.path, tc.body, status, body, grown>>20)
		}
	}
}

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

// FuzzQuery asks reads with any query string and path segment: nothing of it is
// an error of the server.
func FuzzQuery(f *testing.F) {
	p := serve(f, broker(f).ListenAddrs(), nil)
	p.call("POST", "/consumers/g", `{"id":"i","consumer.request.timeout.ms":1}`, "Content-Type", typeV2)
	p.call("POST", "/consumers/g/instances/i/assignments", `{"partitions":[{"topic":"t","partition":0}]}`, "Content-Type", typeV2)
	f.Add("t", "offset=1&timeout=0&max_bytes=1")
	f.Add("t", "timestamp=2022-01-01T00:00:00Z&format=json&timeout=-1")
	f.Add("%00", "offset=9223372036854775808&a=%zz;b")
	f.Add("..", "metadata=true&failed_status=207&key=%ff")
	h := p.server.Handler()
	f.Fuzz(func(t *testing.T, topic, query string) {
		// Reads of topics that do not exist ask the broker several times.
		for _, url := range []string{"/v3/clusters/C/topics/t/partitions/0/records?timeout=0&" + query, "/consumers/g/instances/i/records?timeout=0&" + query,
			"/v3/clusters/C/topics/" + topic + "?" + query, "/v3/clusters/C/acls?resource_name=" + topic + "&" + query} {
			r, err := http.NewRequest("GET", url, nil)
			if err != nil {
				continue
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Errorf("%s: %d %s", r.URL, w.Code, w.Body)
			}
		}
	})
}
