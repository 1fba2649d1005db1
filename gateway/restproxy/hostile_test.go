package restproxy

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
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
