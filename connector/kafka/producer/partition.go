package producer

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/connector"
)

// partition accumulates the records of one partition and keeps its place in
// the sequence. Batches stand in pending from the oldest unfinished one on;
// next is the first that is not in flight. After an answer that needs a retry
// nothing more is sent until all that is in flight is answered (draining);
// then settle goes back to the oldest, so that order and sequence hold.
type partition struct {
	t        *topic
	id       int32
	writable atomic.Bool // has a leader and is not waiting after an error

	mu       sync.Mutex
	leader   *conn                // set by setLeader
	led      atomic.Pointer[conn] // the same, without mu
	waiting  int64                // cost of what is not reported yet
	moveTo   *conn                // leader to change to once drained
	epoch    int32                // leader epoch
	queued   *conn                // the sender in whose ready list it stands
	taken    *request             // the last request that it gave a batch to
	pending  []*batch
	next     int
	inflight int
	draining bool
	held     bool // the topic is another one: nothing more is sent
	gone     bool // and what it had stands in a partition of the new one
	retryAt  int64
	retries  int
	dead     error // the producer is closed

	seq     sequence
	joined  int64 // transaction that it is part of
	joining int64 // transaction that it asked to be part of
}

// sequence is a partition's own state of KIP-98. The epoch is bumped for one
// partition alone: brokers keep it by producer and partition.
type sequence struct {
	known    bool // has a producer id
	asked    bool // waits for one
	id       int64
	epoch    int16
	next     int64
	bump     bool // the next batch to be stamped begins a new epoch
	ackID    int64
	ackEpoch int16
	acked    int64 // highest sequence stored in ackEpoch; -1 none
	ackedAt  int64 // clock of that
}

// stateTrust is how long after an acknowledgement the broker surely keeps what
// it knows of a producer (producer.id.expiration.ms is a day by default).
const stateTrust = int64(5 * time.Minute)

// confirmed reports whether the broker knows the sequence of b's epoch. A
// partition without such state accepts any first sequence number: were two
// batches in flight then, the second could be stored without the first
// (KAFKA-15591). So the first batch of an epoch goes alone.
func (s *sequence) confirmed(b *batch, now int64) bool {
	id, epoch := b.id, b.epoch
	if !b.stamped {
		if s.bump {
			return false
		}
		id, epoch = s.id, s.epoch
	}
	return s.acked >= 0 && s.ackID == id && s.ackEpoch == epoch && now-s.ackedAt < stateTrust
}

func newPartition(t *topic, id int32) *partition {
	return &partition{t: t, id: id, epoch: -1, seq: sequence{acked: -1}}
}

// append adds the records of order, or returns false when the partition belongs
// to a topic that was made anew.
func (p *partition) append(pl *placement, order []int32) bool {
	p.mu.Lock()
	if p.gone {
		p.mu.Unlock()
		return false
	}
	if p.dead != nil {
		err := p.dead
		p.mu.Unlock()
		for _, i := range order {
			pl.reject(i, err)
		}
		return true
	}
	for _, i := range order {
		m := pl.batch[i]
		p.put(pl.w, i, m, pl.millis(m), pl.size(i), pl.now)
	}
	p.ready()
	p.mu.Unlock()
	return true
}

func (p *partition) appendParked(k parked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.put(k.w, k.index, k.m, k.ms, k.size, k.at)
	p.ready()
}

// put adds one record, closing the open batch when the record does not fit.
func (p *partition) put(w *write, index int32, m *connector.Message, ms int64, size int, now int64) {
	cfg := &p.t.p.cfg
	var b *batch
	if k := len(p.pending); k > 0 && !p.pending[k-1].full {
		if b = p.pending[k-1]; !b.fits(size, int(p.t.size.limit.Load()), cfg.BatchRecords) {
			b.full = true
			b = nil
		}
	}
	if b == nil {
		b = p.t.p.pools.batch()
		b.created = now
		p.pending = append(p.pending, b)
	}
	b.add(&p.t.p.pools, w, index, m, ms, size)
	p.owes(int64(size) + recordOverhead)
}

// ready puts the partition into its leader's list when a batch could be sent.
// The caller holds mu.
func (p *partition) ready() {
	if p.leader == nil || p.held {
		if len(p.pending) > 0 {
			p.t.p.control.want(p.t)
		}
		return
	}
	if p.queued == p.leader || p.draining || p.next >= len(p.pending) || p.next >= p.t.p.cfg.MaxInFlight {
		return
	}
	p.queued = p.leader
	p.leader.push(p)
}

// never is the clock of something that waits for an event, not for a time.
const never = int64(1<<63 - 1)

// take returns the next batch that may be sent on c now, and otherwise the
// clock at which to ask again. more says that another may follow.
func (p *partition) take(c *conn, r *request, now int64, idle bool) (b *batch, wakeAt int64, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queued != c {
		return nil, never, false // moved away meanwhile
	}
	if p.taken == r {
		// It stands in the list twice: it moved away and came back. A request
		// has room for one batch of a partition.
		return nil, never, false
	}
	wakeAt = p.waits(c, now, idle)
	if wakeAt > now {
		if wakeAt == never {
			p.queued = nil
		}
		return nil, wakeAt, false
	}
	if b = p.pending[p.next]; !b.stamped && b.n > 1 && int64(b.bytes) > p.t.size.limit.Load() {
		p.cut(p.next)
		b = p.pending[p.next]
	}
	cfg := &p.t.p.cfg
	if !b.stamped {
		b.full = true
		if cfg.Idempotent {
			p.stamp(b)
		}
	}
	b.inflight, b.request, p.taken = true, r, r
	b.lost, b.renew = false, false
	b.attempts++
	p.next++
	p.inflight++
	if more = p.next < len(p.pending) && p.next < cfg.MaxInFlight; !more {
		p.queued = nil
	}
	return b, now, more
}

// waits says when pending[next] may be sent on c: now, at a later time, or
// never as things stand.
func (p *partition) waits(c *conn, now int64, idle bool) int64 {
	prod := p.t.p
	for p.next < len(p.pending) && p.pending[p.next].done {
		p.next++ // acknowledged while an older one failed
	}
	if p.leader != c || p.draining || p.held || p.next >= len(p.pending) || p.next >= prod.cfg.MaxInFlight {
		return never
	}
	if p.retryAt > now {
		return p.retryAt
	}
	if prod.cfg.Idempotent {
		if !p.seq.known && !p.identify() {
			return never
		}
		b := p.pending[p.next]
		if p.seq.bump && !b.stamped && p.next > 0 {
			return never // what is older must end in the old epoch first
		}
		if p.inflight > 0 && !p.seq.confirmed(b, now) {
			return never
		}
		if prod.txn != nil && !prod.txn.joined(p) {
			return never
		}
	}
	b := p.pending[p.next]
	if b.full || idle && prod.cfg.Linger == 0 || prod.flushing.Load() > 0 || prod.memory.waiting.Load() > 0 {
		return now
	}
	linger := prod.cfg.Linger
	if linger == 0 {
		linger = groupWait
	}
	return max(now, b.created+int64(linger))
}

// stamp gives b the next sequence numbers.
func (p *partition) stamp(b *batch) {
	s := &p.seq
	if s.bump {
		s.bump = false
		s.epoch++
		s.next = 0
	}
	b.stamp(s.id, s.epoch, s.next)
	s.next += int64(b.n)
}

// lead says who leads the partition. What is in flight to another broker is
// waited for first.
func (p *partition) lead(c *conn, epoch int32, anew bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = false
	if anew {
		p.seq.acked = -1 // the new log knows no sequence of ours
	}
	if !anew && epoch >= 0 && epoch < p.epoch && p.leader != nil {
		return // an answer of a broker that lags behind
	}
	p.epoch = epoch
	p.writable.Store(true)
	switch {
	case p.leader == c:
		p.moveTo = nil
	case p.inflight > 0:
		p.moveTo, p.draining = c, true
		return
	default:
		p.setLeader(c)
		p.moveTo = nil
		p.retryAt = 0
	}
	p.ready()
}

func (p *partition) unfinished() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pending) > 0
}

// pause waits before the next attempt, longer with each retry in a row.
func (p *partition) pause(now int64) {
	d := p.t.p.cfg.retryBackoff << min(p.retries, 5)
	p.retries++
	p.retryAt = now + int64(jitter(min(d, time.Second)))
}
