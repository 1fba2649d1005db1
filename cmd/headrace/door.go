package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/connector/exporter"
	"github.com/headrace/headrace/connector/kafka"
	kafkaadmin "github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/connector/schema"
	"github.com/headrace/headrace/gateway"
	"github.com/headrace/headrace/gateway/openapi"
	"github.com/headrace/headrace/gateway/restproxy"
	"github.com/headrace/headrace/gateway/restproxy/admin"
	"github.com/headrace/headrace/gateway/restproxy/kafkarest"
	restschemas "github.com/headrace/headrace/gateway/restproxy/schemas"
	"github.com/headrace/headrace/pipelines"
)

// httpLedger is the name under which records posted over HTTP are counted.
const httpLedger = "http"

// httpBatch bounds the records of one Write from a request; callers share the
// producer's batches anyway.
const httpBatch = 5000

// httpSettings are what the http section of the project file says.
type httpSettings struct {
	gateway.Config
	rest      restproxy.Settings
	kafkaRest *kafkarest.Config // nil when nothing of it is given
}

// httpConfig decodes the http section of the project file, and what was said
// in the ways of kafka-rest.
func (a *app) httpConfig(p *pipelines.Project) (httpSettings, config.Problems) {
	cfg := httpSettings{Config: gateway.DefaultConfig(), rest: restproxy.DefaultSettings()}
	if p == nil || p.HTTP.Kind() == config.Null {
		return a.withKafkaRest(cfg)
	}
	problems := p.HTTP.Named("http").Decode(&cfg.Config, "rest_proxy")
	if rest := p.HTTP.Get("rest_proxy"); rest.Kind() != config.Null {
		problems = append(problems, rest.Named("http.rest_proxy").Decode(&cfg.rest)...)
	}
	config.ResolvePaths(&cfg.Config, p.Dir)
	if len(problems) == 0 {
		for _, f := range cfg.CheckFiles() {
			section := p.HTTP.Get("tls")
			at := section.Get(strings.TrimPrefix(f.Path, "tls."))
			if at.Kind() == config.Null {
				at = section
			}
			problems = append(problems, at.Problem("http.%s: %s", f.Path, f.Message))
		}
	}
	cfg, more := a.withKafkaRest(cfg)
	return cfg, append(problems, more...)
}

// door is the HTTP server with everything behind it.
type door struct {
	server   *gateway.Server
	clusters []*served
	rest     *restproxy.Proxy // nil without clusters
	registry *schema.Registry // nil without schema_registry
	log      *slog.Logger
}

// served is one cluster as the HTTP API serves it.
type served struct {
	*kafka.Cluster
	exporter *exporter.Exporter
	out      connector.Publisher
	reader   *reader.Reader
}

// openDoor builds the server and starts listening.
func (a *app) openDoor(p *pipelines.Project, s *pipelines.Supervisor, log *slog.Logger) (*door, error) {
	cfg, problems := a.httpConfig(p)
	if len(problems) > 0 {
		return nil, problems
	}
	if cfg.kafkaRest != nil && cfg.kafkaRest.Warning != "" {
		log.Warn("some keys of kafka-rest have no effect here", "keys", cfg.kafkaRest.Warning)
	}
	clusters, err := cfg.clusters(p)
	if err != nil {
		return nil, &exit{exitBadConfig, err}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), s)
	d := &door{server: gateway.New(cfg.Config, log), log: log}
	registry.MustRegister(d.server)
	d.server.Gatherer, d.server.Info = registry, openapi.Info{Title: "Headrace", Version: version}
	admins := make(admin.Fixed, 0, len(clusters))
	for _, c := range clusters {
		one, err := serveCluster(c, cfg.producer(c.Name), s.Ledger(httpLedger), prometheus.WrapRegistererWith(prometheus.Labels{"cluster": c.Name}, registry), log)
		if err != nil {
			return nil, &exit{exitBadConfig, err}
		}
		d.clusters = append(d.clusters, one)
		admins = append(admins, kafkaadmin.New(one.Cluster))
	}
	d.server.Ready = d.ready
	if err := d.server.Listen(); err != nil {
		return nil, &exit{exitFailed, err}
	}
	if len(d.clusters) > 0 {
		if err := d.openRegistry(cfg.registry(p.Registry), registry); err != nil {
			return nil, err
		}
		if err := d.mountRESTProxy(cfg, admins); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func serveCluster(c pipelines.Cluster, settings kafka.ProducerSettings, ledger *connector.Ledger, reg prometheus.Registerer, log *slog.Logger) (*served, error) {
	cluster, err := kafka.NewCluster(c.Name, c.Settings, log)
	if err != nil {
		return nil, err
	}
	sink, err := cluster.NewProducer(settings, "", reg)
	if err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	if _, err := block.Register(reg, cluster.Collectors()); err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	// Without the name of a block, as clients know nothing of blocks.
	e := exporter.New(sink, exporter.Config{BatchSize: httpBatch, Concurrent: true, Log: log.With("cluster", c.Name),
		Origin: exporter.Origin{Pipeline: httpLedger}})
	return &served{Cluster: cluster, exporter: e, out: ledger.Watch(e), reader: reader.New(cluster, log)}, nil
}

// openRegistry opens the project's Schema Registry, if it has one.
func (d *door) openRegistry(s schema.Settings, reg prometheus.Registerer) (err error) {
	if s.IsZero() {
		return nil
	}
	if d.registry, err = schema.Open("schema_registry", s, reg, d.log); err != nil {
		return &exit{exitBadConfig, err}
	}
	return nil
}

// mountRESTProxy serves the Kafka REST Proxy's v2 and v3 on the clusters.
func (d *door) mountRESTProxy(cfg httpSettings, admins admin.Fixed) error {
	rc := restproxy.Config{Settings: cfg.rest, Clusters: admins, Publish: d.route, Read: d.read,
		SelfURL: func() string { return d.selfURL(&cfg.rest) }}
	var err error
	if rc.PeerTLS, err = cfg.Peer(); err != nil {
		return &exit{exitBadConfig, err}
	}
	if d.registry != nil {
		a := restschemas.New(d.registry.Schemas)
		rc.Schemas, rc.Decoder = a, a
	}
	if _, port, err := net.SplitHostPort(d.server.Addr().String()); err == nil {
		rc.Ports = map[string]string{d.server.Scheme(): port}
	}
	rest, err := restproxy.New(rc)
	if err != nil {
		return &exit{exitBadConfig, err}
	}
	d.rest = rest
	if _, err := d.server.Mount(rest.Tables()); err != nil {
		return &exit{exitBadConfig, err}
	}
	return nil
}

// Addr is the URL of the server.
func (d *door) Addr() string { return d.server.URL() }

// ready reports whether the default cluster can be reached.
func (d *door) ready(ctx context.Context) error {
	if len(d.clusters) == 0 {
		return nil
	}
	_, err := d.clusters[0].ID(ctx)
	return err
}

// route returns where the records of a cluster go. One cluster serves every
// id, as the original does; several go by their ids.
func (d *door) route(ctx context.Context, id string) (connector.Publisher, error) {
	if id == "" || len(d.clusters) == 1 {
		return d.clusters[0].out, nil
	}
	c, err := admin.ByID(ctx, d.clusters, id)
	if err != nil {
		return nil, err
	}
	return c.out, nil
}

// read returns the reader of a cluster.
func (d *door) read(ctx context.Context, id string) (*reader.Reader, error) {
	if id == "" {
		return d.clusters[0].reader, nil
	}
	c, err := admin.ByID(ctx, d.clusters, id)
	if err != nil {
		return nil, err
	}
	return c.reader, nil
}

// Run serves until soft ends, finishes open requests, and closes the clusters;
// hard bounds that.
func (d *door) Run(soft, hard context.Context) error {
	err := d.server.Run(soft)
	if d.rest != nil {
		err = errors.Join(err, d.rest.Close(hard))
	}
	if d.registry != nil {
		err = errors.Join(err, d.registry.Close())
	}
	for _, c := range d.clusters {
		err = errors.Join(err, c.exporter.Close(hard), c.reader.Close(), c.Close())
	}
	return err
}
