package kafkasource

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/intake"
	"github.com/headrace/headrace/connector/kafka"
)

func TestSourceReadsSeveralTopics(t *testing.T) {
	for name, edit := range map[string]func(*Config){
		"topics":         func(c *Config) { c.Topics = []string{"a", "b"} },
		"topic, as list": func(c *Config) { c.Topic = []string{"a", "b"} },
		"a pattern":      func(c *Config) { c.TopicsPattern = "a|b" },
	} {
		t.Run(name, func(t *testing.T) { readsBoth(t, edit) })
	}
}

// readsBoth reads the topics a and b, and not another one beside them.
func readsBoth(t *testing.T, edit func(*Config)) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "a", "b", "ab"))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	peer, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	for _, topic := range []string{"ab", "a", "b"} {
		if err := peer.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(topic)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	cfg := DefaultConfig()
	cfg.BootstrapServer, cfg.ConsumerGroup, cfg.AutoOffsetReset = k.ListenAddrs(), "g", "earliest"
	edit(&cfg)
	cluster, err := kafka.NewCluster("c", cfg.Settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cluster.Close() }()
	source, err := New(cluster, cfg, block.Env{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := map[string]int{}
	err = intake.Run(ctx, intake.Config{Source: source, Out: connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
		for _, m := range batch {
			got[string(m.Value)]++
			if m.Read == nil || m.Read.Topic != string(m.Value) || m.Read.Offset != 0 || m.Read.Partition != 0 {
				t.Errorf("%s was read at %+v", m.Value, m.Read)
			}
			m.Finish(connector.Result{Outcome: connector.Acknowledged})
		}
		return nil
	})})
	if err != nil || ctx.Err() != nil || len(got) != 2 || got["a"] != 1 || got["b"] != 1 {
		t.Fatalf("%v, %v, %v; the records of a and b must come, once", got, err, ctx.Err())
	}
}

func TestConfigFaults(t *testing.T) {
	ok := func() Config {
		c := DefaultConfig()
		c.Topic, c.ConsumerGroup, c.BootstrapServer = []string{"t"}, "g", []string{"b:9092"}
		return c
	}
	for _, tc := range []struct {
		name, path string
		edit       func(*Config)
	}{
		{"right", "", func(*Config) {}},
		{"the project's cluster", "", func(c *Config) { c.BootstrapServer = nil }},
		{"no topic", "topic", func(c *Config) { c.Topic = nil }},
		{"topic and topics", "topics", func(c *Config) { c.Topics = []string{"u"} }},
		{"name of a topic", "topic", func(c *Config) { c.Topic = []string{"a/b"} }},
		{"a topic and a pattern", "topics_pattern", func(c *Config) { c.TopicsPattern = "o.*" }},
		{"a pattern that is none", "topics_pattern", func(c *Config) { c.Topic, c.TopicsPattern = nil, "o(" }},
		{"no group", "consumer_group", func(c *Config) { c.ConsumerGroup = "" }},
		{"none", "auto_offset_reset", func(c *Config) { c.AutoOffsetReset = "none" }},
		{"smallest", "", func(c *Config) { c.AutoOffsetReset = "smallest" }},
		{"batch", "batch_size", func(c *Config) { c.BatchSize = -1 }},
		{"timeout", "timeout_ms", func(c *Config) { c.TimeoutMS = -1 }},
		{"protocol", "security_protocol", func(c *Config) { c.SecurityProtocol = "TLS1" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := ok()
			tc.edit(&c)
			got := c.Validate()
			if tc.path == "" && len(got) > 0 || tc.path != "" && (len(got) != 1 || got[0].Path != tc.path) {
				t.Fatalf("%+v, want %q", got, tc.path)
			}
		})
	}
}
