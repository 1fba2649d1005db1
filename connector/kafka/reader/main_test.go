package reader

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	metrics.UseNilMetrics = true
	goleak.VerifyTestMain(m)
}

// connection is a Cluster on addresses, without the settings of a real one.
type connection struct{ client sarama.Client }

func (c connection) Client(context.Context) (sarama.Client, error) { return c.client, nil }
func (c connection) SaramaConfig() (*sarama.Config, error)         { return config(), nil }

func config() *sarama.Config {
	cfg := sarama.NewConfig()
	cfg.Version = sarama.MaxVersion
	cfg.Metadata.Retry.Max = 1
	cfg.Metadata.AllowAutoTopicCreation = false
	return cfg
}

// start runs a cluster of two brokers with topic t (3 partitions).
func start(t testing.TB) (*Reader, *kfake.Cluster, *kgo.Client) {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(3, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	client, err := sarama.NewClient(k.ListenAddrs(), config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	kc, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	r := New(connection{client}, nil)
	t.Cleanup(func() { _ = r.Close() })
	return r, k, kc
}

// write puts one record with each value into a partition of t.
func write(t testing.TB, kc *kgo.Client, partition int32, values ...string) {
	t.Helper()
	for _, v := range values {
		r := &kgo.Record{Topic: "t", Partition: partition, Value: []byte(v), Timestamp: time.UnixMilli(1700000000000)}
		if err := kc.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func values(records []Record) string {
	var out []string
	for _, r := range records {
		out = append(out, string(r.Value))
	}
	return strings.Join(out, " ")
}
