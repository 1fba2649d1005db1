package producer

import (
	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
)

// anew reports whether the topic was deleted and created again: its id is
// another one, or, from brokers that have no ids, it has fewer partitions, which
// no topic gets otherwise. With the id that is known, fewer partitions are the
// answer of a broker that lags behind. The caller holds mu.
func (t *topic) anew(id sarama.Uuid, count int) bool {
	if (id == sarama.Uuid{}) {
		return count < len(t.parts())
	}
	return t.id != sarama.Uuid{} && id != t.id
}

// remake takes back what waits for the partitions of a topic that was made anew
// with another number of them; unpark places it once more. It returns false
// while something is in flight: its answer decides whether it must be sent
// again, and what is behind it must not overtake it. In a transaction, which has
// lost what it stored there, the records fail instead. The caller holds mu.
func (t *topic) remake() (done bool, failed []refusedRecord) {
	old := t.parts()
	for _, p := range old {
		p.hold()
	}
	for _, p := range old {
		if p.busy() {
			return false, nil
		}
	}
	var back []parked
	for _, p := range old {
		back = p.evacuate(back)
	}
	if t.p.txn != nil {
		err := connector.Errorf(connector.Unavailable, "write to %s: the topic was made anew during the transaction, which must be aborted", t.name)
		for _, k := range back {
			failed = append(failed, refusedRecord{k, err})
		}
		back = nil
	}
	t.waiting = append(back, t.waiting...)
	t.p.cfg.Log.Warn("a kafka topic was made anew with another number of partitions; its records are placed anew",
		"topic", t.name, "partitions_before", len(old), "records", len(back))
	none := []*partition(nil)
	t.list.Store(&none)
	return true, failed
}

// sized returns the topic's partitions with those that are new. The caller
// holds mu and stores the list.
func (t *topic) sized(count int) []*partition {
	parts := t.parts()
	if count <= len(parts) {
		return parts
	}
	grown := append([]*partition(nil), parts...)
	for id := len(parts); id < count; id++ {
		grown = append(grown, newPartition(t, int32(id)))
	}
	return grown
}

// hold keeps what is not in flight from being sent.
func (p *partition) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = true
}

func (p *partition) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inflight > 0
}

func (p *partition) isGone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gone
}

// evacuate ends the use of the partition and adds its records to those that are
// placed anew. Nothing is in flight.
func (p *partition) evacuate(back []parked) []parked {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
	for _, b := range p.pending {
		if b.done || b.reported {
			continue
		}
		i := 0
		for _, s := range b.spans {
			for ; i < s.end; i++ {
				r := &b.slab.recs[i]
				back = append(back, parked{w: s.w, m: r.m, index: r.index, size: recordSize(r.m), ms: r.ms, at: b.created})
			}
		}
		b.reported, b.done = true, true // by the batch that they come to
		p.owes(-b.cost)
		p.retire(b)
	}
	p.pending, p.next = nil, 0
	return back
}

// anew places records whose partition went with its topic.
func (pl *placement) anew(t *topic, order []int32) {
	for _, i := range order {
		for placed := false; !placed; {
			placed = pl.one(t, i)
		}
	}
}

func (pl *placement) one(t *topic, i int32) bool {
	t.mu.Lock() // whoever makes the new partitions holds it until all are there
	parts := t.parts()
	t.mu.Unlock()
	d, err := t.choose(pl.batch[i], int32(len(parts)))
	switch {
	case err != nil:
		pl.reject(i, err)
		return true
	case int(d) >= len(parts):
		t.park(pl.parked(i))
		return true
	case d == ChooseSticky:
		d, _ = t.sticky.take(t, parts, pl.now, []int32{i}, pl.size)
	}
	return parts[d].append(pl, []int32{i})
}

// vanished is the error of a record that names a partition that is not there.
func vanished(topic string, partition, count int32) error {
	return connector.Errorf(connector.NotFound, "write to %s: there is no partition %d, the topic has %d", topic, partition, count)
}
