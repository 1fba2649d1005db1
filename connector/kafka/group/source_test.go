package group

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/intake"
)

// outside is an independent client to look at the broker with.
func outside(t *testing.T, k *kfake.Cluster) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func fill(t *testing.T, c *kgo.Client, topic string, partitions, each int) {
	t.Helper()
	for p := range partitions {
		for i := range each {
			r := &kgo.Record{Topic: topic, Partition: int32(p), Key: []byte(fmt.Sprint(p)), Value: []byte(fmt.Sprint(i)),
				Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}, Timestamp: time.UnixMilli(1_700_000_000_000)}
			if err := c.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func committed(t *testing.T, c *kgo.Client, group, topic string) map[int32]int64 {
	t.Helper()
	offsets, err := kadm.NewClient(c).FetchOffsets(t.Context(), group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	out := map[int32]int64{}
	for p, o := range offsets[topic] {
		out[p] = o.At
	}
	return out
}

// collector is a Publisher that decides the fate of each record.
type collector struct {
	mu   sync.Mutex
	seen []*connector.Message
	fate func(n int, m *connector.Message) // acknowledges, now or later
}

func (c *collector) Publish(_ context.Context, batch []*connector.Message) error {
	for _, m := range batch {
		c.mu.Lock()
		c.seen = append(c.seen, m)
		n := len(c.seen)
		c.mu.Unlock()
		c.fate(n, m)
	}
	return nil
}

func (c *collector) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("not within 20s: %s", what)
		}
	}
}

func runs(t *testing.T, s connector.Source, out connector.Publisher) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- intake.Run(ctx, intake.Config{Source: s, Out: out}) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() {
			cancel()
			select {
			case err = <-done:
			case <-time.After(30 * time.Second):
				t.Error("Run did not end")
			}
		})
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

func TestGroupReadsAndCommitsWhatIsAcknowledged(t *testing.T) {
	k := seeded(t, kfake.SeedTopics(3, "orders"))
	peer := outside(t, k)
	fill(t, peer, "orders", 3, 50)
	c := cluster(t, k)
	out := &collector{fate: func(_ int, m *connector.Message) { m.Finish(connector.Result{Outcome: connector.Acknowledged}) }}
	stop := runs(t, NewSource(c, SourceConfig{Group: "g", Topics: []string{"orders"}, Initial: OffsetEarliest, BatchSize: 7}), out)
	until(t, "150 records", func() bool { return out.count() == 150 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	next := map[string]int{}
	for _, m := range out.seen {
		key := string(m.Key)
		if string(m.Value) != fmt.Sprint(next[key]) || m.Seq != int64(next[key]) || m.Time.UnixMilli() != 1_700_000_000_000 || len(m.Headers) != 1 || m.Partition != connector.AnyPartition || m.Topic != "" {
			t.Fatalf("record %+v, want number %d of partition %s", m, next[key], key)
		}
		next[key]++
	}
	for p, at := range committed(t, peer, "g", "orders") {
		if at != 50 {
			t.Errorf("partition %d is committed at %d, want 50", p, at)
		}
	}
}

func TestGroupNeverCommitsPastAGap(t *testing.T) {
	k := seeded(t, kfake.SeedTopics(1, "orders"))
	peer := outside(t, k)
	fill(t, peer, "orders", 1, 20)
	c := cluster(t, k)
	held := make(chan *connector.Message, 1)
	out := &collector{fate: func(_ int, m *connector.Message) {
		if m.Seq == 5 {
			held <- m // acknowledged last of all
			return
		}
		m.Finish(connector.Result{Outcome: connector.Acknowledged})
	}}
	stop := runs(t, NewSource(c, SourceConfig{Group: "g", Topics: []string{"orders"}, Initial: OffsetEarliest, BatchSize: 4}), out)
	until(t, "20 records", func() bool { return out.count() == 20 })
	until(t, "a commit up to the gap", func() bool { return committed(t, peer, "g", "orders")[0] == 5 })
	(<-held).Finish(connector.Result{Outcome: connector.Acknowledged})
	until(t, "a commit over the closed gap", func() bool { return committed(t, peer, "g", "orders")[0] == 20 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestGroupReadsAFailedRecordAgain(t *testing.T) {
	k := seeded(t, kfake.SeedTopics(1, "orders"))
	peer := outside(t, k)
	fill(t, peer, "orders", 1, 10)
	c := cluster(t, k)
	var mu sync.Mutex
	fives := 0
	out := &collector{fate: func(_ int, m *connector.Message) {
		mu.Lock()
		defer mu.Unlock()
		if m.Seq == 5 {
			if fives++; fives == 1 {
				m.Finish(connector.Result{Outcome: connector.Failed, Err: connector.Errorf(connector.Unavailable, "down")})
				return
			}
		}
		m.Finish(connector.Result{Outcome: connector.Acknowledged})
	}}
	stop := runs(t, NewSource(c, SourceConfig{Group: "g", Topics: []string{"orders"}, Initial: OffsetEarliest, BatchSize: 100}), out)
	until(t, "the record again", func() bool { mu.Lock(); defer mu.Unlock(); return fives >= 2 })
	until(t, "all committed", func() bool { return committed(t, peer, "g", "orders")[0] == 10 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestGroupRunWaitsForAcknowledgements(t *testing.T) {
	k := seeded(t, kfake.SeedTopics(1, "orders"))
	peer := outside(t, k)
	fill(t, peer, "orders", 1, 3)
	c := cluster(t, k)
	held := make(chan *connector.Message, 3)
	out := &collector{fate: func(_ int, m *connector.Message) { held <- m }}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- intake.Run(ctx, intake.Config{Source: NewSource(c, SourceConfig{Group: "g", Topics: []string{"orders"}, Initial: OffsetEarliest, BatchSize: 3}), Out: out})
	}()
	until(t, "3 records", func() bool { return out.count() == 3 })
	cancel()
	select {
	case err := <-done:
		t.Fatalf("Run returned %v with three records unacknowledged", err)
	case <-time.After(300 * time.Millisecond):
	}
	for range 3 {
		(<-held).Finish(connector.Result{Outcome: connector.Acknowledged})
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if at := committed(t, peer, "g", "orders")[0]; at != 3 {
		t.Fatalf("committed at %d, want 3", at)
	}
}

func TestGroupNamesWhatIsWrong(t *testing.T) {
	k := seeded(t, kfake.SeedTopics(1, "orders"))
	c := cluster(t, k)
	start := time.Now()
	err := intake.Run(t.Context(), intake.Config{Source: NewSource(c, SourceConfig{Group: "g", Topics: []string{"no-such-topic"}}), Out: &collector{}})
	if connector.KindOf(err) != connector.NotFound || time.Since(start) > 5*time.Second {
		t.Fatalf("an unknown topic: %v after %s", err, time.Since(start))
	}
}
