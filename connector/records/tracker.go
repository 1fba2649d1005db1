package records

import (
	"context"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sync/semaphore"

	"github.com/headrace/headrace/connector"
)

// Position is a place in one input: everything before Offset (in bytes of the
// decompressed stream) and Line has been delivered. It is the end of a record.
type Position struct {
	Input  int   // which input of the source, counted from 0
	Offset int64 // bytes
	Line   int64 // lines passed
	// Tail is the CRC-32C of the TailBytes bytes before Offset: whoever goes
	// on at a stored position can tell whether it is still the same input.
	Tail      uint32
	TailBytes int
}

// inFlightBytes bounds the memory of the batches that are not acknowledged
// yet. It is above what an exporter keeps in flight, so that the exporter's
// bound is the one that is felt.
const inFlightBytes = 48 << 20

// Tracker follows what was published until it is acknowledged. It is safe for
// concurrent use.
type Tracker struct {
	ctx    context.Context // ends when a record failed or the parent ended
	cancel context.CancelCauseFunc
	mark   connector.Watermark[Position]
	wg     sync.WaitGroup
	room   *semaphore.Weighted
	pool   sync.Pool
}

// NewTracker returns a Tracker whose Context is a child of ctx.
func NewTracker(ctx context.Context) *Tracker {
	t := &Tracker{room: semaphore.NewWeighted(inFlightBytes)}
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	return t
}

// Context ends when reading should: the parent ended, or a record failed.
func (t *Tracker) Context() context.Context { return t.ctx }

// Position is the place up to which everything is acknowledged; it never
// passes a record that failed.
func (t *Tracker) Position() (Position, bool) { return t.mark.Position() }

// Wait returns when everything published is acknowledged, with the error of
// the first record that failed. Records that failed because the parent of
// Context ended are no error: they come again.
func (t *Tracker) Wait() error {
	t.wg.Wait()
	defer t.cancel(nil)
	if f, ok := context.Cause(t.ctx).(*failure); ok {
		return f.err
	}
	return nil
}

// failure marks the cause of a cancelled Context as ours.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }

// batch is a piece of input on its way: the bytes, the messages that point
// into them, and how many are not acknowledged yet.
type batch struct {
	tracker *Tracker
	block   []byte
	slab    []connector.Message
	refs    []*connector.Message
	ack     func(*connector.Message, connector.Result) // b.acked, bound once
	left    atomic.Int64
	failed  atomic.Bool
	ticket  int64
	weight  int64
}

// batch returns one with room for n messages; its block is whatever the last
// user left, or nil.
func (t *Tracker) batch(n int) *batch {
	b, ok := t.pool.Get().(*batch)
	if !ok {
		b = &batch{tracker: t}
		b.ack = b.acked
	}
	if cap(b.slab) < n {
		b.slab = make([]connector.Message, 0, n)
		b.refs = make([]*connector.Message, 0, n)
	}
	b.slab, b.refs = b.slab[:0], b.refs[:0]
	b.failed.Store(false)
	return b
}

// add returns a new message at the end of the batch.
func (b *batch) add(line int64) *connector.Message {
	b.slab = append(b.slab, connector.Message{Partition: connector.AnyPartition, Seq: line})
	return &b.slab[len(b.slab)-1]
}

const messageBytes = int64(unsafe.Sizeof(connector.Message{}) + unsafe.Sizeof(uintptr(0)))

// publish hands the batch over. end is the place behind it.
func (t *Tracker) publish(out connector.Publisher, b *batch, end Position) error {
	if len(b.slab) == 0 {
		t.mark.Done(t.mark.Begin(end))
		t.pool.Put(b)
		return nil
	}
	b.weight = min(int64(cap(b.block))+int64(cap(b.slab))*messageBytes, inFlightBytes)
	if err := t.room.Acquire(t.ctx, b.weight); err != nil {
		return err
	}
	b.ticket = t.mark.Begin(end)
	for i := range b.slab {
		b.slab[i].Ack = b.ack
		b.refs = append(b.refs, &b.slab[i])
	}
	b.left.Store(int64(len(b.slab)))
	t.wg.Add(1)
	if err := out.Publish(t.ctx, b.refs); err != nil {
		t.room.Release(b.weight)
		t.wg.Done() // the messages stay ours; nothing behind them is committed
		return err
	}
	return nil // b may be in use for the next piece already
}

func (b *batch) acked(_ *connector.Message, r connector.Result) {
	t := b.tracker
	if r.Outcome == connector.Failed {
		b.failed.Store(true)
		t.cancel(&failure{r.Err})
	}
	if b.left.Add(-1) > 0 {
		return
	}
	weight := b.weight
	if !b.failed.Load() {
		t.mark.Done(b.ticket)
		clear(b.slab)
		clear(b.refs)
		t.pool.Put(b)
	} // a failed record's bytes may still be held by a client that gave up on it
	t.room.Release(weight)
	t.wg.Done()
}
