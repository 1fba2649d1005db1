package producer

import (
	"context"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector"
)

func TestMain(m *testing.M) {
	metrics.UseNilMetrics = true // else go-metrics keeps a ticker
	goleak.VerifyTestMain(m)
}

// broker starts an in-process cluster.
func broker(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func clientConfig() *sarama.Config {
	conf := sarama.NewConfig()
	conf.Version = sarama.MaxVersion
	conf.Metadata.AllowAutoTopicCreation = false
	conf.Metadata.Retry.Max = 0
	conf.Net.DialTimeout = 2 * time.Second
	conf.Net.ReadTimeout = 5 * time.Second
	conf.Net.WriteTimeout = 5 * time.Second
	return conf
}

func client(t testing.TB, c *kfake.Cluster, conf *sarama.Config) sarama.Client {
	t.Helper()
	cl, err := sarama.NewClient(c.ListenAddrs(), conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cl.Close() })
	return cl
}

// start makes a producer for topic on c; change alters its configuration.
func start(t testing.TB, c *kfake.Cluster, topic string, change func(*Config)) *Producer {
	t.Helper()
	cfg := DefaultConfig(client(t, c, clientConfig()), topic)
	cfg.retryBackoff = time.Millisecond
	if change != nil {
		change(&cfg)
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = p.Close(ctx)
	})
	return p
}

// send writes a batch and waits for its results.
func send(t testing.TB, p *Producer, ms ...*connector.Message) []connector.Result {
	t.Helper()
	got := make(chan []connector.Result, 2)
	p.Write(context.Background(), ms, func(rs []connector.Result) {
		got <- append([]connector.Result(nil), rs...)
	})
	select {
	case rs := <-got:
		if len(rs) != len(ms) {
			t.Fatalf("%d results for %d records", len(rs), len(ms))
		}
		return rs
	case <-time.After(20 * time.Second):
		t.Fatal("no report after 20 s")
		return nil
	}
}

func message(value string) *connector.Message {
	return &connector.Message{Partition: connector.AnyPartition, Value: []byte(value)}
}

func keyed(key, value string) *connector.Message {
	return &connector.Message{Partition: connector.AnyPartition, Key: []byte(key), Value: []byte(value)}
}

// stored reads everything that a topic holds, by partition and in order.
func stored(t testing.TB, c *kfake.Cluster, topic string, opts ...kgo.Opt) map[int32][]*kgo.Record {
	t.Helper()
	ends := make(map[int32]int64)
	from := make(map[int32]kgo.Offset)
	for _, info := range c.PartitionInfos(topic) {
		if info.HighWatermark > info.LogStartOffset {
			ends[info.Partition] = info.HighWatermark
			from[info.Partition] = kgo.NewOffset().At(info.LogStartOffset)
		}
	}
	got := make(map[int32][]*kgo.Record)
	if len(ends) == 0 {
		return got
	}
	opts = append(opts, kgo.SeedBrokers(c.ListenAddrs()...), kgo.KeepControlRecords(), kgo.FetchMaxWait(20*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for len(ends) > 0 {
		fetched := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("read %s back: %v; partitions left: %v", topic, err, ends)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				got[r.Partition] = append(got[r.Partition], r)
			}
			if r.Offset == ends[r.Partition]-1 {
				delete(ends, r.Partition)
			}
		})
	}
	return got
}
