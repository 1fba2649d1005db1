package producer

import (
	"errors"
	"fmt"

	"github.com/IBM/sarama"
)

// split takes a batch apart in which the broker refused something, so that one
// bad record spares its neighbours. Named records fail; without names the
// batch is halved until the bad one is alone.
func (p *partition) split(b *batch, kept, out []*batch) (_, _ []*batch) {
	err := b.refusal
	if b.n == 1 || b.ambiguous || len(b.bad) >= b.n {
		b.failure = fmt.Errorf("write to %s: %w", p.t.name, refusalOf(err))
		b.done = true
		return kept, p.ended(b, out)
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
		out = p.ended(bad, out)
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
