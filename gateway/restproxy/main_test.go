package restproxy

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rcrowley/go-metrics"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/exporter"
	"github.com/headrace/headrace/connector/kafka"
	kafkaadmin "github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/gateway"
	"github.com/headrace/headrace/gateway/restproxy/admin"
)

func TestMain(m *testing.M) {
	metrics.UseNilMetrics = true // else the client library keeps a ticker
	goleak.VerifyTestMain(m)
}

// proxy is the whole REST proxy, as the daemon serves it, on a broker in this
// process.
type proxy struct {
	t       testing.TB
	url     string
	proxy   *Proxy
	server  *gateway.Server
	cluster *kafka.Cluster
}

// broker starts Kafka with the topic t of two partitions.
func broker(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(2, "t"), kfake.ClusterID("C")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// serve serves bootstrap; change may alter the configuration.
func serve(t testing.TB, bootstrap []string, change func(*Config)) *proxy {
	t.Helper()
	return serveWith(t, gateway.DefaultConfig(), bootstrap, change)
}

func serveWith(t testing.TB, http gateway.Config, bootstrap []string, change func(*Config)) *proxy {
	t.Helper()
	p := &proxy{t: t}
	var err error
	if p.cluster, err = kafka.NewCluster("main", kafka.Settings{BootstrapServer: bootstrap, SecurityProtocol: "PLAINTEXT"}, nil); err != nil {
		t.Fatal(err)
	}
	sink, err := p.cluster.NewProducer(kafka.DefaultProducerSettings(), "")
	if err != nil {
		t.Fatal(err)
	}
	e := exporter.New(sink, exporter.Config{BatchSize: 5000, Concurrent: true})
	r := reader.New(p.cluster, nil)
	cfg := Config{Settings: DefaultSettings(), Clusters: admin.Fixed{kafkaadmin.New(p.cluster)},
		Publish: func(context.Context, string) (connector.Publisher, error) { return e, nil },
		Read:    func(context.Context, string) (*reader.Reader, error) { return r, nil }}
	if change != nil {
		change(&cfg)
	}
	if faults := cfg.Validate(); len(faults) > 0 {
		t.Fatal(faults)
	}
	if p.proxy, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	p.server = gateway.New(http, nil)
	if _, err := p.server.Mount(p.proxy.Tables()); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(p.server.Handler())
	p.url = srv.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for _, err := range []error{p.proxy.Close(ctx), e.Close(ctx), r.Close(), p.cluster.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
		srv.Close()
		client.CloseIdleConnections()
	})
	return p
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 30 * time.Second}

// call asks the proxy; header holds names and values in turn.
func (p *proxy) call(method, path, body string, header ...string) (int, string, http.Header) {
	p.t.Helper()
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

const (
	jsonV2   = "application/vnd.kafka.json.v2+json"
	binaryV2 = "application/vnd.kafka.binary.v2+json"
	plain    = "application/json"
	typeV2   = "application/vnd.kafka.v2+json"
)
