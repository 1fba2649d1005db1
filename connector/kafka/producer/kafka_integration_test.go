//go:build integration

package producer

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/test/services"
)

// real is Apache Kafka and what the tests ask it with.
type real struct {
	kafka *services.KafkaCluster
	adm   *kadm.Client
}

func startReal(t *testing.T) *real {
	t.Helper()
	k, stop, err := services.StartKafka(t.Context(), services.KafkaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Bootstrap...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &real{kafka: k, adm: kadm.NewClient(cl)}
}

func (k *real) topic(t *testing.T, name string, partitions int32) string {
	t.Helper()
	if _, err := k.adm.CreateTopic(t.Context(), partitions, 1, nil, name); err != nil {
		t.Fatal(err)
	}
	return name
}

func (k *real) producer(t *testing.T, topic, id string) *Producer {
	t.Helper()
	cl, err := sarama.NewClient(k.kafka.Bootstrap, clientConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cl.Close() })
	cfg := DefaultConfig(cl, topic)
	cfg.TransactionalID = id
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = p.Close(ctx) // the test's own outcome matters
	})
	return p
}

// committed reads what a consumer of committed records sees.
func (k *real) committed(t *testing.T, topic string) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var ends kadm.ListedOffsets
	until(t, func() (over bool) { // the commit is answered before its markers are in every partition
		all, err := k.adm.ListEndOffsets(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		if ends, err = k.adm.ListCommittedOffsets(ctx, topic); err != nil {
			t.Fatal(err)
		}
		over = true
		all.Each(func(o kadm.ListedOffset) {
			c, ok := ends.Lookup(topic, o.Partition)
			over = over && ok && c.Offset == o.Offset
		})
		return over
	})
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			from[o.Partition], left[o.Partition] = kgo.NewOffset().At(0), o.Offset
		}
	})
	got := map[string]int{}
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.kafka.Bootstrap...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for len(left) > 0 {
		fetched := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("read %s: %v; left %v", topic, ctx.Err(), left)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				got[string(r.Value)]++
			}
			if r.Offset >= left[r.Partition]-1 { // a commit or abort marker stands at the end
				delete(left, r.Partition)
			}
		})
	}
	return got
}

func round(n int) (ms []*connector.Message) {
	for i := range 30 {
		ms = append(ms, &connector.Message{Partition: int32(i % 3), Value: fmt.Appendf(nil, "%d/%d", n, i)})
	}
	return ms
}

func (k *real) write(t *testing.T, p *Producer, n int) {
	t.Helper()
	for _, r := range send(t, p, round(n)...) {
		if r.Err != nil {
			t.Fatalf("round %d: %v", n, r.Err)
		}
	}
}

// TestKafkaTransactions does on Apache Kafka, whose coordinator verifies
// partitions (KIP-890), what the other transaction tests do on an embedded one.
func TestKafkaTransactions(t *testing.T) {
	k := startReal(t)
	t.Run("commit and abort", func(t *testing.T) {
		topic := k.topic(t, "turns", 3)
		p := k.producer(t, topic, "turns")
		ctx := limit(t)
		for n := range 6 {
			if err := p.BeginTxn(); err != nil {
				t.Fatal(err)
			}
			k.write(t, p, n)
			end := p.CommitTxn
			if n%2 == 1 {
				end = p.AbortTxn
			}
			if err := end(ctx); err != nil {
				t.Fatalf("round %d: %v", n, err)
			}
		}
		k.only(t, topic, 0, 2, 4)
	})
	t.Run("offsets", func(t *testing.T) {
		topic := k.topic(t, "offsets", 3)
		p := k.producer(t, topic, "offsets")
		ctx := limit(t)
		for n, end := range []func(context.Context) error{p.CommitTxn, p.AbortTxn} {
			if err := p.BeginTxn(); err != nil {
				t.Fatal(err)
			}
			k.write(t, p, n)
			if err := p.SendOffsets(ctx, "group", map[string]map[int32]int64{topic: {0: int64(n+1) * 10}}); err != nil {
				t.Fatal(err)
			}
			if err := end(ctx); err != nil {
				t.Fatal(err)
			}
			until(t, func() bool {
				got, err := k.adm.FetchOffsets(ctx, "group")
				o, ok := got.Lookup(topic, 0)
				return err == nil && ok && o.At == 10
			})
		}
	})
	t.Run("fencing", func(t *testing.T) {
		topic := k.topic(t, "fencing", 3)
		old, ctx := k.producer(t, topic, "fencing"), limit(t)
		if err := old.BeginTxn(); err != nil {
			t.Fatal(err)
		}
		k.write(t, old, 0)
		next := k.producer(t, topic, "fencing")
		if err := next.InitTxn(ctx); err != nil {
			t.Fatal(err)
		}
		if err := old.CommitTxn(ctx); err == nil {
			t.Error("a fenced producer committed")
		}
		if err := old.BeginTxn(); err == nil {
			t.Error("a fenced producer began a transaction")
		}
		if err := next.BeginTxn(); err != nil {
			t.Fatal(err)
		}
		k.write(t, next, 1)
		if err := next.CommitTxn(ctx); err != nil {
			t.Fatal(err)
		}
		k.only(t, topic, 1)
	})
	t.Run("restart of the coordinator", func(t *testing.T) {
		topic := k.topic(t, "restart", 3)
		p := k.producer(t, topic, "restart")
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		if err := p.BeginTxn(); err != nil {
			t.Fatal(err)
		}
		k.write(t, p, 0)
		if err := k.kafka.Restart(ctx, 0); err != nil {
			t.Fatal(err)
		}
		k.write(t, p, 1)
		if err := p.CommitTxn(ctx); err != nil {
			t.Fatal(err)
		}
		k.only(t, topic, 0, 1)
	})
}

// only wants the records of these rounds, once each, and no others.
func (k *real) only(t *testing.T, topic string, rounds ...int) {
	t.Helper()
	got := k.committed(t, topic)
	for _, n := range rounds {
		for _, m := range round(n) {
			if got[string(m.Value)] != 1 {
				t.Errorf("record %s is seen %d times, want once", m.Value, got[string(m.Value)])
			}
			delete(got, string(m.Value))
		}
	}
	if len(got) > 0 {
		t.Errorf("%d records that were not committed are seen", len(got))
	}
}
