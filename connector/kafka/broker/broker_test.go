package broker

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	metrics.UseNilMetrics = true // else the client library keeps a ticker
	goleak.VerifyTestMain(m)
}

// cluster has a configuration and nothing else.
type cluster struct{}

func (cluster) Client(context.Context) (sarama.Client, error) { return nil, errors.New("no client") }

func (cluster) SaramaConfig() (*sarama.Config, error) {
	cfg := sarama.NewConfig()
	cfg.ApiVersionsRequest = false
	return cfg, nil
}

// A request that a broker does not answer ends with its context, and not with
// the broker's patience.
func TestARequestEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		conn, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		b := make([]byte, 1024)
		_, _ = conn.Read(b)
		close(asked)
		for err == nil {
			_, err = conn.Read(b) // until the other side hangs up
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	conns := New(cluster{})
	_, err = Ask(ctx, conns, l.Addr().String(), AnswerTimeout*100, func(b *sarama.Broker) (*sarama.HeartbeatResponse, error) {
		return b.Heartbeat(&sarama.HeartbeatRequest{GroupId: "g"})
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the request ended with %v", err)
	}
	<-gone
	_ = l.Close()
	if err := conns.Close(); err != nil {
		t.Error(err)
	}
}
