// Package reader reads records for callers that ask for them: by position,
// without any state kept between two reads, and as a member of a consumer
// group whose positions are kept until it is closed. Nothing is fetched before
// it is asked for, so an idle consumer costs a heartbeat and no buffers.
package reader

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
)

// Cluster is the connection that a Reader works on; *kafka.Cluster is one.
type Cluster interface {
	// Client returns the shared client, opening it if need be.
	Client(ctx context.Context) (sarama.Client, error)
	// SaramaConfig is a new configuration for connections of one's own.
	SaramaConfig() (*sarama.Config, error)
}

// TP names a partition.
type TP struct {
	Topic     string
	Partition int32
}

// Record is one record as it is stored. Key and Value are nil for null.
type Record struct {
	TP
	Offset     int64
	Timestamp  time.Time
	Key, Value []byte
	Headers    []connector.Header
}

// Positions that stand for an offset the broker knows.
const (
	Earliest int64 = -2
	Latest   int64 = -1
)

// answerTimeout bounds a request that does not wait on purpose.
const answerTimeout = 5 * time.Second

// maxIdle is how many unused connections are kept to one broker.
const maxIdle = 16

// idleLife is how long an unused connection is trusted.
const idleLife = time.Minute

// Reader reads from one cluster with one identity. It has connections of its
// own, because a read that waits for records would hold up everybody else's
// requests on a shared one. It is safe for concurrent use.
type Reader struct {
	cluster Cluster
	log     *slog.Logger

	mu     sync.Mutex
	config *sarama.Config
	idle   map[string][]idleConn // by broker address
	closed bool
}

type idleConn struct {
	broker *sarama.Broker
	since  time.Time
}

// New returns a Reader on the cluster. It needs no network.
func New(c Cluster, log *slog.Logger) *Reader {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Reader{cluster: c, log: log, idle: map[string][]idleConn{}}
}

// Close closes the unused connections. Consumers are closed by their owners
// before.
func (r *Reader) Close() error {
	r.mu.Lock()
	idle := r.idle
	r.idle, r.closed = map[string][]idleConn{}, true
	r.mu.Unlock()
	for _, conns := range idle {
		for _, c := range conns {
			_ = c.broker.Close() // nothing is under way on it
		}
	}
	return nil
}

// take returns a connection to a broker for one caller. fresh says that it was
// opened now, so that a failure is not that of a stale connection.
func (r *Reader) take(addr string) (b *sarama.Broker, fresh bool, err error) {
	r.mu.Lock()
	for conns := r.idle[addr]; len(conns) > 0 && b == nil; {
		last := conns[len(conns)-1]
		conns = conns[:len(conns)-1]
		r.idle[addr] = conns
		if time.Since(last.since) > idleLife {
			defer last.broker.Close() //nolint:errcheck // it is thrown away
			continue
		}
		b = last.broker
	}
	if b == nil && r.config == nil {
		r.config, err = r.newConfig()
	}
	cfg := r.config
	r.mu.Unlock()
	if err != nil || b != nil {
		return b, false, err
	}
	b = sarama.NewBroker(addr)
	if err := b.Open(cfg); err != nil {
		return nil, true, kafkaerr.Classify(err)
	}
	if _, err := b.Connected(); err != nil {
		return nil, true, kafkaerr.Classify(err)
	}
	return b, true, nil
}

func (r *Reader) newConfig() (*sarama.Config, error) {
	cfg, err := r.cluster.SaramaConfig()
	if err != nil {
		return nil, err
	}
	cfg.Net.ReadTimeout = rebalanceTimeout + time.Minute // each call has a limit of its own
	return cfg, nil
}

// give takes a connection back after an answer was read from it.
func (r *Reader) give(addr string, b *sarama.Broker) {
	r.mu.Lock()
	keep := !r.closed && len(r.idle[addr]) < maxIdle
	if keep {
		r.idle[addr] = append(r.idle[addr], idleConn{b, time.Now()})
	}
	r.mu.Unlock()
	if !keep {
		_ = b.Close() // nothing is under way on it
	}
}

// ask makes one request on a connection of its own and ends with ctx or after
// limit. An unused connection may have been closed by the broker: then the
// request is made again on a new one.
func ask[T any](ctx context.Context, r *Reader, addr string, limit time.Duration, request func(*sarama.Broker) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		var zero T
		b, fresh, err := r.take(addr)
		if err != nil {
			return zero, err
		}
		stop := context.AfterFunc(ctx, func() { _ = b.Close() }) // the pending request fails
		answer, err := request(b)
		switch {
		case !stop():
			return zero, ctx.Err()
		case err == nil:
			r.give(addr, b)
			return answer, nil
		}
		_ = b.Close() // it has failed already
		if fresh || errors.Is(err, sarama.ErrUnsupportedVersion) {
			return zero, kafkaerr.Classify(err)
		}
	}
}

// refused turns a code in an answer into an error.
func refused(what string, code sarama.KError) error {
	if errors.Is(code, sarama.ErrNoError) {
		return nil
	}
	return connector.Errorf(connector.KindOf(kafkaerr.Classify(code)), "%s: %w", what, code)
}
