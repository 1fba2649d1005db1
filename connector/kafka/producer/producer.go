// Package producer writes records to Kafka in batches, with idempotence
// (KIP-98) and transactions, at the speed of the wire.
//
// It uses sarama for the protocol, the encoding and the connections, and does
// itself what decides speed and order: one accumulator a partition, one sender
// a broker that puts every ready partition into one produce request, several
// requests in flight, sequence numbers kept over retries, and one report for
// each record. No goroutine and no channel operation is spent on a record.
//
// Where to read on: partition.go accumulates, sender.go sends, settle.go
// decides what an answer means, metadata.go finds leaders, identity.go gets
// producer ids, txn.go does transactions. docs/delivery.md says what is promised.
package producer

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/connector"
)

// Config is what a Producer needs. Zero numbers mean the defaults named here;
// start from DefaultConfig, because a false Idempotent and a zero Acks are
// meant as they stand.
type Config struct {
	Client sarama.Client // shared; its configuration and brokers are used, it is not closed
	Topic  string        // for messages without one

	Acks                 int16 // -1 all in-sync replicas, 1 the leader, 0 nobody
	Compression          sarama.CompressionCodec
	CompressionLevel     int  // 0 and sarama.CompressionLevelDefault: the codec's own
	Idempotent           bool // no doubles, no reordering by retries; forces Acks to -1
	TransactionalID      string
	TransactionTimeout   time.Duration // default 1 min
	MaxInFlight          int           // batches a partition counted from the oldest unfinished; default 5, at most 5 when idempotent
	BatchBytes           int           // default 1 MiB
	BatchRecords         int           // default 16384, also the most
	Linger               time.Duration // 0: at once when nothing is in flight to the broker, else with the next answer or after 5 ms
	DeliveryTimeout      time.Duration // default 120 s
	MetadataTimeout      time.Duration // how long an unknown topic is asked for; default 5 s
	BufferBytes          int64         // memory of unfinished records, bookkeeping included; default 32 MiB
	Partitioner          Partitioner   // default Murmur2
	MaxMessageBytes      int           // largest batch before compression; default 1 MiB
	MaxRequestsPerBroker int           // in flight on one connection; default 5
	Registerer           prometheus.Registerer
	Log                  *slog.Logger

	retryBackoff time.Duration // first wait before a retry; tests shorten it
}

// DefaultConfig returns the safe settings: acks all, idempotent.
func DefaultConfig(client sarama.Client, topic string) Config {
	return Config{
		Client: client, Topic: topic,
		Acks: -1, Idempotent: true, CompressionLevel: sarama.CompressionLevelDefault,
	}
}

const (
	mostRecords  = 16384
	windowLimit  = 5 // batches a broker remembers for a producer and partition (KIP-98)
	groupWait    = 5 * time.Millisecond
	chunkRecords = 1024
)

func (c *Config) complete() error {
	if c.Client == nil {
		return connector.Errorf(connector.Invalid, "create a producer: no client given")
	}
	if c.Acks < -1 || c.Acks > 1 {
		return connector.Errorf(connector.Invalid, "create a producer: acks %d; use -1, 0 or 1", c.Acks)
	}
	if c.TransactionalID != "" && !c.Idempotent {
		return connector.Errorf(connector.Invalid, "create a producer: transactions need idempotence; leave it on")
	}
	if c.Compression < sarama.CompressionNone || c.Compression > sarama.CompressionZSTD {
		return connector.Errorf(connector.Invalid, "create a producer: compression codec %d; use 0 to 4", int(c.Compression))
	}
	if c.CompressionLevel == 0 {
		c.CompressionLevel = sarama.CompressionLevelDefault
	}
	if c.Compression == sarama.CompressionGZIP && c.CompressionLevel != sarama.CompressionLevelDefault &&
		(c.CompressionLevel < -3 || c.CompressionLevel > 9) {
		return connector.Errorf(connector.Invalid, "create a producer: gzip level %d; use 1 to 9", c.CompressionLevel)
	}
	orInt(&c.MaxInFlight, windowLimit)
	orInt(&c.MaxRequestsPerBroker, 5)
	orInt(&c.MaxMessageBytes, 1<<20)
	orInt(&c.BatchBytes, 1<<20)
	orInt(&c.BatchRecords, mostRecords)
	orDuration(&c.TransactionTimeout, time.Minute)
	orDuration(&c.DeliveryTimeout, 2*time.Minute)
	orDuration(&c.MetadataTimeout, 5*time.Second)
	orDuration(&c.retryBackoff, 25*time.Millisecond)
	if c.BufferBytes <= 0 {
		c.BufferBytes = 32 << 20
	}
	c.BatchBytes = min(c.BatchBytes, c.MaxMessageBytes)
	c.BatchRecords = min(c.BatchRecords, mostRecords)
	// One record of the largest size must always fit into the buffer.
	c.BufferBytes = max(c.BufferBytes, 2*int64(c.MaxMessageBytes+recordOverhead))
	switch {
	case c.Idempotent:
		c.Acks = -1
		c.MaxInFlight = min(c.MaxInFlight, windowLimit)
	case c.Acks != 0:
		// Without sequence numbers a retry overtakes what is in flight.
		c.MaxInFlight = 1
	}
	if c.Partitioner == nil {
		c.Partitioner = Murmur2
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

func orInt(v *int, def int) {
	if *v <= 0 {
		*v = def
	}
}

func orDuration(v *time.Duration, def time.Duration) {
	if *v <= 0 {
		*v = def
	}
}

// Producer is a connector.Sink for Kafka. All methods are safe for concurrent
// use, Write included.
type Producer struct {
	cfg     Config
	net     *sarama.Config
	start   time.Time
	memory  *memory
	metrics *counters
	pools   pools

	topicsMu sync.RWMutex
	topics   map[string]*topic
	missing  missing

	connsMu sync.Mutex
	conns   map[int32]*conn

	control  *control
	identity identity
	txn      *transactions // nil without a transactional id

	epochs   epochs       // what Flush waits for
	flushing atomic.Int32 // > 0: nothing lingers

	ctx    context.Context // ends when the producer is torn down
	cancel context.CancelFunc
	work   sync.WaitGroup
	closed atomic.Bool
	tear   sync.Once
}

// New checks the configuration and returns a Producer. It needs no network:
// connections are made with the first record.
func New(cfg Config) (*Producer, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	m, err := newCounters(cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("create a producer: register its metrics: %w", err)
	}
	p := &Producer{
		cfg: cfg, start: time.Now(), metrics: m,
		topics: make(map[string]*topic), conns: make(map[int32]*conn),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.net = p.connectionConfig()
	p.memory = newMemory(cfg.BufferBytes, p.wakeAll)
	p.epochs.init()
	p.control = newControl(p)
	if cfg.TransactionalID != "" {
		p.txn = newTransactions(p)
	}
	p.work.Go(p.control.run)
	p.work.Go(p.housekeep)
	return p, nil
}

// connectionConfig is the client's configuration for connections of our own:
// produce requests wait for nothing else, and closing one harms nobody.
func (p *Producer) connectionConfig() *sarama.Config {
	c := *p.cfg.Client.Config()
	c.Net.MaxOpenRequests = p.cfg.MaxRequestsPerBroker + 1 // the sender counts; sarama must not block
	c.Net.ReadTimeout = min(c.Net.ReadTimeout, p.cfg.DeliveryTimeout)
	c.Net.WriteTimeout = min(c.Net.WriteTimeout, p.cfg.DeliveryTimeout)
	c.Net.DialTimeout = min(c.Net.DialTimeout, p.cfg.DeliveryTimeout)
	return &c
}

// clock is monotonic nanoseconds.
func (p *Producer) clock() int64 { return int64(time.Since(p.start)) }

// errClosed is what records get that come after Close, or that Close could not
// wait for.
func errClosed() error {
	return connector.Errorf(connector.Unavailable, "write to kafka: the producer is closed")
}

// Flush sends what is waiting and returns when every record written before the
// call is reported, or when ctx ends.
func (p *Producer) Flush(ctx context.Context) error {
	done := p.epochs.cut()
	p.flushing.Add(1)
	defer p.flushing.Add(-1)
	p.wakeAll()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("flush records to kafka: %w", ctx.Err())
	}
}

// Close refuses new records, waits within ctx for those that were written,
// fails the rest and closes the connections. Every record is reported when it
// returns. It may be called again.
func (p *Producer) Close(ctx context.Context) error {
	p.closed.Store(true)
	err := p.Flush(ctx)
	p.tear.Do(func() { p.teardown() })
	p.work.Wait()
	if err != nil {
		return fmt.Errorf("close the kafka producer: records were given up: %w", err)
	}
	return nil
}

func (p *Producer) teardown() {
	p.memory.close()
	p.cancel()
	p.control.abort()
	for _, c := range p.allConns() {
		c.abort()
	}
	p.topicsMu.RLock()
	topics := make([]*topic, 0, len(p.topics))
	for _, t := range p.topics {
		topics = append(topics, t)
	}
	p.topicsMu.RUnlock()
	for _, t := range topics {
		t.fail(errClosed())
	}
	p.metrics.unregister(p.cfg.Registerer)
}

func (p *Producer) allConns() []*conn {
	p.connsMu.Lock()
	defer p.connsMu.Unlock()
	all := make([]*conn, 0, len(p.conns))
	for _, c := range p.conns {
		all = append(all, c)
	}
	return all
}

func (p *Producer) wakeAll() {
	for _, c := range p.allConns() {
		c.wake()
	}
}

// housekeep gives up records that are older than the delivery timeout.
func (p *Producer) housekeep() {
	every := min(max(p.cfg.DeliveryTimeout/20, 5*time.Millisecond), time.Second)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-tick.C:
		}
		now := p.clock()
		for _, t := range p.allTopics() {
			t.expire(now)
		}
	}
}

func (p *Producer) allTopics() []*topic {
	p.topicsMu.RLock()
	defer p.topicsMu.RUnlock()
	all := make([]*topic, 0, len(p.topics))
	for _, t := range p.topics {
		all = append(all, t)
	}
	return all
}

// topic returns the named topic, asking for its metadata when it is new.
func (p *Producer) topic(name string) *topic {
	p.topicsMu.RLock()
	t := p.topics[name]
	p.topicsMu.RUnlock()
	if t != nil {
		return t
	}
	p.topicsMu.Lock()
	defer p.topicsMu.Unlock()
	if t = p.topics[name]; t == nil {
		t = newTopic(p, name)
		if p.ctx.Err() != nil {
			t.dead = errClosed()
			return t
		}
		p.topics[name] = t
	}
	return t
}

// forget drops a topic that does not exist, so that the next record asks anew.
func (p *Producer) forget(t *topic) {
	p.topicsMu.Lock()
	defer p.topicsMu.Unlock()
	if p.topics[t.name] == t {
		delete(p.topics, t.name)
	}
}

// maxMillis is the last time that fits into nanoseconds, which sarama uses.
const maxMillis = math.MaxInt64 / int64(time.Millisecond)
