package producer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
)

// write is one call of Write on its way. Records finish in any order and from
// any goroutine, each at its own index, so no lock is needed.
type write struct {
	p       *Producer
	results []connector.Result
	left    atomic.Int64
	done    func([]connector.Result)
	epoch   *epoch
}

func (p *Producer) begin(n int, done func([]connector.Result)) *write {
	w, ok := p.pools.writes.Get().(*write)
	if !ok {
		w = &write{p: p}
	}
	if cap(w.results) < n {
		w.results = make([]connector.Result, n)
	}
	w.results = w.results[:n]
	w.done = done
	w.left.Store(int64(n))
	w.epoch = p.epochs.enter()
	return w
}

// finish counts n finished records; the last one reports the call.
func (w *write) finish(n int) {
	if w.left.Add(-int64(n)) != 0 {
		return
	}
	p, e := w.p, w.epoch
	w.done(w.results)
	clear(w.results)
	w.done, w.epoch = nil, nil
	if cap(w.results) <= 8*chunkRecords {
		p.pools.writes.Put(w)
	}
	p.epochs.leave(e)
}

func (w *write) fail(index int32, err error) {
	if w.p.txn != nil {
		w.p.txn.taint(err)
	}
	w.results[index] = connector.Result{Offset: -1, Outcome: connector.Failed, Err: err}
	w.finish(1)
}

// scratch is what one Write needs while it sorts records to partitions.
type scratch struct {
	size  []int32 // of each record of the chunk; -1: refused already
	dest  []int32 // partition or choice of each record
	order []int32 // indexes grouped by partition
	count []int32 // by partition, zero between uses
	seen  []int32 // partitions with a count
}

// Write hands over a batch and returns when all of it lies in memory, which is
// bounded by Config.BufferBytes: Write waits for room. done is called once, when
// every record is stored or failed, with one result a record in the order of
// the batch. When ctx ends while Write waits, the rest is reported with its
// error. Write is safe for concurrent use; the records of one call that go to
// the same partition are stored in their order.
func (p *Producer) Write(ctx context.Context, batch []*connector.Message, done func([]connector.Result)) {
	if len(batch) == 0 {
		done(nil)
		return
	}
	w := p.begin(len(batch), done)
	s, ok := p.pools.scratch.Get().(*scratch)
	if !ok {
		s = &scratch{}
	}
	nowMS, now := time.Now().UnixMilli(), p.clock()
	for from := 0; from < len(batch); {
		to, cost := p.chunk(s, w, batch, from)
		if cost > 0 {
			if err := p.admit(ctx, cost); err != nil {
				p.abandon(s, w, from, to, len(batch), err)
				break
			}
			p.place(s, w, batch, from, to, nowMS, now)
		}
		from = to
	}
	p.pools.scratch.Put(s)
}

func (p *Producer) admit(ctx context.Context, cost int64) error {
	if p.closed.Load() {
		return errClosed()
	}
	if p.txn != nil {
		if err := p.txn.open(); err != nil {
			return err
		}
	}
	err := p.memory.acquire(ctx, cost)
	if err != nil {
		return kafkaerr.Classify(err)
	}
	return nil
}

// abandon reports what of the batch was not taken, from the chunk [from, to) on.
func (p *Producer) abandon(s *scratch, w *write, from, to, end int, err error) {
	n := 0
	for i := from; i < end; i++ {
		if i < to && s.size[i-from] < 0 {
			continue // refused and reported by chunk
		}
		w.results[i] = connector.Result{Offset: -1, Outcome: connector.Failed, Err: err}
		n++
	}
	if n > 0 { // else all is reported, and w may serve another call
		w.finish(n)
	}
}

// chunk measures records from from on, as many as are placed in one go, and
// refuses those that can never be stored. cost is the memory they need.
func (p *Producer) chunk(s *scratch, w *write, batch []*connector.Message, from int) (to int, cost int64) {
	s.size = s.size[:0]
	most := p.cfg.BufferBytes / 4
	refused := 0
	for to = from; to < len(batch) && to-from < chunkRecords; to++ {
		m := batch[to]
		size := recordSize(m)
		if err := p.check(m, size); err != nil {
			w.results[to] = connector.Result{Offset: -1, Outcome: connector.Failed, Err: err}
			refused++
			s.size = append(s.size, -1)
			continue
		}
		c := int64(size) + recordOverhead
		if cost > 0 && cost+c > most {
			break
		}
		cost += c
		s.size = append(s.size, int32(size))
	}
	if refused > 0 {
		if p.txn != nil {
			p.txn.taint(w.results[to-1].Err)
		}
		w.finish(refused)
	}
	return to, cost
}

func (p *Producer) check(m *connector.Message, size int) error {
	if wire := batchHeader + size - recordSlack; wire > p.cfg.MaxMessageBytes {
		return connector.Errorf(connector.TooLarge, "write to kafka: a record of %d bytes is over the limit here of %d: raise max_message_bytes, and max.message.bytes of the topic where that is less", wire, p.cfg.MaxMessageBytes)
	}
	if !m.Time.IsZero() {
		if ms := m.Time.UnixMilli(); ms < 0 || ms > maxMillis {
			return connector.Errorf(connector.Invalid, "write to kafka: the record's time is outside 1970 to 2262")
		}
	}
	if m.Partition < connector.AnyPartition {
		return connector.Errorf(connector.NotFound, "write to kafka: there is no partition %d; use -1 to let the producer choose", m.Partition)
	}
	if m.Topic == "" && p.cfg.Topic == "" {
		return connector.Errorf(connector.NotFound, "write to kafka: the record names no topic and the producer has none")
	}
	return nil
}

func (p *Producer) topicOf(m *connector.Message) string {
	if m.Topic != "" {
		return m.Topic
	}
	return p.cfg.Topic
}

// place gives the records [from, to) to their partitions, one run of records
// with the same topic after the other.
func (p *Producer) place(s *scratch, w *write, batch []*connector.Message, from, to int, nowMS, now int64) {
	pl := placement{s: s, w: w, batch: batch, base: from, nowMS: nowMS, now: now}
	for i := from; i < to; {
		if s.size[i-from] < 0 {
			i++
			continue
		}
		name := p.topicOf(batch[i])
		j := i + 1
		for j < to && (s.size[j-from] < 0 || p.topicOf(batch[j]) == name) {
			j++
		}
		pl.run(p.topic(name), i, j)
		i = j
	}
}

// epochs let Flush wait for the writes that began before it: each Flush ends
// the current epoch, and an ended epoch is done when its writes and those of
// all earlier epochs are.
type epochs struct {
	mu   sync.Mutex
	last *epoch
}

type epoch struct {
	active int
	ended  bool
	prev   bool // an earlier epoch is not done
	next   *epoch
	done   chan struct{}
}

func (e *epochs) init() { e.last = &epoch{done: make(chan struct{})} }

func (e *epochs) enter() *epoch {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last.active++
	return e.last
}

func (e *epochs) leave(x *epoch) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x.active--
	x.settle()
}

func (x *epoch) settle() {
	for x != nil && x.ended && !x.prev && x.active == 0 {
		close(x.done)
		x = x.next
		x.prev = false
	}
}

// cut ends the current epoch and returns the channel that closes when every
// write up to now is reported.
func (e *epochs) cut() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.last
	e.last = &epoch{done: make(chan struct{}), prev: true}
	x.ended, x.next = true, e.last
	x.settle()
	return x.done
}
