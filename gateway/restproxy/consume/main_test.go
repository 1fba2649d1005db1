package consume

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/connector/kafka/broker"
	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/gateway"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

var _ broker.Cluster = (*kafka.Cluster)(nil)

type proxy struct {
	t       testing.TB
	url     string
	handler *Handler
	cluster *kafka.Cluster
	client  *kgo.Client
}

// serve runs the endpoints on a cluster with topic t (2 partitions).
func serve(t testing.TB, cfg Config) *proxy {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return serveOn(t, cfg, k.ListenAddrs())
}

// serveOn is serve for a cluster that exists.
func serveOn(t testing.TB, cfg Config, bootstrap []string) *proxy {
	t.Helper()
	cluster, err := kafka.NewCluster("main", kafka.Settings{BootstrapServer: bootstrap, SecurityProtocol: "PLAINTEXT"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Close() })
	r := reader.New(cluster, nil)
	t.Cleanup(func() { _ = r.Close() })
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	cfg.Route = func(_ context.Context, id string) (*reader.Reader, error) {
		if id != "" && id != "C" {
			return nil, wire.UnknownCluster(id)
		}
		return r, nil
	}
	h := New(cfg)
	s := gateway.New(gateway.DefaultConfig(), nil)
	if _, err := s.Mount([]route.Table{{Routes: h.Routes(), Refuse: wire.Refuse}}); err != nil {
		t.Fatal(err)
	}
	url := serveHandler(t, s.Handler())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return &proxy{t, url, h, cluster, client}
}

func (p *proxy) write(partition int32, values ...string) {
	p.t.Helper()
	for _, v := range values {
		r := &kgo.Record{Topic: "t", Partition: partition, Value: []byte(v), Timestamp: time.UnixMilli(1700000000000)}
		if v == "null" {
			r.Key, r.Value = []byte("k"), nil
		}
		if err := p.client.ProduceSync(p.t.Context(), r).FirstErr(); err != nil {
			p.t.Fatal(err)
		}
	}
}

// call makes a request; accept may be empty.
func (p *proxy) call(method, path, accept, body string) (int, string, http.Header) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/vnd.kafka.v2+json")
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, strings.ReplaceAll(string(b), p.url, "URL"), res.Header
}

// want makes a request and compares status and body.
func (p *proxy) want(method, path, body string, status int, answer string) {
	p.t.Helper()
	if code, got, _ := p.call(method, path, "", body); code != status || got != answer {
		p.t.Errorf("%s %s %s: got %d %s, want %d %s", method, path, body, code, got, status, answer)
	}
}

// poll reads until n records came and returns them as they were written.
func (p *proxy) poll(instance, accept string, n int) []string {
	p.t.Helper()
	var out []string
	for deadline := time.Now().Add(20 * time.Second); len(out) < n && time.Now().Before(deadline); {
		code, body, _ := p.call("GET", instance+"/records?timeout=500", accept, "")
		var records []json.RawMessage
		if err := json.Unmarshal([]byte(body), &records); code != 200 || err != nil {
			p.t.Fatalf("%d %s", code, body)
		}
		for _, r := range records {
			out = append(out, string(r))
		}
	}
	if len(out) != n {
		p.t.Fatalf("got %d records, want %d: %s", len(out), n, out)
	}
	return out
}

func serveHandler(t testing.TB, h http.Handler) (url string) {
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		srv.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return srv.URL
}
