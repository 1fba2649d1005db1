package producer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/headrace/headrace/connector"
)

// numbered returns n messages 0, 1, 2 … for one partition.
func numbered(n int) []*connector.Message {
	ms := make([]*connector.Message, n)
	for i := range ms {
		ms[i] = &connector.Message{Value: fmt.Append(nil, i)}
	}
	return ms
}

// exact checks that a topic's partition 0 holds the records [from, to) once and in order.
func exact(t *testing.T, c *kfake.Cluster, topic string, from, to int) {
	t.Helper()
	rs := stored(t, c, topic)[0]
	if len(rs) != to-from {
		t.Errorf("%d records stored, want %d", len(rs), to-from)
	}
	for i, r := range rs {
		if string(r.Value) != fmt.Sprint(from+i) {
			t.Fatalf("record %d holds %s, want %d", i, r.Value, from+i)
		}
	}
}

// TestHeals: each fault hits the third and fourth produce request of a stream
// of small batches; every record is stored once, in order, in time.
func TestHeals(t *testing.T) {
	faults := map[string]*kerr.Error{}
	for _, e := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition, kerr.NotEnoughReplicas,
		kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.KafkaStorageError, kerr.CorruptMessage, kerr.UnknownServerError,
		kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch, kerr.FencedLeaderEpoch, kerr.ThrottlingQuotaExceeded,
	} {
		faults[e.Message] = e
	}
	for name, e := range faults {
		t.Run(name, func(t *testing.T) {
			c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
			var n atomic.Int64
			h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: e, Count: -1, When: func(kmsg.Request) bool {
				k := n.Add(1)
				return k == 3 || k == 4
			}})
			p := start(t, c, "t", func(c *Config) { c.BatchRecords = 5 })
			for i, r := range send(t, p, numbered(200)...) {
				if r.Err != nil {
					t.Fatalf("record %d: %v", i, r.Err)
				}
			}
			if h.Hits() == 0 {
				t.Error("the fault was never injected")
			}
			exact(t, c, "t", 0, 200)
		})
	}
}

// TestDeliveryTimeout: records that a silent broker holds fail in time; what it
// does with them later neither doubles nor reorders the ones after.
func TestDeliveryTimeout(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	p := start(t, c, "t", func(c *Config) { c.DeliveryTimeout, c.BatchRecords = 300*time.Millisecond, 3 })
	if r := send(t, p, message("0"))[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	release := holdProduce(c)
	late := numbered(11)[1:]
	begin := time.Now()
	for _, r := range send(t, p, late...) {
		if connector.KindOf(r.Err) != connector.Unavailable {
			t.Fatalf("got %v, want unavailable", r.Err)
		}
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	release()
	after := numbered(40)[11:]
	for _, r := range send(t, p, after...) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	seen := map[string]int{}
	last := -1
	for _, r := range stored(t, c, "t")[0] {
		var n int
		if _, err := fmt.Sscan(string(r.Value), &n); err != nil || n <= last {
			t.Fatalf("%s stored behind %d", r.Value, last)
		}
		last = n
		seen[string(r.Value)]++
	}
	for _, m := range after {
		if seen[string(m.Value)] != 1 {
			t.Errorf("record %s stored %d times", m.Value, seen[string(m.Value)])
		}
	}
}

// TestUnreachable: a broker that cannot be reached fails records when the
// delivery timeout ends, with the reason.
func TestUnreachable(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, c, "t", func(c *Config) { c.DeliveryTimeout = 300 * time.Millisecond })
	if r := send(t, p, message("x"))[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	c.Close()
	r := send(t, p, message("y"), &connector.Message{Topic: "other", Partition: -1})
	var op *net.OpError
	if connector.KindOf(r[0].Err) != connector.Unavailable || connector.KindOf(r[1].Err) != connector.Unavailable || !errors.As(r[1].Err, &op) {
		t.Errorf("got %v and %v, want unavailable", r[0].Err, r[1].Err)
	}
}

// TestTopicLifecycle: partitions are added, the topic is deleted and created
// again while records flow.
func TestTopicLifecycle(t *testing.T) {
	c := broker(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "t"))
	p := start(t, c, "t", func(c *Config) { c.MetadataTimeout = 10 * time.Second })
	for _, r := range send(t, p, numbered(20)...) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	grow(t, c, "t", 4)
	if r := send(t, p, &connector.Message{Partition: 3, Value: []byte("new")})[0]; r.Err != nil || r.Partition != 3 {
		t.Errorf("to an added partition: %+v", r)
	}
	if err := c.DeleteTopic("t"); err != nil {
		t.Fatal(err)
	}
	got := make(chan []connector.Result, 1)
	p.Write(context.Background(), numbered(50), func(rs []connector.Result) { got <- append([]connector.Result(nil), rs...) })
	if err := c.CreateTopic("t", 4, nil); err != nil {
		t.Fatal(err)
	}
	for i, r := range <-got {
		if r.Err != nil {
			t.Fatalf("record %d: %v", i, r.Err)
		}
	}
	exact(t, c, "t", 0, 50)
}

// TestDeletedTopic: without the topic coming back, records fail as not found
// long before the delivery timeout.
func TestDeletedTopic(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	p := start(t, c, "t", func(c *Config) { c.MetadataTimeout = 200 * time.Millisecond })
	if r := send(t, p, message("x"))[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	if err := c.DeleteTopic("t"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if r := send(t, p, message("x"))[0]; connector.KindOf(r.Err) != connector.NotFound || time.Since(begin) > 3*time.Second {
		t.Errorf("got %v after %v, want not found", r.Err, time.Since(begin))
	}
}

func grow(t *testing.T, c *kfake.Cluster, topic string, n int32) {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(c.ListenAddrs(), clientConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.CreatePartitions(topic, n, nil, false); err != nil {
		t.Fatal(err)
	}
}

// TestThrottle: a broker's request to slow down is obeyed and counted.
func TestThrottle(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	var once sync.Once
	onProduce(c, func(req *kmsg.ProduceRequest) (_ kmsg.Response, _ error, handled bool) {
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		once.Do(func() {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic = "t"
			rt.Partitions = append(rt.Partitions, kmsg.NewProduceResponseTopicPartition())
			resp.Topics = append(resp.Topics, rt)
			resp.ThrottleMillis = 200
			handled = true
		})
		return resp, nil, handled
	})
	reg, shared := prometheus.NewRegistry(), NewMetrics()
	reg.MustRegister(shared)
	p := start(t, c, "t", func(c *Config) { c.Metrics = shared })
	if r := send(t, p, message("x"))[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	begin := time.Now()
	if r := send(t, p, message("y"))[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	if took := time.Since(begin); took < 150*time.Millisecond {
		t.Errorf("the next request went out after %v, want about 200 ms", took)
	}
	if v := testutil.ToFloat64(p.metrics.throttle); v != 0.2 {
		t.Errorf("%v s counted as throttled, want 0.2", v)
	}
	if v := testutil.ToFloat64(p.metrics.stored); v != 2 {
		t.Errorf("%v records counted, want 2", v)
	}
	if n, err := testutil.GatherAndCount(reg); err != nil || n < 7 {
		t.Errorf("%d metrics gathered (%v)", n, err)
	}
}

// TestNoIdempotence: without sequence numbers, order still holds over retries,
// because one batch a partition is in flight.
func TestNoIdempotence(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	var n atomic.Int64
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1, When: func(kmsg.Request) bool { return n.Add(1)%3 == 0 }})
	p := start(t, c, "t", func(c *Config) { c.Idempotent, c.BatchRecords = false, 5 })
	for _, r := range send(t, p, numbered(200)...) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	exact(t, c, "t", 0, 200)
}

// TestMissingTopic: the first records wait for a topic that may be being
// created, the ones after them for one answer; once it exists they are stored.
func TestMissingTopic(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1))
	p := start(t, c, "t", func(c *Config) { c.MetadataTimeout = time.Second })
	for i, most := range []time.Duration{5 * time.Second, 500 * time.Millisecond, 500 * time.Millisecond} {
		begin := time.Now()
		r := send(t, p, message("x"))[0]
		if took := time.Since(begin); connector.KindOf(r.Err) != connector.NotFound || took > most || i == 0 && took < time.Second {
			t.Errorf("write %d: %v after %v, want not found", i, r.Err, took)
		}
	}
	if err := c.CreateTopic("t", 1, nil); err != nil {
		t.Fatal(err)
	}
	if r := send(t, p, message("x"))[0]; r.Err != nil {
		t.Errorf("after the topic was created: %v", r.Err)
	}
}
