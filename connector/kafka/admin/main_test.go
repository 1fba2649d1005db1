package admin

import (
	"context"
	"testing"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	metrics.UseNilMetrics = true
	goleak.VerifyTestMain(m)
}

// connection is a Cluster on addresses, without the settings of a real one.
type connection struct {
	id     string
	client sarama.Client
}

func (c connection) ID(context.Context) (string, error)            { return c.id, nil }
func (c connection) KnownID() string                               { return "" }
func (c connection) Client(context.Context) (sarama.Client, error) { return c.client, nil }

func dial(t *testing.T, addrs []string) connection {
	t.Helper()
	cfg := sarama.NewConfig()
	cfg.Version = sarama.MaxVersion
	client, err := sarama.NewClient(addrs, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return connection{id: "test-cluster", client: client}
}

func newAdmin(t *testing.T, opts ...kfake.Opt) (*Admin, *kfake.Cluster) {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3), kfake.ClusterID("test-cluster")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return New(dial(t, k.ListenAddrs())), k
}
