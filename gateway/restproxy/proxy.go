// Package restproxy is the Kafka REST Proxy as a whole: one table of endpoints
// made of its parts (administration, producing, consuming), with the settings
// that concern them all: which endpoints are served, what links begin with,
// and how many requests there may be.
package restproxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/gateway/openapi"
	"github.com/headrace/headrace/gateway/restproxy/admin"
	"github.com/headrace/headrace/gateway/restproxy/consume"
	"github.com/headrace/headrace/gateway/restproxy/produce"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

var errNoHost = errors.New("there is no scheme or host")

// Prefix is where everything is served a second time: servers that embed the
// original have it.
const Prefix = "/kafka"

// PeerGroup is the consumer group whose members are the servers of a cluster;
// nobody reads in it.
const PeerGroup = "_headrace_gateways"

// Config is what the endpoints need.
type Config struct {
	Settings
	// Clusters are those of the administrative endpoints; Publish and Read are
	// where records go to and come from, by the cluster id of a v3 path, ""
	// for v2.
	Clusters admin.Clusters
	Publish  func(ctx context.Context, id string) (connector.Publisher, error)
	Read     func(ctx context.Context, id string) (*reader.Reader, error)
	// Schemas and Decoder serve the formats with a Schema Registry; nil
	// refuses them.
	Schemas produce.Schemas
	Decoder consume.Decoder
	// Page answers GET / to a browser; nil answers {} to it as well.
	Page http.Handler
	// SelfURL is where other servers of the default cluster reach this one, to
	// pass on calls of consumers that are here; nil, or forward_consumers:
	// false, passes nothing on.
	SelfURL func() string
	// PeerTLS are the settings of calls to the others.
	PeerTLS *tls.Config
	// Ports are the listening ports by scheme, for links with host_name.
	Ports map[string]string
}

// Proxy serves the endpoints and owns the consumers that clients made.
type Proxy struct {
	reads  *consume.Handler
	routes []openapi.Route // served and refused
	served []openapi.Route
}

// New returns a Proxy. The settings must be valid.
func New(cfg Config) (*Proxy, error) {
	links := wire.LinkOptions{HostName: cfg.HostName, Ports: cfg.Ports}
	var err error
	if links.Advertised, err = cfg.advertised(); err != nil {
		return nil, err
	}
	if links.Trusted, err = cfg.trusted(); err != nil {
		return nil, err
	}
	limits := newLimits(cfg.Requests, cfg.Settings.Records)
	writes := produce.New(produce.Config{
		Route: cfg.Publish, Schemas: cfg.Schemas, MaxBatchEntries: cfg.MaxBatchEntries, MaxRecordBytes: int(cfg.MaxRecordBytes),
		StreamMax: time.Duration(cfg.StreamMax), StreamGrace: time.Duration(cfg.StreamGrace), DefaultFormat: cfg.DefaultFormat,
		FailedStatus: cfg.FailedStatus, Metadata: cfg.Metadata, NullIsTombstone: cfg.NullIsTombstone, Limit: limits.records(),
	})
	minBytes := cfg.ConsumerMinBytes
	var peers consume.Peers
	if cfg.Forward && cfg.V2 && cfg.SelfURL != nil {
		r, err := cfg.Read(context.Background(), "")
		if err != nil {
			return nil, err
		}
		peers = r.NewRoster(PeerGroup)
	}
	p := &Proxy{reads: consume.New(consume.Config{
		Peers: peers, Self: cfg.SelfURL, PeerTLS: cfg.PeerTLS,
		Route: cfg.Read, Links: links, ID: cfg.ID, InstanceTimeout: time.Duration(cfg.ConsumerIdle), RequestTimeout: time.Duration(cfg.ConsumerWait),
		MaxBytes: int(cfg.ConsumerMaxBytes), MinBytes: &minBytes, Reset: cfg.ConsumerReset, NoAutoCommit: !cfg.ConsumerCommit, MaxInstances: cfg.MaxConsumers, Metadata: cfg.Metadata, Decoder: cfg.Decoder,
	})}
	all := admin.Routes(admin.Deps{Clusters: cfg.Clusters, Authority: cfg.Authority, Links: links, Page: cfg.Page})
	all = append(append(all, writes.Routes()...), p.reads.Routes()...)
	for _, r := range all {
		if isV3(r.Path) && !cfg.V3 || !isV3(r.Path) && !cfg.V2 {
			continue
		}
		if !permitted(r.Name, cfg.Allow, cfg.Block) {
			r.OwnTypes, r.Handler = true, http.HandlerFunc(refuse)
			p.routes = append(p.routes, r)
			continue
		}
		p.served = append(p.served, r)
		r.Handler = limits.guard(r)
		p.routes = append(p.routes, r)
	}
	return p, nil
}

// Routes are the endpoints that are served, for the API's description.
func (p *Proxy) Routes() []openapi.Route { return p.served }

// Mount serves the endpoints on mux, at their paths and under Prefix.
func (p *Proxy) Mount(mux openapi.Mux) {
	openapi.Mount(mux, "", p.routes...)
	openapi.Mount(mux, Prefix, p.routes...)
}

// Consumers is the number of consumers that exist now.
func (p *Proxy) Consumers() int { return p.reads.Instances() }

// Close closes all consumers within ctx.
func (p *Proxy) Close(ctx context.Context) error { return p.reads.Close(ctx) }
