package producer

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector/kafka/kafkaerr"
)

// requestBytes is from where on no further batch is put into a request: enough
// to be worth a round trip, small enough that the broker works on one while the
// next is encoded.
const requestBytes = 2 << 20

// conn is the sender of one broker: a goroutine that owns the connection and
// puts the batches of all ready partitions into one request after the other.
type conn struct {
	p    *Producer
	id   int32
	wire wire

	frame *frame // of the sender's goroutine

	waiting atomic.Int64 // cost of the records for it that are not reported

	mu       sync.Mutex
	addr     string
	ready    []*partition
	spare    []*partition
	looking  bool  // collect has taken the ready list
	inflight int   // requests
	broken   bool  // the connection must be closed before the next request
	muted    int64 // throttled until
	retries  int

	signal chan struct{}
}

// request is one produce request on its way.
type request struct {
	c       *conn
	batches []*batch
	parts   []*partition
	bytes   int
	sent    int64
	encoded atomic.Bool // sarama does not read the records any more
}

func newConn(p *Producer, id int32, addr string) *conn {
	c := &conn{p: p, id: id, addr: addr, frame: newFrame(p), signal: make(chan struct{}, 1)}
	c.wire.base, c.wire.frame = p.net, c.frame
	return c
}

func (c *conn) wake() {
	select {
	case c.signal <- struct{}{}:
	default:
	}
}

// push adds a partition to the ready list.
func (c *conn) push(p *partition) {
	c.mu.Lock()
	c.ready = append(c.ready, p)
	c.mu.Unlock()
	c.wake()
}

// move takes a broker's new address.
func (c *conn) move(addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.addr != addr {
		c.addr, c.broken = addr, true
	}
}

// abort cuts the connection, whatever the sender is doing with it.
func (c *conn) abort() {
	c.wire.cut()
	c.wake()
}

func (c *conn) run() {
	var broker *sarama.Broker
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer func() { c.hangUp(broker) }()
	for {
		if c.p.ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		broken, work, full := c.broken, len(c.ready) > 0, c.inflight >= c.p.cfg.MaxRequestsPerBroker
		muted := c.muted
		c.mu.Unlock()
		if broken {
			c.hangUp(broker) // returns when every request on it is answered
			broker = nil
			c.mu.Lock()
			c.broken = false
			c.mu.Unlock()
			continue
		}
		now := c.p.clock()
		wakeAt := never
		switch {
		case full || !work:
		case muted > now:
			wakeAt = muted
		case broker == nil:
			if broker = c.open(); broker != nil {
				continue
			}
			wakeAt = c.backoff()
		default:
			var r *request
			if r, wakeAt = c.collect(now); r != nil {
				c.send(broker, r)
				continue
			}
		}
		c.sleep(timer, wakeAt)
	}
}

func (c *conn) sleep(timer *time.Timer, until int64) {
	wait := time.Hour
	if until != never {
		wait = time.Duration(until - c.p.clock())
	}
	timer.Reset(max(wait, 0))
	select {
	case <-c.signal:
	case <-timer.C:
	case <-c.p.ctx.Done():
	}
}

// collect takes a batch from each ready partition. Without any it returns when
// to look again.
func (c *conn) collect(now int64) (*request, int64) {
	c.mu.Lock()
	list := c.ready
	c.ready, c.looking = c.spare[:0], true
	idle := c.inflight == 0
	c.mu.Unlock()

	r := &request{c: c}
	keep := list[:0]
	wakeAt := never
	for i, part := range list {
		if r.bytes >= requestBytes {
			keep = append(keep, list[i:]...)
			break
		}
		b, at, more := part.take(c, r, now, idle)
		if b != nil {
			r.batches = append(r.batches, b)
			r.parts = append(r.parts, part)
			r.bytes += b.bytes
		}
		if more || b == nil && at != never {
			keep = append(keep, part)
			wakeAt = min(wakeAt, at)
		}
	}
	c.mu.Lock()
	c.spare = c.ready[:0:cap(c.ready)]
	came := append(keep, c.ready...)
	clear(c.spare[:len(c.ready)])
	c.ready, c.looking = came, false
	if len(r.batches) > 0 {
		c.inflight++
	}
	c.mu.Unlock()
	if len(r.batches) == 0 {
		return nil, wakeAt
	}
	return r, now
}

// send encodes and writes r. The answer comes in on sarama's reading goroutine.
func (c *conn) send(broker *sarama.Broker, r *request) {
	req := &sarama.ProduceRequest{ // the frame puts the records in
		RequiredAcks: sarama.RequiredAcks(c.p.cfg.Acks),
		Version:      10, // sarama lowers it to what the broker knows
	}
	c.frame.r = r
	r.sent = c.p.clock()
	c.p.metrics.sending(r, r.sent)
	err := broker.AsyncProduce(req, func(resp *sarama.ProduceResponse, err error) { c.answered(r, resp, err) })
	r.encoded.Store(true)
	if err != nil || c.p.cfg.Acks == 0 {
		c.answered(r, nil, err)
	}
}

// ackTimeout is how long the broker may wait for its replicas, in milliseconds.
func (p *Producer) ackTimeout() int32 {
	return int32(min(p.net.Producer.Timeout, p.cfg.DeliveryTimeout) / time.Millisecond)
}

// open connects, or returns nil after telling everybody who waits.
func (c *conn) open() *sarama.Broker {
	c.mu.Lock()
	addr := c.addr
	c.mu.Unlock()
	broker, err := c.wire.dial(addr)
	if err == nil {
		c.mu.Lock()
		c.retries = 0
		c.mu.Unlock()
		return broker
	}
	err = fmt.Errorf("connect to broker %d at %s: %w", c.id, addr, kafkaerr.Classify(err))
	c.p.cfg.Log.Warn("kafka broker cannot be reached; its records wait", "broker", c.id, "addr", addr, "error", err)
	c.mu.Lock()
	list := append([]*partition(nil), c.ready...)
	c.mu.Unlock()
	for _, part := range list {
		part.unreachable(c, err)
	}
	return nil
}

// backoff returns the clock of the next attempt to connect.
func (c *conn) backoff() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := min(c.p.cfg.retryBackoff<<min(c.retries, 6), time.Second)
	c.retries++
	c.muted = c.p.clock() + int64(jitter(d))
	return c.muted
}

func (c *conn) hangUp(broker *sarama.Broker) {
	if broker != nil {
		_ = broker.Close() // what it says of a broken connection helps nobody
	}
}

// conn returns the sender of a broker, starting it when it is new, or nil when
// the producer is closed.
func (p *Producer) conn(id int32, addr string) *conn {
	p.connsMu.Lock()
	defer p.connsMu.Unlock()
	c := p.conns[id]
	if c == nil {
		if p.ctx.Err() != nil {
			return nil
		}
		c = newConn(p, id, addr)
		p.conns[id] = c
		p.senders.Store(int32(len(p.conns)))
		p.work.Go(c.run)
		return c
	}
	c.move(addr)
	return c
}

// unreachable fails what waits for c when our credentials were refused, and
// otherwise asks whether somebody else leads the partition by now.
func (p *partition) unreachable(c *conn, err error) {
	if unauthenticated(err) {
		p.drop(fmt.Errorf("write to %s: %w", p.t.name, err))
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leader != c {
		return
	}
	p.writable.Store(false)
	for _, b := range p.pending {
		if b.lastErr == nil {
			b.lastErr = err
		}
	}
	p.t.p.control.want(p.t)
}
