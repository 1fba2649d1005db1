package produce

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

// atOnce acknowledges within Publish: what is left is the cost of the door.
var atOnce = connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
	for _, m := range batch {
		m.Finish(connector.Result{Partition: 1, Offset: 12345, Timestamp: 1650638927650})
	}
	return nil
})

const benchRecord = `{"id":"000000000001","customer":"c-000123","status":"paid","amount":123.45,"items":[{"sku":"A-1","n":2},{"sku":"B-2","n":1}],"note":"some text of usual length, with spaces"}`

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

func benchmark(b *testing.B, path, contentType, body string, records int) {
	h := New(Config{Route: OneCluster(atOnce)})
	mux, err := route.Handler([]route.Table{{Routes: h.Routes(), Refuse: wire.Refuse}}, route.Options{})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest("POST", path, nil)
	r.Header.Set("Content-Type", contentType)
	r.ContentLength = int64(len(body))
	in := bytes.NewReader(nil)
	r.Body = io.NopCloser(in)
	w := discard{http.Header{}}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		in.Reset([]byte(body))
		mux.ServeHTTP(w, r)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
}

func BenchmarkV2(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			records := strings.TrimSuffix(strings.Repeat(`{"key":"k","value":`+benchRecord+`},`, n), ",")
			benchmark(b, "/topics/t", jsonV2, `{"records":[`+records+`]}`, n)
		})
	}
}

func BenchmarkV3(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			body := strings.Repeat(`{"key":{"type":"STRING","data":"k"},"value":{"type":"JSON","data":`+benchRecord+`}}`, n)
			benchmark(b, recordsPath, "application/json", body, n)
		})
	}
}

// BenchmarkStream is one connection that sends records without waiting and
// reads the answers, over loopback.
func BenchmarkStream(b *testing.B) {
	url := serve(b, Config{Route: OneCluster(atOnce)})
	in, out := io.Pipe()
	go func() {
		chunk := []byte(strings.Repeat(`{"value":{"type":"JSON","data":`+benchRecord+`}}`+"\n", 100))
		for range b.N {
			_, _ = out.Write(chunk)
		}
		_ = out.Close()
	}()
	start := time.Now()
	res, err := http.Post(url+recordsPath, "application/json", in)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	answers, err := io.ReadAll(res.Body)
	if err != nil || bytes.Count(answers, []byte("\r\n")) != 100*b.N {
		b.Fatalf("%d answers, %v", bytes.Count(answers, []byte("\r\n")), err)
	}
	b.ReportMetric(float64(100*b.N)/time.Since(start).Seconds(), "records/s")
}
