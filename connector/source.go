package connector

import "context"

// Position is how far a source has read one part of its input. What At holds
// is the source's own matter; everybody else stores it and gives it back.
type Position struct {
	Part string // a file, a topic partition, a shard, a table; "" where the input has one part
	At   []byte // nil: there is none, or none any more
}

// Batch is what a source publishes at a time, with the position behind it.
type Batch struct {
	Messages []*Message
	// After is the position behind the last message: once the batch and all
	// batches of its part before it have been delivered, a run that goes on
	// starts there. A batch without messages only moves the position. Without
	// At the source has no positions, or its broker keeps them.
	After Position
	// Behind returns the position behind the i-th message, so that a run goes on
	// at the very record that failed; nil: the batch is read again whole. It is
	// called while the bytes of the batch are still there, and never after
	// Release.
	Behind func(i int) Position
	// Bytes is the memory that the batch keeps until Release. What all batches
	// of a source hold is bounded.
	Bytes int
	// Release is called once when every message has been delivered, so that the
	// memory of the batch may be used again; nil: nobody asks. After a failure
	// it is not called, because a client that gave up may still hold the bytes.
	Release func()
}

// Start tells a source where to begin.
type Start struct {
	// Positions are those that earlier runs left, by part.
	Positions map[string][]byte
	// Stream is set when the run has no end. A source whose input grows goes on
	// reading; without it the source ends where the input ended when the run
	// began.
	Stream bool
}

// Output takes what a source reads. It is safe for concurrent use.
type Output interface {
	// Publish blocks while what is downstream is full. After an error the batch
	// is the source's again: none of it was accepted. ctx ends with the run, and
	// when a record of a source failed.
	Publish(ctx context.Context, b Batch) error
	// Flush says that nothing more comes for now: no record waits any longer for
	// its batch to fill. A source need not call it before it returns.
	Flush()
}

// Source pushes what it reads. Run returns nil when ctx is done or the input
// has ended; a non-nil error says why reading could not go on. It does not wait
// until what it published is acknowledged: whoever runs it does, stores the
// positions and reports records that failed (package intake).
//
// A source whose broker keeps the position sets Message.Ack, deals with failed
// records itself, and returns when everything it published is acknowledged.
type Source interface {
	Run(ctx context.Context, from Start, out Output) error
}

// SourceFunc lets a function be a Source.
type SourceFunc func(ctx context.Context, from Start, out Output) error

// Run calls f.
func (f SourceFunc) Run(ctx context.Context, from Start, out Output) error { return f(ctx, from, out) }

// Incremental is a source that may keep its positions over the end of a run, so
// that the next one reads only what was added. The positions of other sources
// are forgotten when a run has read everything.
type Incremental interface {
	Source
	Incremental() bool
}
