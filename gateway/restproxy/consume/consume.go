// Package consume is the reading half of the Kafka REST Proxy: the consumers
// of v2, whose state lives here until they are deleted or idle for too long,
// and reads of v3 that need no state at all.
package consume

import (
	"context"
	"crypto/tls"
	"sync"
	"time"

	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// Config bounds the endpoints. Zero values mean the defaults, which are those
// of the original.
type Config struct {
	// Route returns the reader of a cluster: id is the cluster id of a v3
	// path, "" for v2 and so for the default cluster.
	Route func(ctx context.Context, id string) (*reader.Reader, error)
	// Links say what base_uri and the links of answers begin with.
	Links wire.LinkOptions
	// ID is part of automatic instance names (id).
	ID string
	// InstanceTimeout closes a consumer without a call
	// (consumer.instance.timeout.ms, 5 min).
	InstanceTimeout time.Duration
	// RequestTimeout is the longest wait of a read
	// (consumer.request.timeout.ms, 1 s).
	RequestTimeout time.Duration
	// MaxBytes bounds the keys and values of an answer
	// (consumer.request.max.bytes, 64 MiB).
	MaxBytes int
	// MinBytes lets a read return early (fetch.min.bytes); nil is -1, which
	// waits the whole time.
	MinBytes *int
	// Reset and NoAutoCommit are what holds for consumers that do not say it
	// (consumer.auto.offset.reset, consumer.enable.auto.commit); "" is latest.
	Reset        string
	NoAutoCommit bool
	// MaxInstances bounds the consumers that exist at once (10000).
	MaxInstances int
	// Metadata adds headers and timestamps to v2's records, which the original
	// has not. A request may choose with metadata=true or false.
	Metadata bool
	// Peers finds the other servers of the cluster, so that a call of a
	// consumer that one of them has is passed on to it; nil passes nothing on.
	// Self is the URL that they reach this one at; it is asked for with the
	// first consumer.
	Peers   Peers
	Members *Members // how they prove themselves; nil passes nothing on
	Self    func() string
	PeerTLS *tls.Config // of calls to the others; nil trusts the system's CAs
	// Decoder reads the formats with a Schema Registry; nil refuses them.
	Decoder Decoder
}

// Decoder is *schema.Schemas: it appends the JSON of bytes in a Schema
// Registry's wire format to dst. It is safe for concurrent use.
type Decoder interface {
	Decode(ctx context.Context, dst, data []byte) (json []byte, err error)
}

func (c Config) withDefaults() Config {
	if c.InstanceTimeout <= 0 {
		c.InstanceTimeout = 5 * time.Minute
	}
	if c.RequestTimeout <= 0 {
		c.RequestTimeout = time.Second
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 64 << 20
	}
	if c.MinBytes == nil {
		wait := -1
		c.MinBytes = &wait
	}
	if c.MaxInstances <= 0 {
		c.MaxInstances = 10_000
	}
	return c
}

// Handler serves the endpoints and owns the consumers that clients made.
type Handler struct {
	cfg Config

	mu        sync.Mutex
	instances map[instanceKey]*instance
	closed    bool
	closing   sync.WaitGroup
	forward   *forwarder // nil without peers
}

// New returns a Handler; cfg.Route is required.
func New(cfg Config) *Handler {
	h := &Handler{cfg: cfg.withDefaults(), instances: map[instanceKey]*instance{}}
	if cfg.Peers != nil && cfg.Self != nil && cfg.Members != nil {
		h.forward = newForwarder(cfg.Peers, cfg.Members, cfg.Self, cfg.PeerTLS)
	}
	return h
}

// Close closes all consumers: positions are stored where that is automatic,
// and their groups are left. It waits for them within ctx.
func (h *Handler) Close(ctx context.Context) error {
	if h.forward != nil {
		defer h.forward.close()
	}
	h.mu.Lock()
	h.closed = true
	all := h.instances
	h.instances = map[instanceKey]*instance{}
	for _, in := range all {
		h.closing.Add(1)
		go func() {
			defer h.closing.Done()
			in.close(ctx)
		}()
	}
	h.mu.Unlock()
	done := make(chan struct{})
	go func() {
		h.closing.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Instances is the number of consumers that exist now.
func (h *Handler) Instances() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.instances)
}
