package producer

// split takes a batch apart in which the broker refused something, so that one
// bad record spares its neighbours. Named records fail; without names the batch
// is halved until the bad one is alone, or cut to the size that the topic takes.
func (p *partition) split(b *batch, kept, out []*batch, now int64) (_, _ []*batch) {
	large := tooLarge(b.refusal)
	if large && !b.ambiguous {
		p.t.size.refuse(b.bytes, now)
	}
	pools, named := &p.t.p.pools, b.names()
	switch {
	case b.ambiguous, b.n == 1:
		if w := named[0]; w != "" && b.n == 1 {
			b.words = w
		}
		b.failure = p.refusalOf(b)
		b.done = true
		return kept, p.ended(b, out)
	case len(named) > 0:
		return p.splitNamed(b, named, kept, out)
	case large:
		return p.pieces(b, kept), out
	}
	left, right := pools.batch(), pools.batch()
	b.scatter(pools, func(i int) *batch {
		if i < b.n/2 {
			return left
		}
		return right
	})
	b.reported, b.done = true, true
	p.retire(b)
	return append(kept, left, right), out
}

// splitNamed fails the records that the broker named, each with its words, and
// keeps the others.
func (p *partition) splitNamed(b *batch, named map[int]string, kept, out []*batch) (_, _ []*batch) {
	pools := &p.t.p.pools
	var good *batch
	var bad []*batch
	byWords := map[string]*batch{}
	b.scatter(pools, func(i int) *batch {
		words, isBad := named[i]
		if !isBad {
			if good == nil {
				good = pools.batch()
			}
			return good
		}
		q := byWords[words]
		if q == nil {
			q = pools.batch()
			q.refusal, q.words = b.refusal, words
			byWords[words] = q
			bad = append(bad, q)
		}
		return q
	})
	b.reported, b.done = true, true
	p.retire(b)
	for _, q := range bad {
		q.failure = p.refusalOf(q)
		q.done = true
		out = p.ended(q, out)
	}
	if good != nil {
		kept = append(kept, good)
	}
	return kept, out
}

// names are the words for each record that the broker named.
func (b *batch) names() map[int]string {
	named := make(map[int]string, len(b.bad))
	for _, r := range b.bad {
		if i := int(r.BatchIndex); i >= 0 && i < b.n {
			named[i] = wordsOf(r.BatchIndexErrorMessage)
			if named[i] == "" {
				named[i] = b.words
			}
		}
	}
	return named
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
