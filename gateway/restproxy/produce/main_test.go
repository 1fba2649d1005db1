package produce

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kafkaPublisher publishes through a real client, so that acknowledgements
// come from other goroutines, batched and late, as they do in production.
type kafkaPublisher struct{ client *kgo.Client }

func (p kafkaPublisher) Publish(ctx context.Context, batch []*connector.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, m := range batch {
		r := &kgo.Record{Topic: m.Topic, Partition: m.Partition, Key: m.Key, Value: m.Value, Timestamp: m.Time}
		for _, h := range m.Headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		p.client.Produce(context.WithoutCancel(ctx), r, func(r *kgo.Record, err error) {
			if err != nil {
				m.Finish(connector.Result{Outcome: connector.Failed, Offset: -1, Err: connector.Errorf(kindOf(err), "producing to %s: %w", r.Topic, err)})
				return
			}
			m.Finish(connector.Result{Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli()})
		})
	}
	return nil
}

func kindOf(err error) connector.Kind {
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition), strings.Contains(err.Error(), "partition"):
		return connector.NotFound
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return connector.Denied
	case errors.Is(err, kerr.MessageTooLarge):
		return connector.TooLarge
	case errors.Is(err, kgo.ErrRecordTimeout), errors.Is(err, kerr.NotEnoughReplicas):
		return connector.Unavailable
	}
	return connector.Unknown
}

type explicit struct{ kgo.Partitioner }

type explicitTopic struct{}

func (explicit) ForTopic(string) kgo.TopicPartitioner { return explicitTopic{} }

func (explicitTopic) RequiresConsistency(*kgo.Record) bool { return true }
func (explicitTopic) Partition(r *kgo.Record, n int) int {
	if r.Partition >= 0 {
		return int(r.Partition)
	}
	return 0 // predictable answers
}

// broker starts an in-process Kafka with topic t (2 partitions) and returns a
// client of it.
func broker(t testing.TB, opts ...kfake.Opt) (*kfake.Cluster, *kgo.Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(2, "t")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(explicit{}),
		kgo.UnknownTopicRetries(0), kgo.ProducerLinger(0), kgo.ProducerBatchMaxBytes(1<<20), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return cluster, client
}

// serve starts a gateway with the produce endpoints and returns its URL.
func serve(t testing.TB, cfg Config) string {
	t.Helper()
	s := gateway.New(gateway.DefaultConfig(), nil)
	h := New(cfg)
	if _, err := s.Mount([]route.Table{{Routes: h.Routes(), Refuse: wire.Refuse}}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		srv.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return srv.URL
}

func post(t testing.TB, url, contentType, body string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

// consume reads n records of partition 0 of topic t.
func consume(t testing.TB, cluster *kfake.Cluster, n int) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var out []*kgo.Record
	for len(out) < n {
		f := client.PollFetches(ctx)
		if err := f.Err0(); err != nil {
			t.Fatal(err)
		}
		out = append(out, f.Records()...)
	}
	return out
}
