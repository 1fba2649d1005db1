package producer

import (
	"sync"
	"time"

	"github.com/headrace/headrace/connector"
)

// parked is a record that waits for metadata.
type parked struct {
	w     *write
	m     *connector.Message
	index int32
	size  int
	ms    int64
	at    int64
}

func (k parked) fail(err error) {
	k.w.p.memory.release(int64(k.size) + recordOverhead)
	k.w.fail(k.index, err)
}

// park keeps a record for a partition that may have been added, and asks for
// metadata.
func (t *topic) park(k parked) {
	t.mu.Lock()
	err := t.dead
	if err == nil {
		t.waiting = append(t.waiting, k)
	}
	t.mu.Unlock()
	if err != nil {
		k.fail(err)
		return
	}
	t.p.control.want(t)
}

// parkAll keeps records of a topic that is not known yet. It returns false
// when it became known meanwhile, and the error when the producer is closed.
func (t *topic) parkAll(ks []parked) (parked bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.parts() != nil {
		return false, nil
	}
	if t.gone {
		return false, nil
	}
	if t.dead != nil {
		return false, t.dead
	}
	t.waiting = append(t.waiting, ks...)
	if t.asked == 0 {
		t.asked = max(t.p.clock(), 1)
		t.p.control.want(t)
	}
	return true, nil
}

// unpark appends the waiting records and returns those that cannot be stored.
func (t *topic) unpark(parts []*partition) (failed []refusedRecord) {
	waiting := t.waiting
	t.waiting = nil
	n := int32(len(parts))
	for _, k := range waiting {
		d, err := t.choose(k.m, n)
		if err == nil && d >= n {
			err = vanished(t.name, d, n)
		}
		if err != nil {
			failed = append(failed, refusedRecord{k, err})
			continue
		}
		if d == ChooseSticky {
			d, _ = t.sticky.take(t, parts, t.p.clock(), []int32{0}, func(int32) int { return k.size })
		}
		parts[d].appendParked(k)
	}
	return failed
}

type refusedRecord struct {
	parked
	err error
}

// missing remembers the topics that were waited for in vain, so that the
// records behind the first ones do not wait as long again. The zero value is
// ready.
type missing struct {
	mu sync.Mutex
	at map[string]int64 // clock of the verdict
}

const (
	missingFor  = int64(time.Minute)
	mostMissing = 1000
)

func (m *missing) note(name string, now int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at == nil || len(m.at) >= mostMissing {
		m.at = make(map[string]int64)
	}
	m.at[name] = now
}

func (m *missing) lately(name string, now int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.at[name]
	return ok && now-at < missingFor
}
