package producer

import (
	"github.com/headrace/headrace/connector"
)

// placement is one chunk of a Write being put into accumulators.
type placement struct {
	s     *scratch
	w     *write
	batch []*connector.Message
	base  int // index in batch of s.size[0]
	nowMS int64
	now   int64
}

func (pl *placement) size(i int32) int { return int(pl.s.size[int(i)-pl.base]) }

func (pl *placement) millis(m *connector.Message) int64 {
	if m.Time.IsZero() {
		return pl.nowMS
	}
	return m.Time.UnixMilli()
}

// run places the records [i, j), all of topic t.
func (pl *placement) run(t *topic, i, j int) {
	parts := t.parts()
	if parts == nil {
		if parts = pl.park(t, i, j); parts == nil {
			return
		}
	}
	if !t.used.Load() {
		t.used.Store(true)
	}
	n := int32(len(parts))
	s := pl.s
	s.order, s.dest = s.order[:0], s.dest[:0]
	same := true
	for k := i; k < j; k++ {
		if s.size[k-pl.base] < 0 {
			continue
		}
		d, err := t.choose(pl.batch[k], n)
		if err != nil {
			pl.reject(int32(k), err)
			continue
		}
		if d >= n {
			t.park(pl.parked(int32(k))) // the partition may have been added
			continue
		}
		s.dest = append(s.dest, d)
		s.order = append(s.order, int32(k))
		same = same && d == s.dest[0]
	}
	switch {
	case len(s.order) == 0:
	case same:
		pl.fill(t, parts, s.dest[0], s.order)
	default:
		pl.group(t, parts)
	}
}

// group sorts by partition, keeping the order within each, so that each
// partition is locked once.
func (pl *placement) group(t *topic, parts []*partition) {
	s := pl.s
	if need := len(parts) + 1; len(s.count) < need {
		s.count = make([]int32, need)
	}
	s.seen = s.seen[:0]
	for _, d := range s.dest {
		if s.count[d+1] == 0 {
			s.seen = append(s.seen, d)
		}
		s.count[d+1]++
	}
	at := int32(0)
	for _, d := range s.seen {
		n := s.count[d+1]
		s.count[d+1] = at
		at += n
	}
	n := len(s.order)
	s.order = append(s.order, s.order...) // the sorted half follows the original
	sorted := s.order[n:]
	for k, d := range s.dest {
		sorted[s.count[d+1]] = s.order[k]
		s.count[d+1]++
	}
	from := int32(0)
	for _, d := range s.seen {
		end := s.count[d+1]
		s.count[d+1] = 0
		pl.fill(t, parts, d, sorted[from:end])
		from = end
	}
}

// fill appends records to one partition, or to those whose turn it is.
func (pl *placement) fill(t *topic, parts []*partition, d int32, order []int32) {
	if d >= 0 {
		if !parts[d].append(pl, order) {
			pl.anew(t, order)
		}
		return
	}
	for len(order) > 0 {
		at, n := t.sticky.take(t, parts, pl.now, order, pl.size)
		if !parts[at].append(pl, order[:n]) {
			pl.anew(t, order)
			return
		}
		order = order[n:]
	}
}

func (pl *placement) reject(index int32, err error) {
	pl.w.p.memory.release(int64(pl.size(index)) + recordOverhead)
	pl.w.fail(index, err)
}

// park keeps the records [i, j) until the topic is known. It returns the
// partitions instead when they became known meanwhile.
func (pl *placement) park(t *topic, i, j int) []*partition {
	var ks []parked
	for k := i; k < j; k++ {
		if pl.s.size[k-pl.base] >= 0 {
			ks = append(ks, pl.parked(int32(k)))
		}
	}
	for {
		ok, err := t.parkAll(ks)
		switch {
		case ok:
			return nil
		case err != nil:
			for _, k := range ks {
				k.fail(err)
			}
			return nil
		}
		if parts := t.parts(); parts != nil {
			return parts
		}
		t = pl.w.p.topic(t.name) // it was forgotten in this moment
	}
}

func (pl *placement) parked(index int32) parked {
	m := pl.batch[index]
	return parked{w: pl.w, m: m, index: index, size: pl.size(index), ms: pl.millis(m), at: pl.now}
}
