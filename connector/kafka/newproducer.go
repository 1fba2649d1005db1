package kafka

import (
	"context"
	"strings"
	"sync"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/producer"
)

// NewProducer returns a sink for the cluster; topic is that of messages
// without one. Its Write may be called concurrently. With transactional each
// Write is a transaction of its own. The cluster is opened at
// the first Write; while it cannot be, every record is reported with the
// reason once its time to open is over. Any number of producers of one cluster
// count in its Collectors. Close the sink before the cluster.
func (c *Cluster) NewProducer(ps ProducerSettings, topic string) (connector.Sink, error) {
	if err := invalid("settings of the producer", ps.Validate()); err != nil {
		return nil, err
	}
	return &lazyProducer{cluster: c, settings: ps, topic: topic}, nil
}

// lazyProducer is a producer that is made when the cluster could be opened.
type lazyProducer struct {
	cluster  *Cluster
	settings ProducerSettings
	topic    string

	mu     sync.RWMutex
	made   connector.Sink
	closed bool
}

// Write implements connector.Sink.
func (l *lazyProducer) Write(ctx context.Context, batch []*connector.Message, done func([]connector.Result)) {
	l.mu.RLock()
	p := l.made
	l.mu.RUnlock()
	if p == nil {
		var err error
		if p, err = l.open(ctx); err != nil {
			done(failed(len(batch), err))
			return
		}
	}
	p.Write(ctx, batch, done)
}

func (l *lazyProducer) open(ctx context.Context) (connector.Sink, error) {
	client, err := l.cluster.Client(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made != nil {
		return l.made, nil
	}
	if l.closed {
		return nil, connector.Errorf(connector.Unavailable, "write to cluster %s: the sink is closed", l.cluster.name)
	}
	cfg := l.settings.config(producer.DefaultConfig(client, l.topic))
	cfg.Metrics, cfg.Log = l.cluster.produced, l.cluster.log
	p, err := producer.New(cfg)
	if err != nil {
		return nil, err
	}
	l.made = p
	if l.settings.Transactional {
		l.made = &transactional{p: p}
	}
	return l.made, nil
}

// InFlight is how many bytes in flight the producer could do with; see
// producer.Producer.
func (l *lazyProducer) InFlight() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if p, ok := l.made.(*producer.Producer); ok {
		return p.InFlight()
	}
	return 0
}

// Close implements connector.Sink.
func (l *lazyProducer) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	p := l.made
	l.mu.Unlock()
	if p == nil {
		return nil
	}
	return p.Close(ctx)
}

// config puts the settings into a producer's configuration. They are valid.
func (p *ProducerSettings) config(cfg producer.Config) producer.Config {
	cfg.Acks, _ = p.acks()
	cfg.Compression, _ = p.compression()
	cfg.CompressionLevel = p.compressionLevel()
	cfg.Idempotent = p.idempotent()
	cfg.TransactionalID = p.TransactionalID
	cfg.DeliveryTimeout = p.deliveryTimeout()
	cfg.MaxMessageBytes = positive(p.MaxMessageBytes, DefaultMaxMessageBytes)
	cfg.StickyBytes = positive(p.StickyBytes, DefaultStickyBytes)
	switch strings.ToLower(p.Partitioner) {
	case "sticky":
		cfg.Partitioner = producer.Sticky
	case "round_robin":
		cfg.Partitioner = producer.RoundRobin
	case "consistent":
		cfg.Partitioner = producer.ConsistentCRC32
	case "consistent_random":
		cfg.Partitioner = producer.ConsistentRandom
	case "explicit":
		cfg.Partitioner = producer.Explicit
	default:
		cfg.Partitioner = producer.Murmur2
	}
	return cfg
}
