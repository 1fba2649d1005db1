package group

import (
	"context"
	"testing"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/connector/kafka/broker"
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
func start(t testing.TB) (*broker.Conns, *kfake.Cluster, *kgo.Client) {
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
	conns := broker.New(connection{client})
	t.Cleanup(func() { _ = conns.Close() })
	return conns, k, kc
}

// cluster is a connection with the settings of a real one.
func cluster(t *testing.T, k *kfake.Cluster) *kafka.Cluster {
	t.Helper()
	c, err := kafka.NewCluster("test", kafka.Settings{BootstrapServer: k.ListenAddrs()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// seeded starts a broker with a topic.
func seeded(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}
