package kafkasource

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/connectortest"
	"github.com/headrace/headrace/connector/intake"
	"github.com/headrace/headrace/connector/kafka"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Sarama registers a consumer's fetch rate by topic in go-metrics' global
		// registry, whose one clock never stops.
		goleak.IgnoreAnyFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

// broker starts one with the topic "orders", and a client to look at it with.
func broker(t *testing.T, partitions int32) (*kfake.Cluster, *kgo.Client) {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	peer, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.DefaultProduceTopic("orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(peer.Close)
	return k, peer
}

func produce(t *testing.T, peer *kgo.Client, from, to int) {
	t.Helper()
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{Value: []byte(strconv.Itoa(i))})
	}
	if err := peer.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// committed is where the group goes on, summed up over the partitions.
func committed(t *testing.T, peer *kgo.Client) (sum int64) {
	t.Helper()
	offsets, err := kadm.NewClient(peer).FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range offsets["orders"] {
		sum += max(o.At, 0)
	}
	return sum
}

func member(t *testing.T, k *kfake.Cluster, env block.Env) connector.Source {
	t.Helper()
	cfg := DefaultConfig()
	cfg.BootstrapServer, cfg.Topic, cfg.ConsumerGroup, cfg.AutoOffsetReset = k.ListenAddrs(), []string{"orders"}, "g", "earliest"
	cfg.TimeoutMS = 50
	cluster, err := kafka.NewCluster("c", cfg.Settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	source, err := New(cluster, cfg, env)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func TestConformance(t *testing.T) {
	connectortest.TestSource(t, connectortest.SourceHarness{
		Caps: connectortest.SourceCaps{Resumes: true, Retries: true, Records: 1000},
		Open: func(t *testing.T, n int) connectortest.Input {
			k, peer := broker(t, 1)
			produce(t, peer, 0, n)
			return connectortest.Input{
				Index:  func(m *connector.Message) (int, error) { return strconv.Atoi(string(m.Value)) },
				Source: func() connector.Source { return member(t, k, block.Env{}) },
			}
		},
	})
}

// TestARunEndsWhereTheTopicEnded adds records while a run that is no stream
// goes on; they are for the next one.
func TestARunEndsWhereTheTopicEnded(t *testing.T) {
	k, peer := broker(t, 3)
	produce(t, peer, 0, 300)
	for _, want := range []int{300, 100, 0} {
		n := 0
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		err := intake.Run(ctx, intake.Config{Source: member(t, k, block.Env{}), Out: connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
			if n == 0 && want == 300 {
				produce(t, peer, 300, 400)
			}
			n += len(batch)
			for _, m := range batch {
				m.Finish(connector.Result{Outcome: connector.Acknowledged})
			}
			return nil
		})})
		if err != nil || n != want || ctx.Err() != nil {
			t.Fatalf("the run read %d records, %v; it began with %d", n, err, want)
		}
	}
	if at := committed(t, peer); at != 400 {
		t.Errorf("committed at %d", at)
	}
}

// TestNothingIsCommittedBeforeItsAcknowledgement holds one record of a run that
// has read everything.
func TestNothingIsCommittedBeforeItsAcknowledgement(t *testing.T) {
	k, peer := broker(t, 1)
	produce(t, peer, 0, 300)
	held := make(chan *connector.Message, 1)
	done := make(chan error, 1)
	var seen atomic.Int64
	source := member(t, k, block.Env{})
	go func() {
		done <- intake.Run(t.Context(), intake.Config{Source: source, Out: connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
			for _, m := range batch {
				if seen.Add(1); m.Seq == 150 {
					held <- m
				} else {
					m.Finish(connector.Result{Outcome: connector.Acknowledged})
				}
			}
			return nil
		})})
	}()
	until := time.Now().Add(20 * time.Second)
	for seen.Load() < 300 || committed(t, peer) < 150 {
		if time.Now().After(until) {
			t.Fatalf("%d records came, committed at %d", seen.Load(), committed(t, peer))
		}
		time.Sleep(10 * time.Millisecond)
	}
	select {
	case err := <-done:
		t.Fatalf("the run ended with a record not acknowledged: %v", err)
	default:
	}
	if at := committed(t, peer); at != 150 {
		t.Errorf("committed at %d with record 150 not acknowledged", at)
	}
	(<-held).Finish(connector.Result{Outcome: connector.Acknowledged})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if at := committed(t, peer); at != 300 {
		t.Errorf("committed at %d after the run", at)
	}
}
