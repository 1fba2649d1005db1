// Package intake is the one stage behind every source: it runs the source from
// where the last run stopped, bounds what the source holds, follows every
// message until its fate is known, and stores the positions up to which
// everything has been delivered. It knows neither inputs nor destinations.
package intake

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/headrace/headrace/connector"
)

// SaveEvery is how often positions are stored while a source is read: what a
// crash makes come again is at most this much, and what is in flight.
const SaveEvery = 200 * time.Millisecond

// heldBytes bounds the memory of the batches that are not acknowledged yet. It
// is above what an exporter keeps in flight, so that the exporter's bound is
// the one that is felt.
const heldBytes = 48 << 20

// Positions is where the positions of one source are kept. A nil value in
// changed forgets the part. Save is durable when it returns.
type Positions interface {
	Positions() (map[string][]byte, error)
	Save(changed map[string][]byte) error
	Clear() error
}

// Config says what an intake reads, and where that goes.
type Config struct {
	Source    connector.Source
	Out       connector.Publisher
	Flush     func()            // sends what waits for its batch to fill; nil: nothing waits
	Positions Positions         // nil: they are kept nowhere
	Stream    bool              // the run has no end
	Ledger    *connector.Ledger // counts the records; nil: nobody does
	Log       *slog.Logger
}

// StoreError says that everything was delivered, and that only the position
// could not be stored: the records must not be sent again because of it.
type StoreError struct{ Err error }

// Error implements error.
func (e *StoreError) Error() string {
	return "the run was delivered; its position could not be stored: " + e.Err.Error()
}

// Unwrap returns Err.
func (e *StoreError) Unwrap() error { return e.Err }

// Run runs the source until its input ends or ctx does, waits until everything
// it published is acknowledged, and stores how far that is. It returns the
// first record that failed, unless ctx ended: then such records come again.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	start := connector.Start{Stream: cfg.Stream}
	if cfg.Positions != nil {
		var err error
		if start.Positions, err = cfg.Positions.Positions(); err != nil {
			return err
		}
	}
	if cfg.Ledger == nil {
		cfg.Ledger = new(connector.Ledger)
	}
	in := &intake{cfg: cfg, ledger: cfg.Ledger, watched: cfg.Ledger.Watch(cfg.Out), room: semaphore.NewWeighted(heldBytes), parts: map[string]*part{}, moved: map[string]struct{}{}}
	in.ctx, in.cancel = context.WithCancelCause(ctx)
	defer in.cancel(nil)

	saver := in.startSaving()
	err := cfg.Source.Run(in.ctx, start, in)
	start.Positions = nil
	in.Flush()
	in.unacked.Wait()
	stored := saver.stop()

	if f, ok := context.Cause(in.ctx).(*failure); ok {
		if err == nil || errors.Is(err, in.ctx.Err()) {
			err = f.err
		} else if !errors.Is(err, f.err) {
			err = errors.Join(f.err, err)
		}
	}
	complete := err == nil && ctx.Err() == nil
	if complete && stored == nil {
		stored = in.forget()
	}
	switch {
	case stored == nil:
		return err
	case complete:
		return &StoreError{stored}
	default:
		return errors.Join(err, stored)
	}
}

// forget clears the positions of a run that read everything.
func (in *intake) forget() error {
	if s, ok := in.cfg.Source.(connector.Incremental); in.cfg.Positions == nil || in.cfg.Stream || ok && s.Incremental() {
		return nil
	}
	return in.cfg.Positions.Clear()
}

// intake is one run.
type intake struct {
	cfg     Config
	ledger  *connector.Ledger
	watched connector.Publisher // counts what a source follows itself
	ctx     context.Context     // ends when the run should: its parent ended, or a record failed
	cancel  context.CancelCauseFunc
	room    *semaphore.Weighted
	unacked sync.WaitGroup
	flights sync.Pool

	mu    sync.Mutex
	parts map[string]*part    // with something that is not stored yet
	moved map[string]struct{} // their names, where the position is a new one
}

// part is one part of the input.
type part struct {
	mark connector.Watermark[[]byte]
}

// failure marks the cause of a cancelled context as ours.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }

// Flush implements connector.Output.
func (in *intake) Flush() {
	if in.cfg.Flush != nil {
		in.cfg.Flush()
	}
}

// Publish implements connector.Output.
func (in *intake) Publish(ctx context.Context, b connector.Batch) error {
	if len(b.Messages) == 0 {
		in.finish(b.After.Part, in.begin(b.After))
		if b.Release != nil {
			b.Release()
		}
		return nil
	}
	if b.Messages[0].Ack != nil { // the source follows its messages itself
		return in.watched.Publish(ctx, b.Messages)
	}
	weight := int64(min(b.Bytes, heldBytes))
	if err := in.acquire(ctx, weight); err != nil {
		return err
	}
	f, _ := in.flights.Get().(*flight)
	if f == nil {
		f = &flight{in: in}
		f.ack = f.acked
	}
	f.begin(b, weight, in.begin(b.After))
	var size int64
	for _, m := range b.Messages {
		m.Ack = f.ack
		size += int64(len(m.Value))
	}
	n := int64(len(b.Messages))
	in.ledger.Enter(n, size)
	in.unacked.Add(1)
	if err := in.cfg.Out.Publish(ctx, b.Messages); err != nil {
		in.ledger.Enter(-n, -size)
		in.room.Release(weight)
		in.unacked.Done() // nothing behind these messages is stored
		for _, m := range b.Messages {
			m.Ack = nil
		}
		return err
	}
	return nil // f may be in use for the next batch already
}

func (in *intake) acquire(ctx context.Context, weight int64) error {
	if weight == 0 || in.room.TryAcquire(weight) {
		return nil
	}
	return in.room.Acquire(ctx, weight)
}

// none is the ticket of a batch without a position.
const none = -1

// begin adds a batch to the watermark of its part.
func (in *intake) begin(after connector.Position) (ticket int64) {
	if in.cfg.Positions == nil || after.At == nil && after.Part == "" {
		return none
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	p := in.parts[after.Part]
	if p == nil {
		p = new(part)
		in.parts[after.Part] = p
	}
	return p.mark.Begin(after.At)
}

// finish marks a batch as delivered.
func (in *intake) finish(name string, ticket int64) {
	in.settle(name, ticket, func(p *part) bool { return p.mark.Done(ticket) })
}

// halt marks a batch as delivered up to a position before its end.
func (in *intake) halt(at connector.Position, ticket int64) {
	in.settle(at.Part, ticket, func(p *part) bool { return p.mark.Halt(ticket, at.At) })
}

func (in *intake) settle(name string, ticket int64, change func(*part) bool) {
	if ticket == none {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if p := in.parts[name]; p != nil && change(p) {
		in.moved[name] = struct{}{}
	}
}
