package kafkasink

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka"
)

func TestSinkWritesAndClosesItsCluster(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	cfg := DefaultConfig()
	cfg.BootstrapServer, cfg.Topic = k.ListenAddrs(), "orders"
	s, err := New("to_kafka", cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan connector.Result, 1)
	s.Write(t.Context(), []*connector.Message{{Partition: connector.AnyPartition, Value: []byte("v")}}, func(r []connector.Result) { got <- r[0] })
	if r := <-got; r.Err != nil || r.Offset != 0 {
		t.Fatalf("%+v", r)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for range 2 {
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConfigFaults(t *testing.T) {
	for _, tc := range []struct {
		name, path string
		cfg        Config
	}{
		{"the project's cluster", "", Config{Topic: "t"}},
		{"own cluster", "", Config{Topic: "t", Settings: kafka.Settings{BootstrapServer: []string{"b:9092"}}}},
		{"no port", "bootstrap_server", Config{Topic: "t", Settings: kafka.Settings{BootstrapServer: []string{"b"}}}},
		{"name of the topic", "topic", Config{Topic: "a b"}},
		{"acks", "acks", Config{Topic: "t", ProducerSettings: kafka.ProducerSettings{Acks: "some"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := tc.cfg.Validate()
			if tc.path == "" && len(got) > 0 || tc.path != "" && (len(got) != 1 || got[0].Path != tc.path) {
				t.Fatalf("%+v, want %q", got, tc.path)
			}
		})
	}
}

func TestNewNeedsACluster(t *testing.T) {
	if _, err := New("b", Config{Topic: "t"}, nil, nil); connector.KindOf(err) != connector.Invalid {
		t.Fatal(err)
	}
}
