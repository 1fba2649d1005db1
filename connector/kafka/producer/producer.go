// Package producer writes records to Kafka in batches, with idempotence
// (KIP-98) and transactions, at the speed of the wire.
//
// It uses sarama for the protocol and the connections, and does itself what
// decides speed and order: one accumulator a partition, one sender a broker
// that encodes every ready partition into one produce request, several requests
// in flight, sequence numbers kept over retries, and one report for each
// record. No goroutine and no channel operation is spent on a record.
//
// Where to read on: partition.go accumulates, sender.go sends, encode.go and
// frame.go write the bytes, settle.go decides what an answer means, metadata.go
// finds leaders, identity.go gets producer ids, txn.go does transactions.
// docs/delivery.md says what is promised.
package producer

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
)

// Producer is a connector.Sink for Kafka. All methods are safe for concurrent
// use, Write included.
type Producer struct {
	cfg     Config
	net     *sarama.Config
	start   time.Time
	memory  *memory
	metrics *Metrics
	pools   pools

	topicsMu sync.RWMutex
	topics   map[string]*topic
	missing  missing

	connsMu sync.Mutex
	conns   map[int32]*conn
	senders atomic.Int32 // len(conns)
	filled  atomic.Int32 // partitions with records that are not reported
	waiting atomic.Int64 // cost of the records that have a leader and are not reported

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
	m := cfg.Metrics
	if m == nil {
		m = NewMetrics()
	}
	m.used.Store(true)
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

// worthwhile is what should be in flight for a partition: with much less its
// batches are so small that brokers spend their time on batches, not on records.
const worthwhile = 160 << 10

// InFlight is how many bytes of records, with what a caller keeps for each, the
// producer could do with: enough for a batch to each partition that is in use.
func (p *Producer) InFlight() int { return int(p.filled.Load()) * worthwhile }

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
	}
	select { // what is reported already is no failure, however late it is asked
	case <-done:
		return nil
	default:
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
