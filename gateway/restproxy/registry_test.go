package restproxy_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/exporter"
	"github.com/headrace/headrace/connector/kafka"
	kafkaadmin "github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/connector/schema"
	"github.com/headrace/headrace/gateway"
	"github.com/headrace/headrace/gateway/restproxy"
	"github.com/headrace/headrace/gateway/restproxy/admin"
)

// proxy is the whole REST proxy on a broker and a registry in this process.
type proxy struct {
	t        testing.TB
	url      string
	client   *http.Client
	registry *srfake.Registry
}

func serve(t testing.TB) *proxy {
	t.Helper()
	r := srfake.New()
	t.Cleanup(r.Close)
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t", "p", "j", "r"), kfake.ClusterID("C"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	p := &proxy{t: t, client: &http.Client{Transport: &http.Transport{}}, registry: r}
	p.on(k.ListenAddrs(), r.URL())
	return p
}

// on serves a broker and a registry.
func (p *proxy) on(bootstrap []string, registryURL string) {
	t := p.t
	t.Helper()
	cluster, err := kafka.NewCluster("main", kafka.Settings{BootstrapServer: bootstrap, SecurityProtocol: "PLAINTEXT"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sink, err := cluster.NewProducer(kafka.DefaultProducerSettings(), "")
	if err != nil {
		t.Fatal(err)
	}
	e := exporter.New(sink, exporter.Config{BatchSize: 5000, Concurrent: true})
	read := reader.New(cluster, nil)
	client, err := schema.New(schema.Config{URLs: []string{registryURL}, HTTP: p.client})
	if err != nil {
		t.Fatal(err)
	}
	rest, err := restproxy.New(restproxy.Config{Settings: restproxy.DefaultSettings(), Clusters: admin.Fixed{kafkaadmin.New(cluster)},
		Publish: func(context.Context, string) (connector.Publisher, error) { return e, nil },
		Read:    func(context.Context, string) (*reader.Reader, error) { return read, nil },
		Schemas: schema.NewSchemas(client, schema.Limits{})})
	if err != nil {
		t.Fatal(err)
	}
	server := gateway.New(gateway.DefaultConfig(), nil)
	if _, err := server.Mount(rest.Tables()); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(server.Handler())
	p.url = srv.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for _, err := range []error{rest.Close(ctx), e.Close(ctx), read.Close(), cluster.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
		srv.Close()
		p.client.CloseIdleConnections()
	})
}

// call asks the proxy; kind is the Content-Type of a body, else what is accepted.
func (p *proxy) call(method, path, kind, body string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", kind)
	} else {
		req.Header.Set("Accept", kind)
	}
	res, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(b))
}

func v2(format string) string { return "application/vnd.kafka." + format + ".v2+json" }
