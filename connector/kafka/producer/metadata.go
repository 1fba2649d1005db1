package producer

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector/kafka/kafkaerr"
)

// control is the one goroutine that asks the cluster: for topics and leaders,
// for producer ids, and for partitions to join a transaction. It has a
// connection of its own while there is something to ask, because on the
// client's the answer would wait behind whatever else uses it, and because the
// client sleeps between attempts.
type control struct {
	p    *Producer
	wire wire

	mu     sync.Mutex
	topics map[*topic]struct{} // wanted
	id     bool                // a producer id is wanted
	joins  bool                // partitions want to join the transaction

	signal  chan struct{}
	later   deferred
	broker  *sarama.Broker
	addrs   []string         // of all brokers, to start from
	leaders map[int32]string // broker addresses of the last answer
	next    int              // in addrs
	retries int
}

func newControl(p *Producer) *control {
	c := &control{p: p, topics: make(map[*topic]struct{}), leaders: make(map[int32]string), signal: make(chan struct{}, 1)}
	c.wire.base = p.net
	return c
}

func (c *control) abort() { c.wire.cut() }

func (c *control) wake() {
	select {
	case c.signal <- struct{}{}:
	default:
	}
}

// want asks for t's metadata soon.
func (c *control) want(t *topic) {
	c.mu.Lock()
	_, known := c.topics[t]
	c.topics[t] = struct{}{}
	c.mu.Unlock()
	if !known {
		c.wake()
	}
}

func (c *control) wantID() {
	c.mu.Lock()
	c.id = true
	c.mu.Unlock()
	c.wake()
}

func (c *control) wantJoins() {
	c.mu.Lock()
	c.joins = true
	c.mu.Unlock()
	c.wake()
}

// take returns what is wanted and forgets it.
func (c *control) take() (topics []*topic, id, joins bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t := range c.topics {
		topics = append(topics, t)
	}
	clear(c.topics)
	id, joins = c.id, c.joins
	c.id, c.joins = false, false
	return topics, id, joins
}

func (c *control) run() {
	defer c.hangUp()
	refresh := time.NewTicker(c.p.cfg.refreshEvery)
	defer refresh.Stop()
	pause := time.NewTimer(time.Hour)
	defer pause.Stop()
	for c.p.ctx.Err() == nil {
		select {
		case <-c.p.ctx.Done():
			return
		case <-refresh.C:
			for _, t := range c.p.allTopics() { // for partitions that were added, and topics made anew
				if t.used.Swap(false) {
					c.want(t)
				}
			}
		case <-pause.C:
			c.resume()
		case <-c.signal:
		}
		c.round()
		if c.later.empty() {
			c.retries = 0
			c.hangUp()
			continue
		}
		pause.Reset(jitter(min(c.p.cfg.retryBackoff<<min(c.retries, 4), 250*time.Millisecond)))
		c.retries++
	}
}

// round asks for everything that is wanted. What must be asked again goes to
// later.
func (c *control) round() {
	topics, id, joins := c.take()
	if len(topics) > 0 {
		c.refresh(topics)
	}
	if id && !c.p.identity.fetch(c) {
		c.later.id = true
	}
	if joins && !c.p.txn.join() {
		c.later.joins = true
	}
}

// deferred is what the next round after a pause asks for.
type deferred struct {
	topics    []*topic
	id, joins bool
}

func (d *deferred) empty() bool { return len(d.topics) == 0 && !d.id && !d.joins }

func (c *control) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.later.topics {
		c.topics[t] = struct{}{}
	}
	c.id, c.joins = c.id || c.later.id, c.joins || c.later.joins
	c.later = deferred{}
}

// refresh asks for topics and hands each what the cluster says.
func (c *control) refresh(topics []*topic) {
	byName := make(map[string]*topic, len(topics))
	names := make([]string, 0, len(topics))
	for _, t := range topics {
		byName[t.name] = t
		names = append(names, t.name)
	}
	req := sarama.NewMetadataRequest(c.p.net.Version, names)
	req.AllowAutoTopicCreation = c.p.net.Metadata.AllowAutoTopicCreation
	var resp *sarama.MetadataResponse
	err := c.ask(func(b *sarama.Broker) (err error) {
		resp, err = b.GetMetadata(req)
		return err
	})
	if err == nil && len(resp.Brokers) == 0 {
		c.hangUp() // a broker that is starting (KAFKA-7924)
		err = sarama.ErrBrokerNotAvailable
	}
	if err != nil {
		c.failed(topics, err)
		return
	}
	c.addrs = c.addrs[:0]
	clear(c.leaders)
	for _, b := range resp.Brokers {
		c.addrs = append(c.addrs, b.Addr())
		c.leaders[b.ID()] = b.Addr()
	}
	now := c.p.clock()
	for _, meta := range resp.Topics {
		t := byName[meta.Name]
		if t == nil {
			continue
		}
		delete(byName, meta.Name)
		if t.update(meta, now) {
			c.later.topics = append(c.later.topics, t)
		}
	}
}

// failed acts on a metadata request that nobody answered.
func (c *control) failed(topics []*topic, err error) {
	err = fmt.Errorf("ask kafka for topics: %w", kafkaerr.Classify(err))
	if unauthenticated(err) {
		for _, t := range topics {
			t.drop(err)
		}
		return
	}
	c.p.cfg.Log.Warn("kafka does not answer; records wait", "error", err)
	for _, t := range topics {
		t.mu.Lock()
		t.lastErr = err
		if t.asked != 0 {
			// Unreachable is not unknown: the metadata timeout runs from the
			// first answer.
			t.asked = max(c.p.clock(), 1)
		}
		t.mu.Unlock()
	}
	c.later.topics = append(c.later.topics, topics...)
}

// connOf is the sender of the broker that metadata names as a leader.
func (c *control) connOf(leader int32) *conn {
	addr, ok := c.leaders[leader]
	if !ok {
		return nil
	}
	return c.p.conn(leader, addr)
}

// ask runs one exchange with any broker, trying all of them.
func (c *control) ask(exchange func(*sarama.Broker) error) error {
	if c.broker != nil {
		if err := exchange(c.broker); err == nil {
			return nil
		}
		c.hangUp()
	}
	if len(c.addrs) == 0 {
		if err := c.bootstrap(); err != nil {
			return err
		}
	}
	var last error
	for range len(c.addrs) {
		addr := c.addrs[c.next%len(c.addrs)]
		b, err := c.wire.dial(addr)
		if err == nil {
			if err = exchange(b); err == nil {
				c.broker = b
				return nil
			}
			_ = b.Close()
		}
		last = fmt.Errorf("broker at %s: %w", addr, err)
		if errors.Is(err, net.ErrClosed) && c.p.ctx.Err() != nil || unauthenticated(err) {
			return last
		}
		c.next++
	}
	c.addrs = nil // begin with the client's again
	return last
}

// bootstrap takes the brokers that the shared client knows.
func (c *control) bootstrap() error {
	brokers := c.p.cfg.Client.Brokers()
	if len(brokers) == 0 {
		if err := c.p.cfg.Client.RefreshMetadata(); err != nil {
			return err
		}
		brokers = c.p.cfg.Client.Brokers()
	}
	for _, b := range brokers {
		c.addrs = append(c.addrs, b.Addr())
	}
	if len(c.addrs) == 0 {
		return sarama.ErrOutOfBrokers
	}
	return nil
}

func (c *control) hangUp() {
	if c.broker != nil {
		_ = c.broker.Close() // nothing is outstanding on it
		c.broker = nil
	}
}
