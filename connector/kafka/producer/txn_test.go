package producer

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/headrace/headrace/connector"
)

func transactional(c *Config) { c.TransactionalID = "tx" }

func limit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// values reads the values of a topic, committed ones only.
func committed(t *testing.T, c *kfake.Cluster, topic string) map[string]int {
	t.Helper()
	got := make(map[string]int)
	for _, rs := range stored(t, c, topic, kgo.FetchIsolationLevel(kgo.ReadCommitted())) {
		for _, r := range rs {
			got[string(r.Value)]++
		}
	}
	return got
}

// TestTransactions commits and aborts in turn, over several partitions.
func TestTransactions(t *testing.T) {
	c := broker(t, kfake.NumBrokers(3), kfake.SeedTopics(3, "t"))
	p := start(t, c, "t", transactional)
	ctx := limit(t)
	for round := range 6 {
		if err := p.BeginTxn(); err != nil {
			t.Fatal(err)
		}
		var ms []*connector.Message
		for i := range 30 {
			ms = append(ms, &connector.Message{Partition: int32(i % 3), Value: fmt.Appendf(nil, "%d/%d", round, i)})
		}
		for _, r := range send(t, p, ms...) {
			if r.Err != nil {
				t.Fatalf("round %d: %v", round, r.Err)
			}
		}
		end := p.CommitTxn
		if round%2 == 1 {
			end = p.AbortTxn
		}
		if err := end(ctx); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	got := committed(t, c, "t")
	for round := range 6 {
		for i := range 30 {
			if n, want := got[fmt.Sprintf("%d/%d", round, i)], (round+1)%2; n != want {
				t.Fatalf("round %d, record %d: seen %d times, want %d", round, i, n, want)
			}
		}
	}
}

// TestTransactionRules: calls out of turn are refused and say what to do.
func TestTransactionRules(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	plain := start(t, c, "t", nil)
	p := start(t, c, "t", transactional)
	ctx := limit(t)
	if err := plain.BeginTxn(); connector.KindOf(err) != connector.Invalid {
		t.Errorf("begin without a transactional id: %v", err)
	}
	if r := send(t, p, message("x"))[0]; connector.KindOf(r.Err) != connector.Invalid {
		t.Errorf("a record outside a transaction: %v", r.Err)
	}
	if err := p.CommitTxn(ctx); connector.KindOf(err) != connector.Invalid {
		t.Errorf("commit without begin: %v", err)
	}
	if err := p.BeginTxn(); err != nil {
		t.Fatal(err)
	}
	if err := p.BeginTxn(); connector.KindOf(err) != connector.Invalid {
		t.Errorf("begin twice: %v", err)
	}
	if err := p.CommitTxn(ctx); err != nil {
		t.Errorf("commit of nothing: %v", err)
	}
}

// TestFailedTransaction: a record that failed forbids the commit; after the
// abort the producer goes on in a new epoch.
func TestFailedTransaction(t *testing.T) {
	cases := map[string]*kerr.Error{
		"a fatal error":   kerr.PolicyViolation,
		"a lost sequence": kerr.OutOfOrderSequenceNumber,
		"a stale epoch":   kerr.InvalidProducerEpoch,
	}
	for name, e := range cases {
		t.Run(name, func(t *testing.T) {
			c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
			p := start(t, c, "t", transactional)
			ctx := limit(t)
			if err := p.BeginTxn(); err != nil {
				t.Fatal(err)
			}
			if r := send(t, p, message("before"))[0]; r.Err != nil {
				t.Fatal(r.Err)
			}
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: e, Count: 1})
			if r := send(t, p, message("bad"))[0]; r.Err == nil {
				t.Fatal("the record did not fail")
			}
			if r := send(t, p, message("after"))[0]; r.Err == nil {
				t.Error("a record was taken by a failed transaction")
			}
			if err := p.CommitTxn(ctx); err == nil {
				t.Fatal("a failed transaction was committed")
			}
			if err := p.AbortTxn(ctx); err != nil {
				t.Fatal(err)
			}
			if err := p.BeginTxn(); err != nil {
				t.Fatal(err)
			}
			if r := send(t, p, message("good"))[0]; r.Err != nil {
				t.Fatal(r.Err)
			}
			if err := p.CommitTxn(ctx); err != nil {
				t.Fatal(err)
			}
			if got := committed(t, c, "t"); len(got) != 1 || got["good"] != 1 {
				t.Errorf("committed: %v, want good alone", got)
			}
		})
	}
}

// TestFencing: a second producer with the same id ends the first one's use.
func TestFencing(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	old, young := start(t, c, "t", transactional), start(t, c, "t", transactional)
	ctx := limit(t)
	if err := old.BeginTxn(); err != nil {
		t.Fatal(err)
	}
	if r := send(t, old, message("old"))[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	if err := young.InitTxn(ctx); err != nil {
		t.Fatal(err)
	}
	if err := old.CommitTxn(ctx); !errors.Is(err, sarama.ErrProducerFenced) && !errors.Is(err, sarama.ErrInvalidProducerEpoch) {
		t.Errorf("commit of a fenced producer: %v", err)
	}
	if err := old.BeginTxn(); err == nil {
		t.Error("a fenced producer began a transaction")
	}
	if err := young.BeginTxn(); err != nil {
		t.Fatal(err)
	}
	if r := send(t, young, message("young"))[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	if err := young.CommitTxn(ctx); err != nil {
		t.Fatal(err)
	}
	if got := committed(t, c, "t"); len(got) != 1 || got["young"] != 1 {
		t.Errorf("committed: %v, want young alone", got)
	}
}

// TestSendOffsets: offsets are committed with the transaction and not without.
func TestSendOffsets(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.SeedTopics(2, "in"))
	p := start(t, c, "t", transactional)
	ctx := limit(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	offset := func() int64 {
		os, err := kadm.NewClient(cl).FetchOffsets(ctx, "g")
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			t.Fatal(err)
		}
		o, ok := os.Lookup("in", 1)
		if !ok {
			return -1
		}
		return o.At
	}
	for _, step := range []struct {
		end  func(context.Context) error
		at   int64
		want int64
	}{{p.AbortTxn, 5, -1}, {p.CommitTxn, 7, 7}, {p.AbortTxn, 9, 7}} {
		if err := p.BeginTxn(); err != nil {
			t.Fatal(err)
		}
		if err := p.SendOffsets(ctx, "g", map[string]map[int32]int64{"in": {1: step.at}}); err != nil {
			t.Fatal(err)
		}
		if err := step.end(ctx); err != nil {
			t.Fatal(err)
		}
		if got := offset(); got != step.want {
			t.Errorf("group at %d, want %d", got, step.want)
		}
	}
}

// TestTransactionHeals: errors of the coordinator that pass are waited out.
func TestTransactionHeals(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.EndTxn} {
		for _, e := range []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.ConcurrentTransactions} {
			t.Run(key.Name()+" "+e.Message, func(t *testing.T) {
				c := broker(t, kfake.NumBrokers(2), kfake.SeedTopics(2, "t"))
				h := c.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: e, Count: 2})
				p := start(t, c, "t", transactional)
				ctx := limit(t)
				if err := p.BeginTxn(); err != nil {
					t.Fatal(err)
				}
				if r := send(t, p, message("x"))[0]; r.Err != nil {
					t.Fatal(r.Err)
				}
				if err := p.CommitTxn(ctx); err != nil {
					t.Fatal(err)
				}
				if h.Hits() != 2 {
					t.Errorf("the fault was met %d times", h.Hits())
				}
				if got := committed(t, c, "t"); got["x"] != 1 {
					t.Errorf("committed: %v", got)
				}
			})
		}
	}
}
