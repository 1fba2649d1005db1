package producer

import (
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
)

// answer is what a broker, or the loss of its connection, said of one batch.
type answer struct {
	err     error
	act     action
	offset  int64
	logTime int64
	bad     []sarama.ProduceResponseRecordError
	hint    *conn // the new leader, when the broker named it (KIP-951)
	epoch   int32
}

// complete takes the answer for b and adds what is to be reported to out. The
// report itself happens outside the lock.
func (p *partition) complete(b *batch, a answer, now int64, out []*batch) []*batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inflight--
	if p.taken == b.request {
		p.taken = nil
	}
	b.inflight, b.request = false, nil
	prod := p.t.p
	if a.act != delivered {
		prod.metrics.retry(a.act)
		p.draining = true
		b.lastErr = a.err
		b.ambiguous = b.ambiguous || a.act.ambiguous()
	}
	act := a.act
	if act == again {
		if b.agains++; b.agains >= mostAgain {
			act = refused
		}
	}
	if prod.txn != nil {
		act = prod.txn.judge(act)
	}
	switch {
	case b.reported: // given up while in flight; its report must not change any more
		b.done = true
		if act == delivered {
			p.note(b)
		}
	case act == delivered:
		p.deliver(b, a.offset, a.logTime)
		out = b.ended(out)
	case p.dead != nil:
		b.done = true
		b.failure = p.dead
		out = b.ended(out)
	case act == outOfSequence:
		b.lost = true
	case act == staleIdentity:
		b.lost, b.renew = true, true
	case act == refused:
		b.refusal, b.bad = a.err, a.bad
	case act == fatal:
		b.done = true
		b.failure = fmt.Errorf("write to %s: %w", p.t.name, kafkaerr.Classify(a.err))
		out = b.ended(out)
	default:
		if act == moved {
			p.writable.Store(false)
			p.follow(a)
		}
	}
	if p.inflight == 0 && p.draining {
		out = p.settle(now, out)
	}
	p.trim()
	p.ready()
	return out
}

// ended adds b to what is to be reported, unless it was reported before.
func (b *batch) ended(out []*batch) []*batch {
	if !b.reported {
		b.reported = true
		return append(out, b)
	}
	return out
}

func (p *partition) deliver(b *batch, offset, logTime int64) {
	b.done = true
	b.offset, b.logTime = offset, logTime
	p.note(b)
}

// note remembers that b is stored.
func (p *partition) note(b *batch) {
	b.acked = true
	p.retries = 0
	if b.stamped {
		s := &p.seq
		if b.id != s.ackID || b.epoch != s.ackEpoch {
			s.ackID, s.ackEpoch, s.acked = b.id, b.epoch, -1
		}
		s.acked = max(s.acked, b.seq)
		s.ackedAt = p.t.p.clock()
	}
	if full := p.t.p.cfg.BatchBytes; p.limit < full {
		p.limit = min(full, p.limit+p.limit/32+1) // sizes may be allowed again
	}
}

// follow acts on NOT_LEADER: to the leader that the broker named, else metadata
// is asked.
func (p *partition) follow(a answer) {
	if a.hint != nil && a.hint != p.leader && a.epoch > p.epoch {
		p.moveTo, p.epoch = a.hint, a.epoch
		return
	}
	p.t.p.control.want(p.t)
}

// stored reports whether a batch of the same epoch behind b was acknowledged.
// Sequences have no gaps, so b is stored too, whatever became of its answers.
func (p *partition) stored(b *batch) bool {
	s := &p.seq
	return b.stamped && b.id == s.ackID && b.epoch == s.ackEpoch && s.acked > b.seq
}

// settle runs when nothing is in flight after an error. It takes finished
// batches out, splits those with a refused record, decides whether sequences
// must begin anew, and goes back to the oldest unfinished batch.
func (p *partition) settle(now int64, out []*batch) []*batch {
	p.draining = false
	kept := make([]*batch, 0, len(p.pending)+1)
	failed := false
	hole := false // the broker will never see some sequence numbers
	for _, b := range p.pending {
		switch {
		case b.done:
			hole = hole || b.stamped && !b.acked && !b.ambiguous
			if b.acked && len(kept) > 0 {
				kept = append(kept, b) // counts for the window until what is older ends
			}
			continue
		case b.refusal != nil:
			failed = true
			hole = hole || !b.ambiguous
			kept, out = p.split(b, kept, out)
			continue
		case hole:
			b.unstamp()
		}
		failed = failed || b.lastErr != nil && b.attempts > 0
		kept = append(kept, b)
	}
	p.pending, p.next = kept, 0
	if hole {
		p.seq.bump = true
	}
	out = p.resequence(out)
	if p.moveTo != nil {
		p.leader, p.moveTo = p.moveTo, nil
		p.writable.Store(true)
		p.retryAt = 0
	} else if failed {
		p.pause(now)
	}
	return out
}

// resequence begins a new epoch when the oldest batch does not fit into the
// broker's sequence: what came before it was lost or given up, so neither it
// nor anything behind it is stored (KIP-360).
func (p *partition) resequence(out []*batch) []*batch {
	for len(p.pending) > 0 && p.pending[0].lost && p.stored(p.pending[0]) {
		b := p.pending[0]
		p.deliver(b, -1, 0)
		out = b.ended(out)
		p.pending = p.pending[1:]
	}
	if len(p.pending) == 0 {
		return out
	}
	lost, renew := p.pending[0].lost, p.pending[0].renew
	for _, b := range p.pending {
		b.lost, b.renew = false, false
		if lost && !b.done {
			b.unstamp()
		}
	}
	if !lost {
		return out
	}
	if p.t.p.txn != nil {
		// Nobody but the coordinator may change a transaction's epoch: the
		// transaction has to be aborted.
		for _, b := range p.pending {
			out = p.give(b, fmt.Errorf("write to %s: %w", p.t.name, kafkaerr.Classify(b.lastErr)), out)
		}
		p.pending = nil
		return out
	}
	p.seq.bump = true
	if renew || p.seq.epoch >= 1<<15-2 {
		p.t.p.identity.drop(p.seq.id)
		p.seq = sequence{acked: -1}
	}
	return out
}

// split takes a batch apart in which the broker refused something, so that one
// bad record spares its neighbours. Named records fail; without names the
// batch is halved until the bad one is alone.
func (p *partition) split(b *batch, kept, out []*batch) (_, _ []*batch) {
	err := b.refusal
	if b.n == 1 || b.ambiguous || len(b.bad) >= b.n {
		b.failure = fmt.Errorf("write to %s: %w", p.t.name, refusalOf(err))
		b.done = true
		return kept, b.ended(out)
	}
	if errors.Is(err, sarama.ErrMessageSizeTooLarge) || errors.Is(err, sarama.ErrMessageSetSizeTooLarge) {
		p.limit = max(min(p.limit, b.bytes/2), 1024)
	}
	if len(b.bad) == 0 {
		left, right := p.t.p.pools.batch(), p.t.p.pools.batch()
		b.scatter(&p.t.p.pools, func(i int) *batch {
			if i < b.n/2 {
				return left
			}
			return right
		})
		b.reported, b.done = true, true
		p.retire(b)
		return append(kept, left, right), out
	}
	good, bad := p.t.p.pools.batch(), p.t.p.pools.batch()
	named := make(map[int]bool, len(b.bad))
	for _, r := range b.bad {
		named[int(r.BatchIndex)] = true
	}
	b.scatter(&p.t.p.pools, func(i int) *batch {
		if named[i] {
			return bad
		}
		return good
	})
	b.reported, b.done = true, true
	p.retire(b)
	if bad.n > 0 {
		bad.failure = fmt.Errorf("write to %s: %w", p.t.name, refusalOf(err))
		bad.done = true
		out = bad.ended(out)
	}
	if good.n > 0 {
		kept = append(kept, good)
	}
	return kept, out
}

func (p *partition) retire(b *batch) { p.t.p.pools.putBatch(b) }

// scatter copies the records of b into the batches that to names.
func (b *batch) scatter(pools *pools, to func(i int) *batch) {
	i := 0
	for _, s := range b.spans {
		for ; i < s.end; i++ {
			into, r := to(i), &b.slab.recs[i]
			into.created = b.created
			into.full = true
			into.lastErr = b.lastErr
			into.add(pools, s.w, r.index, r.m, r.ms, recordSize(r.m))
		}
	}
}

// trim drops finished batches at the front, which moves the window on.
func (p *partition) trim() {
	if p.draining {
		return
	}
	n := 0
	for n < len(p.pending) && p.pending[n].done && !p.pending[n].inflight {
		n++
	}
	if n == 0 {
		return
	}
	rest := copy(p.pending, p.pending[n:])
	clear(p.pending[rest:])
	p.pending = p.pending[:rest]
	p.next = max(0, p.next-n)
}

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
	return b.ended(out)
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
