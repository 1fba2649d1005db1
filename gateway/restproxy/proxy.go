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
	"github.com/headrace/headrace/gateway/restproxy/admin"
	"github.com/headrace/headrace/gateway/restproxy/consume"
	"github.com/headrace/headrace/gateway/restproxy/produce"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
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
	// Schemas serves the formats with a Schema Registry; nil refuses them.
	Schemas Schemas
	// Page answers GET / to a browser; nil answers {} to it as well.
	Page http.Handler
	// SelfURL is where other servers of the default cluster reach this one, to
	// pass on calls of consumers that are here; nil, or forward_consumers:
	// false, passes nothing on.
	SelfURL func() string
	// Members is how the servers prove themselves to each other; nil passes
	// nothing on.
	Members *consume.Members
	// PeerTLS are the settings of calls to the others.
	PeerTLS *tls.Config
	// Ports are the listening ports by scheme, for links with host_name.
	Ports map[string]string
}

// Schemas is *schema.Schemas.
type Schemas interface {
	produce.Schemas
	consume.Decoder
}

// Proxy serves the endpoints and owns the consumers that clients made.
type Proxy struct {
	reads  *consume.Handler
	v2, v3 []route.Route
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
	if cfg.Forward && cfg.V2 && cfg.SelfURL != nil && cfg.Members != nil {
		r, err := cfg.Read(context.Background(), "")
		if err != nil {
			return nil, err
		}
		peers = r.NewRoster(PeerGroup)
	}
	p := &Proxy{reads: consume.New(consume.Config{
		Peers: peers, Members: cfg.Members, Self: cfg.SelfURL, PeerTLS: cfg.PeerTLS,
		Route: cfg.Read, Links: links, ID: cfg.ID, InstanceTimeout: time.Duration(cfg.ConsumerIdle), RequestTimeout: time.Duration(cfg.ConsumerWait),
		MaxBytes: int(cfg.ConsumerMaxBytes), MinBytes: &minBytes, Reset: cfg.ConsumerReset, NoAutoCommit: !cfg.ConsumerCommit, MaxInstances: cfg.MaxConsumers, Metadata: cfg.Metadata, Decoder: cfg.Schemas,
	})}
	all := admin.Routes(admin.Deps{Clusters: cfg.Clusters, Authority: cfg.Authority, Links: links, Page: cfg.Page})
	all = append(append(all, writes.Routes()...), p.reads.Routes()...)
	for _, r := range all {
		if isV3(r.Path) && !cfg.V3 || !isV3(r.Path) && !cfg.V2 {
			continue
		}
		if permitted(r.Name, cfg.Allow, cfg.Block) {
			r.Handler = bounded(r)
			r.Handler = limits.guard(r)
		} else {
			r.OwnTypes, r.Hidden, r.Handler = true, true, http.HandlerFunc(refuse)
		}
		if isV3(r.Path) {
			p.v3 = append(p.v3, r)
		} else {
			p.v2 = append(p.v2, r)
		}
	}
	return p, nil
}

// Tables are the endpoints of v2 and of v3, at their paths and under Prefix.
// Endpoints that are not permitted are in them and hidden.
func (p *Proxy) Tables() []route.Table {
	prefixes := []string{"", Prefix}
	return []route.Table{
		{Routes: p.v2, Prefixes: prefixes, Refuse: wire.Refuse, Error: route.Response{Value: wire.Error{}, Types: []string{wire.V2, wire.JSON}}},
		{Routes: p.v3, Prefixes: prefixes, Refuse: wire.Refuse, Error: route.Response{Value: wire.Error{}}},
	}
}

// Close closes all consumers within ctx.
func (p *Proxy) Close(ctx context.Context) error { return p.reads.Close(ctx) }
