package producer

import (
	"fmt"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector/kafka/kafkaerr"
)

// answer is what a broker, or the loss of its connection, said of one batch.
type answer struct {
	err     error
	act     action
	offset  int64
	logTime int64
	bad     []sarama.ProduceResponseRecordError
	words   string // the broker's own
	hint    *conn  // the new leader, when the broker named it (KIP-951)
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
		out = p.ended(b, out)
	case p.dead != nil:
		b.done = true
		b.failure = p.dead
		out = p.ended(b, out)
	case act == outOfSequence:
		b.lost = true
	case act == staleIdentity:
		b.lost, b.renew = true, true
	case act == refused:
		b.refusal, b.bad, b.words = a.err, a.bad, a.words
	case act == fatal:
		b.done = true
		b.failure = fmt.Errorf("write to %s: %w", p.t.name, kafkaerr.Classify(inItsWords(a.err, a.words)))
		out = p.ended(b, out)
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
func (p *partition) ended(b *batch, out []*batch) []*batch {
	if !b.reported {
		b.reported = true
		p.owes(-b.cost)
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
	p.t.size.take(b.bytes, p.t.p.clock())
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
			kept, out = p.split(b, kept, out, now)
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
		p.setLeader(p.moveTo)
		p.moveTo = nil
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
		out = p.ended(b, out)
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
