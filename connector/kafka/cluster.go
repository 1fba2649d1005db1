package kafka

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/bounded"
	"github.com/headrace/headrace/connector/kafka/producer"
	"github.com/headrace/headrace/internal/backoff"
)

// The longest that opening a cluster takes: a dead broker or wrong credentials
// are known within it.
const (
	// OpenTimeout leaves room to answer an HTTP client within five seconds.
	OpenTimeout = 4 * time.Second
	// RunOpenTimeout is that of pipelines, where a slow broker is better waited
	// for than a run failed.
	RunOpenTimeout = 15 * time.Second
)

// Cluster is a lazily opened, shared connection to one Kafka cluster. It is
// safe for concurrent use.
type Cluster struct {
	name     string
	settings Settings
	log      *slog.Logger
	identity *identity
	patience time.Duration     // of opening
	produced *producer.Metrics // by all producers of the cluster

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	client  sarama.Client
	admin   sarama.ClusterAdmin
	id      string
	opening *opening
	refusal refusal
}

// refusal is the last failure to open a cluster. Until the time is over callers
// get it at once: a cluster that does not answer would cost each batch of a run
// the whole patience.
type refusal struct {
	err   error
	until time.Time
	inRow int
}

// The pauses between attempts to open a cluster: an attempt that took long is
// followed by a pause as long, one that failed at once by these.
const (
	firstReopen = 100 * time.Millisecond
	lastReopen  = 2 * time.Second
)

// note remembers that an attempt, which took so long, failed.
func (r *refusal) note(err error, took time.Duration) {
	pause := max(took, backoff.Step(firstReopen, lastReopen, r.inRow+1))
	*r = refusal{err: err, until: time.Now().Add(pause), inRow: r.inRow + 1}
}

// opening is one attempt that any number of callers wait for.
type opening struct {
	done   chan struct{}
	began  time.Time
	client sarama.Client
	err    error
}

var errClosed = errors.New("the cluster's connection is closed")

// NewCluster checks the settings and prepares a Cluster; it needs no network.
// Opening it takes OpenTimeout at the most.
func NewCluster(name string, s Settings, log *slog.Logger) (*Cluster, error) {
	if err := invalid("settings of the cluster "+name, s.Validate()); err != nil {
		return nil, err
	}
	if s.IsZero() {
		return nil, connector.Errorf(connector.Invalid, "settings of the cluster %s: bootstrap_server is missing; give one or more brokers as host:port", name)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	boundUnpacking()
	id, err := newIdentity(name, &s, log)
	if err != nil {
		return nil, err
	}
	c := &Cluster{name: name, settings: s, log: log, identity: id, patience: OpenTimeout, produced: producer.NewMetrics()}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// OpenWithin changes how long opening may take. It is called before the Cluster
// is used.
func (c *Cluster) OpenWithin(d time.Duration) { c.patience = d }

// Name is the cluster's name in the project file.
func (c *Cluster) Name() string { return c.name }

// Settings are what the cluster was made from.
func (c *Cluster) Settings() Settings { return c.settings }

// Collectors are the metrics of the cluster: what its producers did, whether
// they are open or closed by now, requests for tokens and the current token's
// life. Whoever made the cluster registers them, once.
func (c *Cluster) Collectors() []prometheus.Collector {
	return append(c.identity.collectors(), c.produced)
}

// SaramaConfig is a new configuration for a client of this cluster. Clients
// made from it share the cluster's tokens and certificates.
func (c *Cluster) SaramaConfig() (*sarama.Config, error) {
	cfg, err := newConfig(&c.settings, c.identity)
	if err != nil {
		return nil, err
	}
	cfg.Metadata.Timeout = c.patience
	return cfg, nil
}

// Client returns the shared client, opening it if need be within ctx and OpenTimeout,
// or what OpenWithin was given. Callers at the same time share one attempt, and
// those that come after a failed one get its error until the next is due.
// Refused credentials and failed TLS are Unauthenticated, a cluster that
// cannot be reached is Unavailable.
func (c *Cluster) Client(ctx context.Context) (sarama.Client, error) {
	o, client, err := c.join()
	if o == nil {
		return client, err
	}
	// Whoever joins an attempt that is over time already, because a call of the
	// library does not end, does not wait for another.
	timer := time.NewTimer(time.Until(o.began.Add(c.patience)))
	defer timer.Stop()
	select {
	case <-o.done:
		return o.client, o.err
	case <-ctx.Done():
		return nil, connector.Errorf(connector.Unavailable, "connecting to the cluster %s: %w", c.name, ctx.Err())
	case <-timer.C:
		return nil, c.late(connector.Errorf(connector.Unavailable, "connecting to the cluster %s: no answer in %s from %v", c.name, c.patience, c.settings.Servers()))
	}
}

// join returns the open client, or the attempt to wait for.
func (c *Cluster) join() (*opening, sarama.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, nil, connector.Errorf(connector.Unavailable, "connecting to the cluster %s: %w", c.name, errClosed)
	case c.client != nil && !c.client.Closed():
		return nil, c.client, nil
	case c.opening == nil && c.refusal.err != nil && time.Now().Before(c.refusal.until):
		return nil, nil, c.refusal.err
	case c.opening == nil:
		o := &opening{done: make(chan struct{}), began: time.Now()}
		c.opening = o
		c.wg.Go(func() {
			ctx, cancel := context.WithTimeout(c.ctx, c.patience-c.patience/20) // before the callers give up
			defer cancel()
			o.client, o.err = c.open(ctx)
			c.opened(o)
		})
	}
	return c.opening, nil, nil
}

func (c *Cluster) opened(o *opening) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(o.done)
	c.opening = nil
	if o.err != nil {
		c.refusal.note(o.err, time.Since(o.began))
		return
	}
	c.refusal = refusal{}
	if c.closed {
		_ = o.client.Close()
		o.client, o.err = nil, connector.Errorf(connector.Unavailable, "connecting to the cluster %s: %w", c.name, errClosed)
		return
	}
	c.client, c.admin = o.client, nil
}

// ID is Kafka's own id of the cluster, asked once and cached.
func (c *Cluster) ID(ctx context.Context) (string, error) {
	id := c.KnownID()
	if id != "" {
		return id, nil
	}
	client, err := c.Client(ctx)
	if err != nil {
		return "", err
	}
	id, err = bounded.Call(ctx, func() (string, error) { return askClusterID(client) })
	if err != nil {
		return "", connector.Errorf(connector.KindOf(classify(err)), "asking the cluster %s for its id: %w", c.name, err)
	}
	c.mu.Lock()
	c.id = id
	c.mu.Unlock()
	return id, nil
}

// KnownID is the cluster's id once ID got it, "" before. It asks nobody.
func (c *Cluster) KnownID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

// Admin returns the shared administrative client on top of Client. It must not
// be closed by the caller.
func (c *Cluster) Admin(ctx context.Context) (sarama.ClusterAdmin, error) {
	client, err := c.Client(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.admin != nil && c.client == client {
		return c.admin, nil
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return nil, connector.Errorf(connector.KindOf(classify(err)), "administering the cluster %s: %w", c.name, err)
	}
	c.admin = admin
	return admin, nil
}

// Close closes the clients. The Cluster must not be used afterwards. It may be
// called twice.
func (c *Cluster) Close() error {
	c.mu.Lock()
	c.closed = true
	client := c.client
	c.client, c.admin = nil, nil
	c.mu.Unlock()
	c.cancel()
	err := c.identity.close()
	if client != nil && !client.Closed() {
		err = errors.Join(err, client.Close())
	}
	c.wg.Wait()
	return err
}
