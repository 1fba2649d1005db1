// Package broker asks brokers: connections that one caller at a time has to
// itself, requests that end with their context, records and offsets by
// partition. Reads by position and members of groups stand on it.
package broker

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
)

// Cluster is what connections are made from; *kafka.Cluster is one.
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

// String is topic-partition, as Kafka's own messages have it.
func (tp TP) String() string { return tp.Topic + "-" + strconv.Itoa(int(tp.Partition)) }

// Compare sorts by topic, then partition.
func Compare(a, b TP) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return int(a.Partition) - int(b.Partition)
}

// Positions that stand for an offset the broker knows.
const (
	Earliest int64 = -2
	Latest   int64 = -1
)

// AnswerTimeout bounds a request that does not wait on purpose.
const AnswerTimeout = 5 * time.Second

// RetryBackoff is the pause before a request is made again.
const RetryBackoff = 50 * time.Millisecond

const (
	longest  = 2 * time.Minute // of any request: each call has a limit of its own
	maxIdle  = 16              // unused connections kept to one broker
	idleLife = time.Minute     // an unused connection is trusted for
)

// Conns are connections to the brokers of one cluster with one identity. They
// are its own, because a request that waits, for records or for the members of
// a group, would hold up everybody else's on a shared one. It is safe for
// concurrent use.
type Conns struct {
	cluster Cluster

	mu     sync.Mutex
	config *sarama.Config
	idle   map[string][]idleConn // by broker address
	closed bool
}

type idleConn struct {
	*conn
	since time.Time
}

// New returns connections to the cluster. It needs no network.
func New(c Cluster) *Conns { return &Conns{cluster: c, idle: map[string][]idleConn{}} }

// Client returns the cluster's shared client, for metadata.
func (c *Conns) Client(ctx context.Context) (sarama.Client, error) { return c.cluster.Client(ctx) }

// Close closes the unused connections; those in use close after their answer.
func (c *Conns) Close() error {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = map[string][]idleConn{}, true
	c.mu.Unlock()
	for _, conns := range idle {
		for _, conn := range conns {
			_ = conn.Close() // nothing is under way on it
		}
	}
	return nil
}

// take returns a connection to a broker for one caller. fresh says that it was
// opened now, so that a failure is not that of a stale connection.
func (c *Conns) take(addr string) (b *conn, fresh bool, err error) {
	c.mu.Lock()
	for conns := c.idle[addr]; len(conns) > 0 && b == nil; {
		last := conns[len(conns)-1]
		conns = conns[:len(conns)-1]
		c.idle[addr] = conns
		if time.Since(last.since) > idleLife {
			defer last.Close() //nolint:errcheck // it is thrown away
			continue
		}
		b = last.conn
	}
	if b == nil && c.config == nil {
		if c.config, err = c.cluster.SaramaConfig(); err == nil {
			c.config.Net.ReadTimeout = longest
		}
	}
	cfg := c.config
	c.mu.Unlock()
	if err != nil || b != nil {
		return b, false, err
	}
	b = newConn(addr, cfg)
	if err := b.Open(&b.config); err != nil {
		return nil, true, kafkaerr.Classify(err)
	}
	if _, err := b.Connected(); err != nil {
		return nil, true, kafkaerr.Classify(err)
	}
	return b, true, nil
}

// give takes a connection back after an answer was read from it.
func (c *Conns) give(addr string, b *conn) {
	c.mu.Lock()
	keep := !c.closed && len(c.idle[addr]) < maxIdle
	if keep {
		c.idle[addr] = append(c.idle[addr], idleConn{b, time.Now()})
	}
	c.mu.Unlock()
	if !keep {
		_ = b.Close() // nothing is under way on it
	}
}

// Ask makes one request on a connection of its own and ends with ctx or after
// limit. An unused connection may have been closed by the broker: then the
// request is made again on a new one.
func Ask[T any](ctx context.Context, c *Conns, addr string, limit time.Duration, request func(*sarama.Broker) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		var zero T
		b, fresh, err := c.take(addr)
		if err != nil {
			return zero, err
		}
		stop := context.AfterFunc(ctx, b.hangUp) // the pending request fails
		answer, err := request(b.Broker)
		switch {
		case !stop():
			_ = b.Close() // it was hung up
			return zero, ctx.Err()
		case err == nil:
			c.give(addr, b)
			return answer, nil
		}
		_ = b.Close() // it has failed already
		if fresh || errors.Is(err, sarama.ErrUnsupportedVersion) {
			return zero, kafkaerr.Classify(err)
		}
	}
}

// Refused turns a code in an answer into an error; what says what was attempted.
func Refused(what string, code sarama.KError) error {
	if errors.Is(code, sarama.ErrNoError) {
		return nil
	}
	return connector.Errorf(connector.KindOf(kafkaerr.Classify(code)), "%s: %w", what, code)
}
