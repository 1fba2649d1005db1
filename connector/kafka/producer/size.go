package producer

import (
	"sync"
	"sync/atomic"
	"time"
)

// batchSize is how large the batches of a topic may be, in bytes before
// compression. A broker refuses those over the topic's max.message.bytes, which
// it does not tell; between the largest that it took and the smallest that it
// refused the limit is halved in, so that it is found once and not with each
// batch.
type batchSize struct {
	limit   atomic.Int64
	refused atomic.Bool // since the topic is used; without it nothing is learnt

	mu    sync.Mutex
	full  int64
	taken int64
	least int64 // refused; 0 when nothing was
	since int64 // clock of the last refusal
}

// relearnAfter is when a larger batch is tried again: the setting may have been
// raised.
const relearnAfter = int64(time.Minute)

func (s *batchSize) init(full int) {
	s.full = int64(full)
	s.limit.Store(s.full)
}

// refuse takes note that a batch of several records, or a single one, was too large.
func (s *batchSize) refuse(bytes int, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(bytes)
	s.refused.Store(true)
	s.since = now
	if s.least == 0 || n < s.least {
		s.least = n
	}
	if s.taken >= s.least { // it compresses worse, or the setting was lowered
		s.taken = 0
	}
	s.set()
}

// take takes note that a batch was stored.
func (s *batchSize) take(bytes int, now int64) {
	if !s.refused.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now-s.since > relearnAfter {
		s.least *= 2
		s.since = now
	}
	if s.taken = max(s.taken, int64(bytes)); s.taken >= s.least {
		s.least = 2 * s.taken
	}
	if s.least > s.full {
		s.least, s.taken = 0, 0
		s.refused.Store(false)
		s.limit.Store(s.full)
		return
	}
	if s.taken*4 >= s.limit.Load()*3 { // else the limit was not tried
		s.set()
	}
}

func (s *batchSize) set() {
	limit := (s.taken + s.least) / 2
	if s.least-s.taken <= s.least/8 {
		limit = s.taken
	}
	s.limit.Store(min(limit, s.full))
}

// cut takes an unsent batch apart that is larger than the topic is known to
// take. The caller holds mu.
func (p *partition) cut(i int) {
	b := p.pending[i]
	rest := append([]*batch(nil), p.pending[i+1:]...)
	p.pending = append(p.pieces(b, p.pending[:i]), rest...)
}

// pieces appends the records of b in batches that the topic takes. The cost
// that is owed stays the same.
func (p *partition) pieces(b *batch, to []*batch) []*batch {
	pools, limit := &p.t.p.pools, int(p.t.size.limit.Load())
	var last *batch
	b.scatter(pools, func(i int) *batch {
		if last == nil || last.bytes+recordSize(b.slab.recs[i].m) > limit {
			last = pools.batch()
			to = append(to, last)
		}
		return last
	})
	b.reported, b.done = true, true
	p.retire(b)
	return to
}
