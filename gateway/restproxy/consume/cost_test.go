package consume

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestIdleConsumersAreCheap holds what an idle consumer may cost: a goroutine
// and no buffers.
func TestIdleConsumersAreCheap(t *testing.T) {
	const n = 200
	p := serve(t, Config{})
	usage := func() (goroutines int, heap uint64) {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), m.HeapAlloc
	}
	goroutines, heap := usage()
	for i := range n {
		// A group each, as consumers of different clients have.
		in := fmt.Sprintf("/consumers/g%d", i)
		p.call("POST", in, "", `{"id":"i"}`)
		p.call("POST", in+"/instances/i/subscription", "", `{"topics":["t"]}`)
	}
	for i := range n {
		in := fmt.Sprintf("/consumers/g%d/instances/i", i)
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			if _, body, _ := p.call("GET", in+"/assignments", "", ""); strings.Count(body, "topic") == 2 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("consumer %d has no assignment", i)
			}
		}
	}
	g, h := usage()
	perG, perH := float64(g-goroutines)/n, (float64(h)-float64(heap))/n
	t.Logf("an idle consumer: %.1f goroutines, %.0f bytes of heap, the in-process broker's share included", perG, perH)
	if perG > 3 || perH > 100<<10 {
		t.Errorf("an idle consumer costs %.1f goroutines and %.0f bytes", perG, perH)
	}
}

// BenchmarkRead reads one partition in binary, 1 KiB records.
func BenchmarkRead(b *testing.B) {
	p := serve(b, Config{})
	value := strings.Repeat("x", 1024)
	var batch []*kgo.Record
	for range 64 << 10 {
		batch = append(batch, &kgo.Record{Topic: "t", Value: []byte(value)})
	}
	if err := p.client.ProduceSync(b.Context(), batch...).FirstErr(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(8 << 20)
	for b.Loop() {
		req, err := http.NewRequest("GET", p.url+"/v3/clusters/C/topics/t/partitions/0/records?max_bytes=8388608", nil)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "identity")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			b.Fatal(err)
		}
		_ = res.Body.Close()
	}
}
