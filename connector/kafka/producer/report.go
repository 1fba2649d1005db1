package producer

import (
	"time"

	"github.com/headrace/headrace/connector"
)

// expire gives up batches that are older than the delivery timeout. One that is
// in flight keeps its place until it is answered: the ones behind it must not
// be sent in its stead before that.
func (p *partition) expire(now int64) {
	timeout := p.t.p.cfg.DeliveryTimeout
	var out []*batch
	p.mu.Lock()
	gone := false
	for _, b := range p.pending {
		if b.created > now-int64(timeout) {
			break
		}
		if b.done || b.reported || b.request != nil && !b.request.encoded.Load() {
			continue
		}
		gone = gone || !b.inflight
		out = p.give(b, expired(p.t.name, timeout, b.lastErr), out)
	}
	if gone {
		p.draining = true
		if p.inflight == 0 {
			out = p.settle(now, out)
		}
	}
	p.trim()
	p.ready()
	p.mu.Unlock()
	p.t.p.report(p, out)
}

// give ends b with err, or as stored when that is known.
func (p *partition) give(b *batch, err error, out []*batch) []*batch {
	b.full = true
	if p.stored(b) {
		p.deliver(b, -1, 0)
	} else {
		b.failure = err
		b.done = !b.inflight
	}
	return p.ended(b, out)
}

// drop fails what is not in flight; kill also marks the partition as closed and
// fails what is in flight.
func (p *partition) drop(err error) { p.end(err, false) }

func (p *partition) kill(err error) { p.end(err, true) }

func (p *partition) end(err error, all bool) {
	var out []*batch
	p.mu.Lock()
	if all {
		p.dead = err
	}
	for _, b := range p.pending {
		if b.done || b.reported || b.inflight && !all || b.request != nil && !b.request.encoded.Load() {
			continue
		}
		out = p.give(b, err, out)
	}
	p.draining = true
	if p.inflight == 0 {
		out = p.settle(p.t.p.clock(), out)
	}
	p.ready()
	p.mu.Unlock()
	p.t.p.report(p, out)
}

func expired(topic string, after time.Duration, last error) error {
	if last == nil {
		return connector.Errorf(connector.Unavailable, "write to %s: not delivered within %s", topic, after)
	}
	return connector.Errorf(connector.Unavailable, "write to %s: not delivered within %s; last error: %w", topic, after, last)
}

// report tells the writers what became of their records and takes the batches
// back. It runs without locks.
func (p *Producer) report(part *partition, out []*batch) {
	for _, b := range out {
		if b.failure != nil && p.txn != nil {
			p.txn.taint(b.failure)
		}
		p.memory.release(b.cost)
		p.metrics.finished(b)
		i := 0
		for _, s := range b.spans {
			n := s.end - i
			for ; i < s.end; i++ {
				from := &b.slab.recs[i]
				r := &s.w.results[from.index]
				if b.failure != nil {
					*r = connector.Result{Offset: -1, Outcome: connector.Failed, Err: b.failure}
					continue
				}
				r.Partition = part.id
				r.Offset, r.Timestamp = -1, b.logTime
				if b.offset >= 0 {
					r.Offset = b.offset + int64(i)
				}
				if b.logTime == 0 {
					r.Timestamp = from.ms
				}
			}
			s.w.finish(n)
		}
		part.recycle(b)
	}
}

// recycle takes back a reported batch, unless it is still in flight.
func (p *partition) recycle(b *batch) {
	p.mu.Lock()
	free := b.done && !b.inflight && !p.holds(b)
	p.mu.Unlock()
	if free {
		p.t.p.pools.putBatch(b)
	}
}

func (p *partition) holds(b *batch) bool {
	for _, q := range p.pending {
		if q == b {
			return true
		}
	}
	return false
}
