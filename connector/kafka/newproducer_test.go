package kafka

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
)

func sink(t *testing.T, c *Cluster, ps ProducerSettings, topic string) connector.Sink {
	t.Helper()
	s, err := c.NewProducer(ps, topic)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// send writes a batch and waits for its results.
func send(t *testing.T, s connector.Sink, batch ...*connector.Message) []connector.Result {
	t.Helper()
	ch := make(chan []connector.Result, 1)
	s.Write(t.Context(), batch, func(r []connector.Result) { ch <- append([]connector.Result(nil), r...) })
	select {
	case r := <-ch:
		return r
	case <-time.After(30 * time.Second):
		t.Fatal("no results")
		return nil
	}
}

func record(value string) *connector.Message {
	return &connector.Message{Partition: connector.AnyPartition, Key: []byte("k"), Value: []byte(value)}
}

// TestProducersOfAClusterCountTogether: any number of producers of one cluster
// count in its one set of metrics, and what they counted outlives them.
func TestProducersOfAClusterCountTogether(t *testing.T) {
	k := broker(t, kfake.SeedTopics(1, "orders", "letters"))
	c := cluster(t, Settings{BootstrapServer: k.ListenAddrs()})
	reg := prometheus.NewRegistry()
	reg.MustRegister(c.Collectors()...)
	stored := func() (sum float64, n int) {
		t.Helper()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "headrace_kafka_producer_records_total" && m.GetLabel()[0].GetValue() == "stored" {
					sum, n = sum+m.GetCounter().GetValue(), n+1
				}
			}
		}
		return sum, n
	}
	if _, n := stored(); n != 0 {
		t.Error("a cluster without producers has metrics of producers")
	}
	for round := range 2 {
		for _, topic := range []string{"orders", "letters"} {
			s, err := c.NewProducer(DefaultProducerSettings(), topic)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range send(t, s, record("1"), record("2")) {
				if r.Err != nil {
					t.Fatal(r.Err)
				}
			}
			if round == 0 { // those of the second round stay open beside each other
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				continue
			}
			defer s.Close(context.Background()) //nolint:errcheck // nothing is under way
		}
	}
	if sum, n := stored(); sum != 8 || n != 1 {
		t.Errorf("%v records counted in %d series, want 8 in 1", sum, n)
	}
}

func TestProducerOpensAtTheFirstWrite(t *testing.T) {
	k := broker(t, kfake.SeedTopics(1, "orders"))
	c := cluster(t, Settings{BootstrapServer: k.ListenAddrs()})
	s := sink(t, c, DefaultProducerSettings(), "orders")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for _, r := range send(t, s, record(fmt.Sprint(i))) {
				if r.Err != nil {
					t.Error(r.Err)
				}
			}
		})
	}
	wg.Wait()
	if r := send(t, s, record("last")); r[0].Offset != 20 {
		t.Fatalf("offset %d, want 20", r[0].Offset)
	}
}

func TestProducerReportsAClusterThatCannotBeOpened(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	_ = l.Close()
	k := broker(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "u", "p"))
	for _, tc := range []struct {
		name string
		s    Settings
		want connector.Kind
	}{
		{"dead broker", Settings{BootstrapServer: []string{dead}}, connector.Unavailable},
		{"wrong credentials", Settings{BootstrapServer: k.ListenAddrs(), SecurityProtocol: "SASL_PLAINTEXT", SASL: &SASL{Username: "u", Password: "wrong"}}, connector.Unauthenticated},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := sink(t, cluster(t, tc.s), DefaultProducerSettings(), "orders")
			start := time.Now()
			for _, r := range send(t, s, record("a"), record("b")) {
				if connector.KindOf(r.Err) != tc.want {
					t.Fatalf("%v (%s)", r.Err, connector.KindOf(r.Err))
				}
			}
			if took := time.Since(start); took > OpenTimeout {
				t.Fatalf("took %s", took)
			}
		})
	}
}

func TestTransactionsAreAllOrNothing(t *testing.T) {
	k := broker(t, kfake.SeedTopics(1, "orders"))
	c := cluster(t, Settings{BootstrapServer: k.ListenAddrs()})
	ps := DefaultProducerSettings()
	ps.Transactional, ps.TransactionalID = true, "tx-1"
	s := sink(t, c, ps, "orders")
	for _, r := range send(t, s, record("a"), record("b")) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	bad := record("c")
	bad.Topic = "no-such-topic"
	for i, r := range send(t, s, record("lost"), bad) {
		if r.Err == nil {
			t.Fatalf("record %d of an aborted transaction is reported as stored", i)
		}
	}
	for _, r := range send(t, s, record("d")) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	peer, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumeTopics("orders"), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	var got string
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(got) < 3 && ctx.Err() == nil {
		peer.PollFetches(ctx).EachRecord(func(r *kgo.Record) { got += string(r.Value) })
	}
	if got != "abd" {
		t.Fatalf("committed %q, want abd", got)
	}
}

func TestProducerSettingsFaults(t *testing.T) {
	five, no, yes := 5, false, true
	for _, tc := range []struct {
		name string
		edit func(*ProducerSettings)
		path string // "" means no fault
	}{
		{"defaults", func(*ProducerSettings) {}, ""},
		{"acks 2", func(p *ProducerSettings) { p.Acks = "2" }, "acks"},
		{"acks 1", func(p *ProducerSettings) { p.Acks = "1" }, ""},
		{"acks 1 and idempotence", func(p *ProducerSettings) { p.Acks, p.Idempotence = "1", &yes }, "acks"},
		{"compression", func(p *ProducerSettings) { p.CompressionType = "zip" }, "compression_type"},
		{"level without codec", func(p *ProducerSettings) { p.CompressionLevel = &five }, "compression_level"},
		{"level of snappy", func(p *ProducerSettings) { p.CompressionType, p.CompressionLevel = "snappy", &five }, "compression_level"},
		{"level of zstd", func(p *ProducerSettings) { p.CompressionType, p.CompressionLevel = "zstd", &five }, ""},
		{"transaction without a name", func(p *ProducerSettings) { p.Transactional = true }, "transactional_id"},
		{"name without transaction", func(p *ProducerSettings) { p.TransactionalID = "x" }, "transactional_id"},
		{"transaction without idempotence", func(p *ProducerSettings) { p.Transactional, p.TransactionalID, p.Idempotence = true, "x", &no }, "idempotence"},
		{"size", func(p *ProducerSettings) { p.MaxMessageBytes = -1 }, "max_message_bytes"},
		{"timeout", func(p *ProducerSettings) { p.DeliveryTimeoutMS = -1 }, "delivery_timeout_ms"},
		{"partitioner", func(p *ProducerSettings) { p.Partitioner = "hash" }, "partitioner"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := DefaultProducerSettings()
			tc.edit(&p)
			got := p.Validate()
			if tc.path == "" && len(got) > 0 || tc.path != "" && (len(got) != 1 || got[0].Path != tc.path) {
				t.Fatalf("%+v, want %q", got, tc.path)
			}
		})
	}
}
