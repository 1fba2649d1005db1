package producer

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/headrace/headrace/connector"
)

// spread is how much of all records the fullest partition has, and how much
// the emptiest.
func spread(t *testing.T, c *kfake.Cluster, topic string, records int) (most, least float64) {
	t.Helper()
	least = 1
	total := int64(0)
	for _, info := range c.PartitionInfos(topic) {
		n := info.HighWatermark - info.LogStartOffset
		total += n
		most = max(most, float64(n)/float64(records))
		least = min(least, float64(n)/float64(records))
	}
	if total != int64(records) {
		t.Fatalf("%d records are stored, want %d", total, records)
	}
	return most, least
}

// Records without a key spread over six partitions however they come, without
// being sorted into six small batches at once.
func TestKeylessRecordsSpread(t *testing.T) {
	one := func(t *testing.T, p *Producer, n, size, callers int) {
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for range n / callers {
					for _, r := range send(t, p, message(string(bytes.Repeat([]byte("x"), size)))) {
						if r.Err != nil {
							t.Error(r.Err)
						}
					}
				}
			})
		}
		wg.Wait()
	}
	many := func(t *testing.T, p *Producer, n, size, batch int) {
		var wg sync.WaitGroup
		for ; n > 0; n -= batch {
			ms := make([]*connector.Message, batch)
			for i := range ms {
				ms[i] = message(string(bytes.Repeat([]byte("x"), size)))
			}
			wg.Add(1)
			p.Write(context.Background(), ms, func(rs []connector.Result) {
				for _, r := range rs {
					if r.Err != nil {
						t.Error(r.Err)
					}
				}
				wg.Done()
			})
		}
		wg.Wait()
	}
	for _, tc := range []struct {
		name        string
		records     int
		write       func(*testing.T, *Producer)
		most, least float64
	}{
		{"3,000 posts of a byte, one caller", 3000, func(t *testing.T, p *Producer) { one(t, p, 3000, 1, 1) }, .25, .05},
		{"3,000 posts of a byte, 20 callers", 3000, func(t *testing.T, p *Producer) { one(t, p, 3000, 1, 20) }, .25, .05},
		{"3,000 posts of 2 kB, 20 callers", 3000, func(t *testing.T, p *Producer) { one(t, p, 3000, 2000, 20) }, .20, .13},
		{"a stream of 20,000 of 300 B, 100 a batch", 20000, func(t *testing.T, p *Producer) { many(t, p, 20000, 300, 100) }, .20, .13},
		{"one batch of 20,000", 20000, func(t *testing.T, p *Producer) { many(t, p, 20000, 300, 20000) }, .20, .13},
		{"40 of 800 kB", 40, func(t *testing.T, p *Producer) { many(t, p, 40, 800_000, 1) }, .20, .12},
		{"a million of 100 B, 1,000 a batch", 1_000_000, func(t *testing.T, p *Producer) { many(t, p, 1_000_000, 100, 1000) }, .1709, .1625},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(6, "t"))
			p := start(t, c, "t", nil)
			tc.write(t, p)
			if most, least := spread(t, c, "t", tc.records); most > tc.most || least < tc.least {
				t.Errorf("the fullest of six partitions has %.1f %%, the emptiest %.1f %%", 100*most, 100*least)
			}
		})
	}
}

// A turn takes sticky bytes: neighbours stay together.
func TestTurnsAreSticky(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(6, "t"))
	for _, limit := range []int{4 << 10, 64 << 10} {
		p := start(t, c, "t", func(c *Config) { c.StickyBytes = limit })
		ms := make([]*connector.Message, 1000)
		for i := range ms {
			ms[i] = message(string(bytes.Repeat([]byte("x"), 1000)))
		}
		changes, last := 0, int32(-1)
		for _, r := range send(t, p, ms...) {
			if r.Partition != last {
				changes++
				last = r.Partition
			}
		}
		if want := 1_000_000 / limit; changes < want*7/10 || changes > want*12/10 {
			t.Errorf("%d bytes a turn: %d turns for 1 MB, want about %d", limit, changes, want)
		}
	}
}

// A turn that gets little ends by time, so that a line now and then spreads too.
func TestTurnsEndByTime(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(6, "t"))
	p := start(t, c, "t", nil)
	send(t, p, message("x"))
	to := p.topic("t")
	size := func(int32) int { return 10 }
	seen := map[int32]bool{}
	for i := range 6 {
		now := p.clock() + int64(time.Duration(i+1)*50*time.Millisecond)
		first, _ := to.sticky.take(to, to.parts(), now, []int32{0}, size)
		again, _ := to.sticky.take(to, to.parts(), now+int64(time.Millisecond), []int32{0}, size)
		if first != again {
			t.Errorf("turn %d ended after a millisecond", i)
		}
		seen[first] = true
	}
	if len(seen) < 5 { // a bag of six may have begun before
		t.Errorf("six turns went to %d partitions", len(seen))
	}
}

// A broker that takes nothing gets less and less, not its share.
func TestSlowBrokerGetsLess(t *testing.T) {
	c := broker(t, kfake.NumBrokers(2), kfake.SeedTopics(40, "t")) // leaders are drawn
	free := make(chan struct{})
	slow := c.LeaderFor("t", 0)
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if c.CurrentNode() == slow {
			c.SleepControl(func() { <-free })
		}
		return nil, nil, false
	})
	p := start(t, c, "t", func(c *Config) { c.BufferBytes = 64 << 20 })
	waitsFor := func(slowOne bool) (bytes int64) {
		for _, x := range p.allConns() {
			if (x.id == slow) == slowOne {
				bytes += x.waiting.Load()
			}
		}
		return bytes
	}
	var wg sync.WaitGroup
	for i := range 400 { // 8 MB
		ms := make([]*connector.Message, 20)
		for k := range ms {
			ms[k] = message(fmt.Sprintf("%01000d", i))
		}
		wg.Add(1)
		p.Write(context.Background(), ms, func([]connector.Result) { wg.Done() })
		if i%20 == 0 { // let the quick one keep up
			until(t, func() bool { return waitsFor(false) < 64<<10 })
		}
	}
	behind := waitsFor(true)
	close(free)
	wg.Wait()
	if n := p.waiting.Load(); n != 0 || waitsFor(true) != 0 {
		t.Errorf("%d bytes wait at the end", n)
	}
	if behind == 0 || behind > 2<<20 {
		t.Errorf("%d of 8 MB wait for the broker that stands still", behind)
	}
}
