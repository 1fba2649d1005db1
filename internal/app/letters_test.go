package app

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/exporter"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/gateway/restproxy/kafkarest"
	"github.com/headrace/headrace/pipelines"
)

// A record that comes over HTTP and can never be written goes where
// http.dead_letter says, is counted there, and its client is still told why.
func TestHTTPDeadLetters(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "dead.ndjson")
	for _, tc := range []struct {
		name    string
		letters exporter.DeadLetter
		size    int
		outcome connector.Outcome
		topic   bool
		file    string
	}{
		{"not asked for", exporter.DeadLetter{}, 2 << 20, connector.Failed, false, ""},
		{"none", exporter.DeadLetter{None: true}, 2 << 20, connector.Failed, false, ""},
		{"a file", exporter.DeadLetter{Path: file}, 2 << 20, connector.DeadLettered, false, file},
		{"too large for the topic of letters too", exporter.DeadLetter{Topic: "dead"}, 2 << 20, connector.DeadLettered, false, filepath.Join(dir, "dead_letters", "http.kafka-rest.ndjson")},
		{"a topic", exporter.DeadLetter{Topic: "dead"}, 1000, connector.DeadLettered, true, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t", "dead"))
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			cfg := &HTTP{letters: tc.letters}
			if tc.topic {
				producer := kafka.DefaultProducerSettings()
				producer.MaxMessageBytes = 500 // that of the letters is the default
				cfg.kafkaRest = &kafkarest.Config{Producer: producer}
			}
			var ledger connector.Ledger
			one, err := serveCluster(pipelines.Cluster{Name: kafkarest.ClusterName, Settings: kafka.Settings{BootstrapServer: k.ListenAddrs(), SecurityProtocol: "PLAINTEXT"}},
				cfg, dir, &ledger, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			answered := make(chan connector.Result, 2)
			send := func(size int) connector.Result {
				m := &connector.Message{Topic: "t", Partition: connector.AnyPartition, Value: []byte(strings.Repeat("x", size)),
					Ack: func(_ *connector.Message, r connector.Result) { answered <- r }}
				if err := one.out.Publish(ctx, []*connector.Message{m}); err != nil {
					t.Fatal(err)
				}
				return <-answered
			}
			got := send(tc.size)
			if got.Outcome != tc.outcome || connector.KindOf(got.Err) != connector.TooLarge {
				t.Errorf("outcome %v, error %v", got.Outcome, got.Err)
			}
			if small := send(1); small.Err != nil {
				t.Error(small.Err)
			}
			others := int64(0)
			if tc.letters.Path != "" {
				// A topic that does not exist is the caller's word, not a wrong record.
				others = 1
				m := &connector.Message{Topic: "no-such", Partition: connector.AnyPartition, Value: []byte("x"), Ack: func(_ *connector.Message, r connector.Result) { answered <- r }}
				if err := one.out.Publish(ctx, []*connector.Message{m}); err != nil {
					t.Fatal(err)
				}
				if r := <-answered; r.Outcome != connector.Failed {
					t.Errorf("an unknown topic: %v %v", r.Outcome, r.Err)
				}
			}
			for _, err := range []error{one.exporter.Close(ctx), one.reader.Close(), one.Close()} {
				if err != nil {
					t.Error(err)
				}
			}
			dead := int64(0)
			if tc.outcome == connector.DeadLettered {
				dead = 1
			}
			if c := ledger.Counts(); c.Read != 2+others || c.Acknowledged != 1 || c.DeadLettered != dead || c.Failed != 1-dead+others {
				t.Errorf("counts %+v", c)
			}
			if tc.file != "" {
				text, err := os.ReadFile(tc.file)
				if err != nil || strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), "headrace.reason") {
					t.Errorf("%d bytes in %s: %v", len(text), tc.file, err)
				}
				if err := os.Remove(tc.file); err != nil {
					t.Error(err)
				}
			}
			if tc.topic {
				r := firstOf(t, ctx, k.ListenAddrs(), "dead")
				if len(r.Value) != tc.size || header(r, exporter.HeaderReason) != "too_large" || header(r, exporter.HeaderTopic) != "t" || header(r, exporter.HeaderPipeline) != httpLedger {
					t.Errorf("letter of %d bytes, headers %v", len(r.Value), r.Headers)
				}
			}
		})
	}
}

func firstOf(t *testing.T, ctx context.Context, addrs []string, topic string) *kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	records := client.PollFetches(ctx).Records()
	if len(records) == 0 {
		t.Fatal("there is no letter")
	}
	return records[0]
}

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}
