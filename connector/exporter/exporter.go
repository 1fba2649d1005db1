package exporter

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/connector"
)

// ErrClosed is what Publish returns after Close.
var ErrClosed = &connector.Error{Kind: connector.Unavailable, Err: errors.New("publish: the exporter is closed")}

// Exporter is a connector.Publisher in front of one sink. It is safe for
// concurrent use; batches that are published one after another reach the sink
// in that order.
type Exporter struct {
	sink connector.Sink
	cfg  Config
	log  *slog.Logger

	// ctx bounds the sink's work: it ends when Close gives up, not when a
	// publisher's context ends, because what was accepted is delivered.
	ctx  context.Context
	stop context.CancelFunc

	room     *room
	flying   flight
	segments sync.Pool

	mu      sync.Mutex // guards what follows and, unless Concurrent, the order of writes
	pending []*connector.Message
	timer   *time.Timer
	closed  bool

	dead  sync.Mutex                    // orders writes to the dead letters
	first atomic.Pointer[DeliveryError] // failure, which is logged; the counts tell the rest
}

// New returns an Exporter that owns sink and cfg.DeadLetter.
func New(sink connector.Sink, cfg Config) *Exporter {
	cfg.BatchSize = orDefault(cfg.BatchSize, DefaultBatchSize)
	cfg.MaxBytes = orDefault(cfg.MaxBytes, DefaultInFlightBytes)
	e := &Exporter{sink: sink, cfg: cfg, log: cfg.Log, room: newRoom(sink, cfg.MaxBytes)}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	e.segments.New = e.newSegment
	e.ctx, e.stop = context.WithCancel(context.Background())
	return e
}

func orDefault(v, def int) int {
	if v <= 0 {
		return def
	}
	return v
}

// Publish accepts a batch, waiting while too much is in flight. ctx bounds
// that wait only. When ctx ends after a part of the batch was accepted, the
// rest is acknowledged as failed and Publish returns nil.
func (e *Exporter) Publish(ctx context.Context, batch []*connector.Message) error {
	for first := true; len(batch) > 0; first = false {
		n, need := e.cut(batch)
		if err := e.accept(ctx, batch[:n], need); err != nil {
			if first {
				return err
			}
			e.fail(batch, err)
			return nil
		}
		batch = batch[n:]
	}
	return nil
}

func (e *Exporter) fail(batch []*connector.Message, err error) {
	for _, m := range batch {
		m.Finish(connector.Result{Outcome: connector.Failed, Offset: -1, Err: err})
	}
}

// accept reserves room for one cut of messages and passes them on.
func (e *Exporter) accept(ctx context.Context, batch []*connector.Message, need int64) error {
	if err := e.reserve(ctx, need); err != nil {
		return err
	}
	if e.cfg.Concurrent && e.cfg.Linger == 0 {
		if e.ctx.Err() != nil {
			e.room.Release(need)
			return ErrClosed
		}
		e.write(batch, need)
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		e.room.Release(need)
		return ErrClosed
	}
	if len(e.pending) == 0 && (e.cfg.Linger == 0 || len(batch) >= e.cfg.BatchSize) {
		e.write(batch, need)
		return nil
	}
	e.pending = append(e.pending, batch...)
	for len(e.pending) >= e.cfg.BatchSize {
		e.writePending(e.cfg.BatchSize)
	}
	e.arm()
	return nil
}

// arm starts the linger of an incomplete batch, or ends it when there is none.
func (e *Exporter) arm() {
	switch {
	case len(e.pending) == 0:
		if e.timer != nil {
			e.timer.Stop()
			e.timer = nil
		}
	case e.timer == nil:
		e.timer = time.AfterFunc(e.cfg.Linger, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.timer = nil
			e.writePending(len(e.pending))
		})
	}
}

// writePending writes the first n pending messages; mu is held.
func (e *Exporter) writePending(n int) {
	if n == 0 {
		return
	}
	var need int64
	for _, m := range e.pending[:n] {
		need += e.sizeOf(m)
	}
	e.write(e.pending[:n], need)
	rest := copy(e.pending, e.pending[n:])
	clear(e.pending[rest:])
	e.pending = e.pending[:rest]
}

// Drain sends what waits for its batch to fill and waits until everything
// accepted so far is acknowledged, or ctx ends.
func (e *Exporter) Drain(ctx context.Context) error {
	e.Flush()
	return e.flying.wait(ctx)
}

// Flush sends what waits for its batch to fill, and returns before that is
// delivered.
func (e *Exporter) Flush() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.writePending(len(e.pending))
	e.arm()
}

// Close stops accepting, waits within ctx until everything is acknowledged,
// then gives up on the rest, which is acknowledged as failed, and closes the
// sink and the dead letters. It returns the sink's error.
func (e *Exporter) Close(ctx context.Context) error {
	// A Write that waits for room holds the lock; when ctx ends it gives up.
	defer context.AfterFunc(ctx, e.stop)()
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	_ = e.Drain(ctx) // what is not delivered in time is reported by its acks
	e.stop()
	err := e.sink.Close(ctx)
	if e.cfg.DeadLetter != nil {
		err = errors.Join(err, e.cfg.DeadLetter.Close(ctx))
	}
	return err
}

// InFlight is the number of records accepted and not yet acknowledged.
func (e *Exporter) InFlight() int64 { return e.flying.count() }

// sizeOf is what m takes of the bound. A message over the whole bound takes
// all of it instead of waiting for ever.
func (e *Exporter) sizeOf(m *connector.Message) int64 {
	n := RecordOverhead + len(m.Key) + len(m.Value)
	for i := range m.Headers {
		n += len(m.Headers[i].Key) + len(m.Headers[i].Value)
	}
	return int64(min(n, e.cfg.MaxBytes))
}

// cut returns how many messages of the batch fit into one write, at least
// one, and the room they need.
func (e *Exporter) cut(batch []*connector.Message) (n int, need int64) {
	for _, m := range batch[:min(len(batch), e.cfg.BatchSize)] {
		size := e.sizeOf(m)
		if n > 0 && need+size > int64(e.cfg.MaxBytes) {
			break
		}
		need += size
		n++
	}
	return n, need
}

// reserve waits for room. What waits for its batch to fill is sent first: it
// holds room, and with it the batch might never fill.
func (e *Exporter) reserve(ctx context.Context, need int64) error {
	if e.room.TryAcquire(need) {
		return nil
	}
	e.room.grow()
	if e.room.TryAcquire(need) {
		return nil
	}
	e.mu.Lock()
	e.writePending(len(e.pending))
	e.arm()
	e.mu.Unlock()
	if err := e.room.Acquire(ctx, need); err != nil {
		return connector.Errorf(connector.Unavailable, "publish: the destination does not keep up: %w", err)
	}
	return nil
}
