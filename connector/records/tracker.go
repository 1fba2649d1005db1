package records

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/connector"
)

// Position is a place in one input: everything before Offset (in bytes of the
// decompressed stream) and Line has been delivered.
type Position struct {
	Input  int   // which input of the source, counted from 0
	Offset int64 // bytes
	Line   int64 // lines or rows passed
}

// Tracker follows what was published until it is acknowledged. It is safe for
// concurrent use.
type Tracker struct {
	ctx    context.Context // ends when a record failed or the parent ended
	cancel context.CancelCauseFunc
	mark   connector.Watermark[Position]
	wg     sync.WaitGroup
	pool   sync.Pool
}

// NewTracker returns a Tracker whose Context is a child of ctx.
func NewTracker(ctx context.Context) *Tracker {
	t := &Tracker{}
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	t.pool.New = func() any { return &batch{tracker: t} }
	return t
}

// Context ends when reading should: the parent ended, or a record failed.
func (t *Tracker) Context() context.Context { return t.ctx }

// Position is the place up to which everything is acknowledged; it never
// passes a record that failed.
func (t *Tracker) Position() (Position, bool) { return t.mark.Position() }

// Wait returns when everything published is acknowledged, with the error of
// the first record that failed.
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
	left    atomic.Int64
	failed  atomic.Bool
	ticket  int64
}

func (t *Tracker) batch() *batch {
	b := t.pool.Get().(*batch)
	b.slab, b.refs = b.slab[:0], b.refs[:0]
	b.failed.Store(false)
	return b
}

// publish hands the batch over. end is the place behind it.
func (t *Tracker) publish(out connector.Publisher, b *batch, end Position) error {
	b.ticket = t.mark.Begin(end)
	if len(b.slab) == 0 {
		t.mark.Done(b.ticket)
		t.pool.Put(b)
		return nil
	}
	ack := b.ack // one closure for the batch
	for i := range b.slab {
		b.slab[i].Ack = ack
		b.refs = append(b.refs, &b.slab[i])
	}
	b.left.Store(int64(len(b.slab)))
	t.wg.Add(1)
	if err := out.Publish(t.ctx, b.refs); err != nil {
		t.wg.Done() // the messages stay ours; nothing behind them is committed
		return err
	}
	return nil
}

func (b *batch) ack(_ *connector.Message, r connector.Result) {
	t := b.tracker
	if r.Outcome == connector.Failed {
		b.failed.Store(true)
		t.cancel(&failure{r.Err})
	}
	if b.left.Add(-1) > 0 {
		return
	}
	if !b.failed.Load() {
		t.mark.Done(b.ticket)
	}
	clear(b.slab)
	clear(b.refs)
	t.pool.Put(b)
	t.wg.Done()
}
