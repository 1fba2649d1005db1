package kafka

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
)

// stagger is how long one bootstrap broker has before the next is tried beside
// it.
const stagger = 400 * time.Millisecond

func classify(err error) error { return kafkaerr.Classify(err) }

// open finds a bootstrap broker that answers and takes us, then opens the
// library's client. The first step is what makes errors exact: the library
// itself tries broker after broker and reports "out of brokers".
func (c *Cluster) open(ctx context.Context) (sarama.Client, error) {
	cfg, err := c.SaramaConfig()
	if err != nil {
		return nil, err
	}
	return c.openClient(ctx, cfg)
}

// openClient opens a client with the given configuration.
func (c *Cluster) openClient(ctx context.Context, cfg *sarama.Config) (sarama.Client, error) {
	addr, err := c.probe(ctx, c.settings.Servers())
	if err != nil {
		return nil, err
	}
	// Sarama keeps trying seeds in random order; with the one that answered it
	// learns all the others.
	bound := &openingDialer{dialer: dialer{id: c.identity}, ctx: ctx}
	cfg.Net.Proxy.Dialer = bound
	client, err := sarama.NewClient([]string{addr}, cfg)
	if err != nil && ctx.Err() != nil {
		return nil, connector.Errorf(connector.Unavailable, "asking the broker %s about the cluster: no answer in time: %w", addr, err)
	}
	if err != nil {
		return nil, c.identity.explain(addr, err)
	}
	bound.opened()
	return client, nil
}

// openingDialer ends the connections of a client that is being opened with ctx,
// which the library does not take; once it is open they live on.
type openingDialer struct {
	dialer
	ctx context.Context

	mu    sync.Mutex
	open  bool
	stops []func() bool
}

// Dial implements golang.org/x/net/proxy.Dialer.
func (d *openingDialer) Dial(network, addr string) (net.Conn, error) {
	d.mu.Lock()
	open := d.open
	d.mu.Unlock()
	if open {
		return d.dialer.Dial(network, addr)
	}
	ctx, cancel := context.WithTimeout(d.ctx, dialTimeout)
	defer cancel()
	conn, err := d.dial(ctx, network, addr)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil && !d.open {
		d.stops = append(d.stops, context.AfterFunc(d.ctx, func() { _ = conn.Close() }))
	}
	return conn, err
}

func (d *openingDialer) opened() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = true
	for _, stop := range d.stops {
		stop()
	}
	d.stops = nil
}

type probed struct {
	addr string
	err  error
}

// probe connects and authenticates to the servers, each a moment after the one
// before or as soon as that has failed, and returns the first that works. When
// none does it returns the most telling error: one about identity before one
// about the network.
func (c *Cluster) probe(ctx context.Context, servers []string) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // attempts that are not needed any more end at once
	results := make(chan probed, len(servers))
	var failures []error
	next, pending := 0, 0
	start := func() {
		if next < len(servers) {
			addr := servers[next]
			next++
			pending++
			c.wg.Go(func() { results <- probed{addr, c.try(ctx, addr)} })
		}
	}
	start()
	ticker := time.NewTicker(stagger)
	defer ticker.Stop()
	for pending > 0 {
		select {
		case r := <-results:
			pending--
			if r.err == nil {
				return r.addr, nil
			}
			failures = append(failures, r.err)
			start()
		case <-ticker.C:
			start()
		case <-ctx.Done():
			failures = append(failures, c.late(connector.Errorf(connector.Unavailable, "connecting to the cluster %s: no answer in time from %s", c.name, strings.Join(servers, ", "))))
			return "", mostTelling(failures)
		}
	}
	return "", mostTelling(failures)
}

// try opens and closes one connection.
func (c *Cluster) try(ctx context.Context, addr string) error {
	b, _, err := c.connect(ctx, addr, time.Now().Add(c.patience*3/4))
	if err != nil {
		return err
	}
	_ = b.Close()
	return nil
}

// connect opens one authenticated connection, which ends with ctx and has all
// its answers by end.
func (c *Cluster) connect(ctx context.Context, addr string, end time.Time) (*sarama.Broker, *watchingDialer, error) {
	cfg, err := c.SaramaConfig()
	if err != nil {
		return nil, nil, err
	}
	watched := &watchingDialer{ctx: ctx, dialer: dialer{id: c.identity}, end: end}
	cfg.Net.Proxy.Dialer = watched
	b := sarama.NewBroker(addr)
	if err := b.Open(cfg); err != nil {
		return nil, nil, c.identity.explain(addr, err)
	}
	connected, err := b.Connected()
	if err = c.explainLogin(addr, connected, watched, err); err != nil {
		if connected {
			_ = b.Close()
		}
		return nil, nil, err
	}
	return b, watched, nil
}

func (c *Cluster) explainLogin(addr string, connected bool, watched *watchingDialer, err error) error {
	switch {
	case err != nil && c.settings.UsesSASL() && closedByPeer(err) && watched.requests.Load() > requestsBeforeSASL:
		// Kafka answers before it hangs up; older and other brokers do not.
		return connector.Errorf(connector.Unauthenticated, "authenticating with the broker %s: it closed the connection on the credentials in sasl_config: %w", addr, err)
	case err != nil:
		return c.identity.explain(addr, err)
	case !watched.answered.Load():
		// The library goes on without an answer to its first question.
		return connector.Errorf(connector.Unavailable, "connecting to the broker %s: no answer in time; check that security_protocol is that of the listener", addr)
	case !connected:
		return connector.Errorf(connector.Unavailable, "connecting to the broker %s: it closed the connection", addr)
	}
	return nil
}

// requestsBeforeSASL are ApiVersions and SaslHandshake.
const requestsBeforeSASL = 2

func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// watchingDialer counts the requests on its connection and ends it when the
// time of an attempt is over, however often the library asks for more.
type watchingDialer struct {
	ctx context.Context // of the attempt; the library passes none
	dialer
	end      time.Time // of waiting for answers
	requests atomic.Int32
	answered atomic.Bool
	lifetime atomic.Int64 // of the session, in ms, as the broker said it last
}

func (d *watchingDialer) Dial(network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.ctx, dialTimeout)
	defer cancel()
	conn, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(d.ctx, func() { _ = conn.Close() })
	return &watchedConn{Conn: conn, watch: d}, nil
}

// watchedConn sees every request and answer pass. The library sends one and
// waits for its answer while it logs in.
type watchedConn struct {
	net.Conn
	watch  *watchingDialer
	answer sessionReader
}

func (c *watchedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		if g, ok := c.Conn.(*guarded); ok && g.whole() {
			c.watch.answered.Store(true)
		}
		if ms, ok := c.answer.read(b[:n]); ok {
			c.watch.lifetime.Store(ms)
		}
	}
	return n, err
}

func (c *watchedConn) Write(b []byte) (int, error) {
	c.watch.requests.Add(1)
	c.answer.expect(b)
	return c.Conn.Write(b)
}

func (c *watchedConn) SetReadDeadline(t time.Time) error {
	if t.IsZero() || t.After(c.watch.end) {
		t = c.watch.end
	}
	return c.Conn.SetReadDeadline(t)
}

func mostTelling(failures []error) error {
	var best error
	for _, err := range failures {
		if connector.KindOf(err) == connector.Unauthenticated {
			return err
		}
		if best == nil {
			best = err
		}
	}
	if len(failures) > 1 {
		return connector.Errorf(connector.KindOf(best), "%w", errors.Join(failures...))
	}
	return best
}

// askClusterID asks with DescribeCluster (KIP-700), or with metadata where a
// broker is too old for it.
func askClusterID(client sarama.Client) (string, error) {
	broker := client.LeastLoadedBroker()
	if broker == nil {
		return "", sarama.ErrOutOfBrokers
	}
	if err := broker.Open(client.Config()); err != nil && !errors.Is(err, sarama.ErrAlreadyConnected) {
		return "", err
	}
	answer, err := broker.DescribeCluster(sarama.NewDescribeClusterRequest(client.Config().Version))
	if err == nil && answer.Err == sarama.ErrNoError && answer.ClusterID != "" {
		return answer.ClusterID, nil
	}
	meta, metaErr := broker.GetMetadata(sarama.NewMetadataRequest(client.Config().Version, nil))
	switch {
	case metaErr != nil:
		return "", errors.Join(err, metaErr)
	case meta.ClusterID == nil || *meta.ClusterID == "":
		return "", connector.Errorf(connector.Unknown, "the brokers have no cluster id; they are older than Kafka 0.10.1")
	}
	return *meta.ClusterID, nil
}
