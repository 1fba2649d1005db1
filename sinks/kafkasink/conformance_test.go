package kafkasink

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/connectortest"
	"github.com/headrace/headrace/connector/kafka"
)

// wall stands before a broker and can be closed.
type wall struct {
	net.Listener

	mu     sync.Mutex
	closed bool
	conns  []net.Conn
}

func (w *wall) listen(network, addr string) (net.Listener, error) {
	l, err := net.Listen(network, addr)
	w.Listener = l
	return w, err
}

func (w *wall) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		_ = c.Close() // the broker sees a client that hung up
	}
	w.conns = append(w.conns, c)
	return c, nil
}

func (w *wall) shut() (open func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, c := range w.conns {
		_ = c.Close()
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.closed = false
	}
}

// stored reads both topics to their ends.
func stored(t *testing.T, addrs []string) (out []connector.Message) {
	t.Helper()
	peer, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics("orders", "other"), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	ends, err := kadm.NewClient(peer).ListEndOffsets(t.Context(), "orders", "other")
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	ends.Each(func(o kadm.ListedOffset) { want += int(o.Offset) })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(out) < want {
		fetches := peer.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("%d of %d records read: %v", len(out), want, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			m := connector.Message{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Time: r.Timestamp}
			for _, h := range r.Headers {
				m.Headers = append(m.Headers, connector.Header{Key: h.Key, Value: h.Value})
			}
			out = append(out, m)
		})
	}
	return out
}

func TestConformance(t *testing.T) {
	connectortest.TestSink(t, connectortest.SinkHarness{
		Caps: connectortest.SinkCaps{Keys: true, Headers: true, Tombstones: true, Empty: true, Binary: true, Times: true,
			Topics: true, Partitions: true, Concurrent: true, Timestamped: true},
		Secret: "not-the-password",
		Open: func(t *testing.T) connectortest.Destination {
			w := &wall{}
			k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "orders", "other"), kfake.ListenFn(w.listen))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(k.Close)
			cfg := DefaultConfig()
			cfg.BootstrapServer, cfg.Topic, cfg.DeliveryTimeoutMS = k.ListenAddrs(), "orders", 3000
			sink, err := New("to_kafka", cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			return connectortest.Destination{Sink: sink, Topic: "other", Outage: w.shut,
				Bad:    &connector.Message{Partition: connector.AnyPartition, Value: make([]byte, 2<<20)},
				Stored: func(t *testing.T) []connector.Message { return stored(t, k.ListenAddrs()) }}
		},
		Refused: func(t *testing.T) (connector.Sink, error) {
			k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("PLAIN", "alice", "the-password"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(k.Close)
			cfg := DefaultConfig()
			cfg.BootstrapServer, cfg.Topic, cfg.SecurityProtocol = k.ListenAddrs(), "orders", "SASL_PLAINTEXT"
			cfg.SASL = &kafka.SASL{Mechanism: "PLAIN", Username: "alice", Password: "not-the-password"}
			return New("to_kafka", cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		},
	})
}
