package producer

import (
	"math/rand/v2"
	"sync"
	"time"
)

// sticky places the records without a key (KIP-794): a partition has its turn
// until so many bytes went to it, then another has. All have one turn before
// any has the next, in an order drawn anew each time, so that bytes spread
// evenly; a broker that has much more waiting than the others is passed over.
type sticky struct {
	mu    sync.Mutex
	at    int32
	left  int   // bytes of the turn
	until int64 // clock at which the turn is over whatever it got
	bag   []int32
}

// stickyFor is the longest turn. With records that come one at a time the
// bytes alone would take minutes; so little traffic fills no batch anyhow.
const stickyFor = int64(10 * time.Millisecond)

// sendOverhead is what a send of its own takes next to its records: a batch's
// header and its part of a request.
const sendOverhead = 128

// take returns the partition for the first n of the records in order.
func (s *sticky) take(t *topic, parts []*partition, now int64, order []int32, size func(int32) int) (at int32, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left <= 0 || now >= s.until || int(s.at) >= len(parts) {
		s.turn(t, parts)
		s.left, s.until = t.p.cfg.StickyBytes, now+stickyFor
	}
	s.left -= sendOverhead
	for n < len(order) && (n == 0 || s.left > 0) {
		s.left -= size(order[n])
		n++
	}
	return s.at, n
}

// turn draws the next partition.
func (s *sticky) turn(t *topic, parts []*partition) {
	for range 2 {
		for i, id := range s.bag {
			if int(id) < len(parts) && parts[id].welcomes() {
				last := len(s.bag) - 1
				s.at, s.bag[i] = id, s.bag[last]
				s.bag = s.bag[:last]
				return
			}
		}
		s.bag = s.bag[:0]
		for id := range parts {
			s.bag = append(s.bag, int32(id))
		}
		rand.Shuffle(len(s.bag), func(i, j int) { s.bag[i], s.bag[j] = s.bag[j], s.bag[i] })
	}
	s.at = s.bag[0] // nobody welcomes records
}

// welcomes reports whether the partition can be written and its broker is not
// behind: it has no more waiting than twice what the others have on average,
// and some turns.
func (p *partition) welcomes() bool {
	if !p.writable.Load() {
		return false
	}
	c, prod := p.led.Load(), p.t.p
	if c == nil {
		return true
	}
	others := int64(prod.senders.Load()) - 1
	if others <= 0 {
		return true
	}
	waiting := c.waiting.Load()
	mean := (prod.waiting.Load() - waiting) / others
	return waiting <= 2*mean+behindTurns*int64(prod.cfg.StickyBytes)
}

const behindTurns = 8

// owes adds to what waits for the partition's broker. The caller holds mu.
func (p *partition) owes(bytes int64) {
	before := p.waiting
	p.waiting += bytes
	switch {
	case before == 0 && p.waiting > 0:
		p.t.p.filled.Add(1)
	case before > 0 && p.waiting == 0:
		p.t.p.filled.Add(-1)
	}
	if p.leader != nil {
		p.leader.waiting.Add(bytes)
		p.t.p.waiting.Add(bytes)
	}
}

// setLeader changes the leader; what waits goes to it. The caller holds mu.
func (p *partition) setLeader(c *conn) {
	bytes := p.waiting
	p.owes(-bytes)
	p.leader = c
	p.led.Store(c)
	p.owes(bytes)
}
