package producer

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/headrace/headrace/connector"
)

// A topic that is deleted and made anew, with fewer partitions or more, while
// writers are at it: everything is stored, soon and in order by key, and keys go
// where the new topic has them.
func TestTopicMadeAnew(t *testing.T) {
	for _, n := range [][2]int32{{6, 1}, {6, 4}, {2, 6}, {6, 6}} {
		t.Run(fmt.Sprintf("%d to %d partitions", n[0], n[1]), func(t *testing.T) {
			c := broker(t, kfake.NumBrokers(2), kfake.SeedTopics(n[0], "t"))
			p := start(t, c, "t", func(c *Config) { c.BatchRecords, c.refreshEvery = 7, 50*time.Millisecond })
			const writers, each = 4, 3000
			var count atomic.Int64
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					var sent sync.WaitGroup
					for i := range each {
						m := keyed(fmt.Sprintf("%d-%d", w, i%20), fmt.Sprint(i))
						if i%3 == 0 {
							m.Key = nil
						}
						sent.Add(1)
						p.Write(context.Background(), []*connector.Message{m}, func(rs []connector.Result) {
							count.Add(1)
							if rs[0].Err != nil {
								t.Error(rs[0].Err)
							}
							sent.Done()
						})
						if i%50 == 0 {
							sent.Wait()
						}
					}
					sent.Wait()
				})
			}
			until(t, func() bool { return count.Load() > writers*each/3 })
			if err := c.DeleteTopic("t"); err != nil {
				t.Fatal(err)
			}
			if err := c.CreateTopic("t", n[1], nil); err != nil {
				t.Fatal(err)
			}
			before := time.Now()
			wg.Wait()
			if took := time.Since(before); took > 5*time.Second {
				t.Errorf("took %s to go on", took)
			}
			until(t, func() bool { return len(p.topic("t").parts()) == int(n[1]) })
			for i := range 20 {
				m := keyed(fmt.Sprintf("0-%d", i), fmt.Sprint(each+i))
				if r := send(t, p, m)[0]; r.Err != nil || r.Partition != Murmur2(m.Key, n[1]) {
					t.Errorf("key %s afterwards: %+v, want partition %d", m.Key, r, Murmur2(m.Key, n[1]))
				}
			}
			last := map[string]int{}
			total := 0
			for id, rs := range stored(t, c, "t") {
				for _, r := range rs {
					total++
					if r.Key == nil {
						continue
					}
					var i int
					_, _ = fmt.Sscan(string(r.Value), &i)
					if before, ok := last[fmt.Sprintf("%d %s", id, r.Key)]; ok && i <= before {
						t.Fatalf("key %s: %d stands behind %d", r.Key, i, before)
					}
					last[fmt.Sprintf("%d %s", id, r.Key)] = i
				}
			}
			if total == 0 {
				t.Error("nothing is in the new topic")
			}
			if p.waiting.Load() != 0 {
				t.Errorf("%d bytes wait at the end", p.waiting.Load())
			}
		})
	}
}

// Records that name a partition which the new topic does not have fail at once;
// those that wait for it too.
func TestVanishedPartition(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(6, "t"))
	p := start(t, c, "t", nil)
	for i := range int32(6) {
		if r := send(t, p, &connector.Message{Partition: i, Value: []byte("x")})[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if err := c.DeleteTopic("t"); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic("t", 2, nil); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for range 2 {
		r := send(t, p, &connector.Message{Partition: 4, Value: []byte("x")})[0]
		if connector.KindOf(r.Err) != connector.NotFound || r.Err.Error() != "write to t: there is no partition 4, the topic has 2" {
			t.Errorf("got %v", r.Err)
		}
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	if r := send(t, p, &connector.Message{Partition: 1, Value: []byte("x")})[0]; r.Err != nil {
		t.Error(r.Err)
	}
}

// Partitions that are added are used within seconds, without an error that says so.
func TestAddedPartitionsAreUsed(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	p := start(t, c, "t", func(c *Config) { c.refreshEvery = 20 * time.Millisecond })
	send(t, p, message("x"))
	grow(t, c, "t", 4)
	seen := map[int32]bool{}
	until(t, func() bool {
		seen[send(t, p, message(string(make([]byte, 20000))))[0].Partition] = true
		return len(seen) == 4
	})
}
