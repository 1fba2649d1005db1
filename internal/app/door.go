package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/connector/exporter"
	"github.com/headrace/headrace/connector/kafka"
	kafkaadmin "github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/connector/schema"
	"github.com/headrace/headrace/gateway/restproxy"
	"github.com/headrace/headrace/gateway/restproxy/admin"
	"github.com/headrace/headrace/gateway/route"
	"github.com/headrace/headrace/pipelines"
)

// httpLedger is the name under which records posted over HTTP are counted.
const httpLedger = "http"

// httpBatch bounds the records of one Write from a request; callers share the
// producer's batches anyway.
const httpBatch = 5000

// door is what stands behind the HTTP server: clusters, a Schema Registry and
// the REST proxy on them. One that replaces another takes over what is the
// same.
type door struct {
	key      string // fingerprint of everything
	clusters []*served
	registry *registry        // nil without schema_registry
	rest     *restproxy.Proxy // nil without clusters
}

// served is one cluster as the HTTP API serves it.
type served struct {
	*kafka.Cluster
	name, key string
	metrics   *prometheus.Registry
	exporter  *exporter.Exporter
	out       connector.Publisher
	reader    *reader.Reader
}

// registry is the Schema Registry of the HTTP API.
type registry struct {
	*schema.Registry
	key     string
	metrics *prometheus.Registry
}

// place is where the server is or will be.
type place interface {
	Addr() net.Addr
	Scheme() string
}

// openDoor opens what s says, with what old has of it; it is old itself when
// nothing is another. It needs no network.
func (d *Daemon) openDoor(s *Settings, at place, old *door) (*door, error) {
	clusters, err := s.HTTP.clusters(s.Project)
	if err != nil {
		return nil, &BadConfig{err}
	}
	if old == nil {
		old = &door{}
	}
	next := &door{}
	if err = d.openAll(next, old, s, clusters); err == nil && next.key == old.key && at.Addr().String() == d.server.Addr().String() {
		return old, nil
	}
	if err == nil && len(next.clusters) > 0 {
		next.rest, err = d.openREST(next, &s.HTTP, at)
	}
	if err != nil {
		return nil, errors.Join(&BadConfig{err}, next.close(d.env.Hard, old))
	}
	return next, nil
}

// openAll opens the clusters and the registry of next, and gives it its key.
func (d *Daemon) openAll(next, old *door, s *Settings, clusters []pipelines.Cluster) error {
	keys := []any{s.HTTP.rest, s.HTTP.peers, s.HTTP.TLS}
	for _, c := range clusters {
		key := config.Fingerprint(c.Name, c.Settings, s.HTTP.producer(c.Name), s.HTTP.letters)
		i := slices.IndexFunc(old.clusters, func(c *served) bool { return c.key == key })
		keys = append(keys, key)
		if i >= 0 {
			next.clusters = append(next.clusters, old.clusters[i])
			continue
		}
		one, err := serveCluster(c, &s.HTTP, s.Project.StateDir(), d.pipelines.Ledger(httpLedger), d.env.Log)
		if err != nil {
			return err
		}
		one.name, one.key = c.Name, key
		next.clusters = append(next.clusters, one)
	}
	if r := s.HTTP.registry(s.Project.Registry); !r.IsZero() && len(clusters) > 0 {
		key := config.Fingerprint(r)
		keys = append(keys, key)
		if next.registry = old.registry; next.registry == nil || next.registry.key != key {
			opened, err := openRegistry(r, d.env.Log)
			if next.registry = opened; err != nil {
				return err
			}
			opened.key = key
		}
	}
	next.key = config.Fingerprint(keys...)
	return nil
}

func serveCluster(c pipelines.Cluster, cfg *HTTP, stateDir string, ledger *connector.Ledger, log *slog.Logger) (*served, error) {
	cluster, err := kafka.NewCluster(c.Name, c.Settings, log)
	if err != nil {
		return nil, err
	}
	metrics := prometheus.NewRegistry()
	sink, err := cluster.NewProducer(cfg.producer(c.Name), "")
	if err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	if _, err := block.Register(prometheus.WrapRegistererWith(prometheus.Labels{"cluster": c.Name}, metrics), cluster.Collectors()); err != nil {
		return nil, errors.Join(err, sink.Close(context.Background()), cluster.Close())
	}
	dead, err := letters(cfg.letters, cluster, c.Name, stateDir, log)
	if err != nil {
		return nil, errors.Join(err, sink.Close(context.Background()), cluster.Close())
	}
	// Without the name of a block, as clients know nothing of blocks.
	e := exporter.New(sink, exporter.Config{BatchSize: httpBatch, Concurrent: true, Log: log.With("cluster", c.Name),
		Origin: exporter.Origin{Pipeline: httpLedger}, DeadLetter: dead})
	return &served{Cluster: cluster, metrics: metrics, exporter: e, out: ledger.Watch(e), reader: reader.New(cluster, log)}, nil
}

func openRegistry(s schema.Settings, log *slog.Logger) (*registry, error) {
	metrics := prometheus.NewRegistry()
	open, err := schema.Open("schema_registry", s, metrics, log)
	if err != nil {
		return nil, err
	}
	return &registry{Registry: open, metrics: metrics}, nil
}

// openREST makes the Kafka REST Proxy of v2 and v3 on the clusters of o.
func (d *Daemon) openREST(o *door, cfg *HTTP, at place) (*restproxy.Proxy, error) {
	admins := make(admin.Fixed, 0, len(o.clusters))
	for _, c := range o.clusters {
		admins = append(admins, kafkaadmin.New(c.Cluster))
	}
	rest := cfg.rest
	rc := restproxy.Config{Settings: rest, Clusters: admins, Publish: o.route, Read: o.read,
		SelfURL: func() string { return selfURL(&rest, d.server) }}
	var err error
	if rest.Forward {
		if rc.Members, err = cfg.peers.members(at.Addr().String()); err != nil {
			d.env.Log.Warn("calls of consumers are not passed on to other servers: there is no secret of this machine; set http.peers", "error", err)
		}
	}
	if rc.PeerTLS, err = cfg.Peer(); err != nil {
		return nil, err
	}
	if o.registry != nil {
		rc.Schemas = o.registry.Schemas
	}
	if _, port, err := net.SplitHostPort(at.Addr().String()); err == nil {
		rc.Ports = map[string]string{at.Scheme(): port}
	}
	return restproxy.New(rc)
}

// tables are the endpoints of the door.
func (o *door) tables() []route.Table {
	if o.rest == nil {
		return nil
	}
	return o.rest.Tables()
}

// metrics are those of clusters and of the registry.
func (o *door) metrics() (all []prometheus.Gatherer) {
	for _, c := range o.clusters {
		all = append(all, c.metrics)
	}
	if o.registry != nil {
		all = append(all, o.registry.metrics)
	}
	return all
}

// route returns where the records of a cluster go. One cluster serves every
// id, as the original does; several go by their ids.
func (o *door) route(ctx context.Context, id string) (connector.Publisher, error) {
	if id == "" || len(o.clusters) == 1 {
		return o.clusters[0].out, nil
	}
	c, err := admin.ByID(ctx, o.clusters, id)
	if err != nil {
		return nil, err
	}
	return c.out, nil
}

// read returns the reader of a cluster.
func (o *door) read(ctx context.Context, id string) (*reader.Reader, error) {
	if id == "" {
		return o.clusters[0].reader, nil
	}
	c, err := admin.ByID(ctx, o.clusters, id)
	if err != nil {
		return nil, err
	}
	return c.reader, nil
}

// close delivers what was accepted, which hard bounds, and closes all that kept,
// which may be nil, has not taken over.
func (o *door) close(hard context.Context, kept *door) (err error) {
	if kept == nil {
		kept = &door{}
	}
	if o.rest != nil && o.rest != kept.rest {
		err = errors.Join(err, o.rest.Close(hard))
	}
	if o.registry != nil && o.registry != kept.registry {
		err = errors.Join(err, o.registry.Close())
	}
	for _, c := range o.clusters {
		if !slices.Contains(kept.clusters, c) {
			err = errors.Join(err, c.exporter.Close(hard), c.reader.Close(), c.Close())
		}
	}
	return err
}
