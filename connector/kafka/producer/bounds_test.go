package producer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/headrace/headrace/connector"
)

// TestMemoryBoundsWrite: Write waits for room, and a context ends the wait with
// exactly the records that were not taken.
func TestMemoryBoundsWrite(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	release := holdProduce(c)
	p := start(t, c, "t", func(c *Config) { c.BufferBytes, c.MaxMessageBytes = 64<<10, 16<<10 })
	var ms []*connector.Message
	for range 100 {
		ms = append(ms, message(string(make([]byte, 2000))))
	}
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan []connector.Result, 1)
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		p.Write(ctx, ms, func(rs []connector.Result) { got <- append([]connector.Result(nil), rs...) })
	}()
	until(t, func() bool { return p.memory.waiting.Load() == 1 })
	cancel()
	<-returned
	release()
	rs := <-got
	taken := 0
	for i, r := range rs {
		if r.Err == nil {
			taken++
		} else if !errors.Is(r.Err, context.Canceled) || connector.KindOf(r.Err) != connector.Unavailable || i < taken {
			t.Fatalf("record %d: %v", i, r.Err)
		}
	}
	if taken == 0 || taken*2000 > 64<<10 {
		t.Errorf("%d records of 2000 B taken into 64 KiB", taken)
	}
	if n := len(stored(t, c, "t")[0]); n != taken {
		t.Errorf("%d stored, %d reported", n, taken)
	}
	p.memory.mu.Lock()
	defer p.memory.mu.Unlock()
	if p.memory.free != 64<<10 {
		t.Errorf("%d bytes free at the end, want all %d", p.memory.free, 64<<10)
	}
}

// TestCloseReportsEverything: what Close cannot wait for is failed, once.
func TestCloseReportsEverything(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "t"))
	release := holdProduce(c)
	defer release()
	p := start(t, c, "t", nil)
	var reports, records atomic.Int64
	for i := range 50 {
		topic := "t"
		if i%10 == 9 {
			topic = "absent"
		}
		p.Write(context.Background(), []*connector.Message{{Topic: topic, Partition: -1, Key: fmt.Append(nil, i)}, {Topic: topic, Partition: -1}}, func(rs []connector.Result) {
			reports.Add(1)
			for _, r := range rs {
				if connector.KindOf(r.Err) == connector.Unavailable {
					records.Add(1)
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	if reports.Load() != 50 || records.Load() != 100 {
		t.Errorf("%d reports, %d failed records, want 50 and 100", reports.Load(), records.Load())
	}
	if err := p.Close(context.Background()); err != nil {
		t.Errorf("Close again: %v", err)
	}
	if r := send(t, p, message("late"))[0]; connector.KindOf(r.Err) != connector.Unavailable {
		t.Errorf("a write after Close: %v", r.Err)
	}
}

func TestFlush(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(3, "t"))
	p := start(t, c, "t", func(c *Config) { c.Linger = time.Hour })
	var done atomic.Int64
	for i := range 100 {
		p.Write(context.Background(), []*connector.Message{keyed(fmt.Sprint(i), "v")}, func(rs []connector.Result) {
			if rs[0].Err == nil {
				done.Add(1)
			}
		})
	}
	if done.Load() != 0 {
		t.Error("records did not linger")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if done.Load() != 100 {
		t.Errorf("%d of 100 reported after Flush", done.Load())
	}
}
