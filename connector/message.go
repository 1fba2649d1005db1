// Package connector holds the types that every door and every destination of
// Headrace share: the message, what became of it, and the contracts of a
// source, a sink and the stage between them. It imports the standard library
// only, so nothing here knows Kafka, HTTP or YAML.
package connector

import (
	"context"
	"time"
)

// Header is one record header. Order and repetition are kept; a nil Value is a
// null header value.
type Header struct {
	Key   string
	Value []byte
}

// Message is one record, encoded, on its way from a source to a sink.
//
// Whoever publishes a message owns its bytes and must not change or reuse them
// until the message is acknowledged.
type Message struct {
	Topic     string    // topic, queue or exchange; "" means the sink's own
	Partition int32     // AnyPartition lets the sink choose
	Key       []byte    // nil means no key
	Value     []byte    // a nil Value is a tombstone, an empty one is not
	Headers   []Header  // in order, repeats kept
	Time      time.Time // the record's time; the zero value means the sink's clock

	// Seq is the source's own number of the message: an offset, a delivery
	// tag, a line, an index in the request.
	Seq int64

	// Read is where the message was read from, for sources that read from a
	// broker; nil elsewhere. It never changes.
	Read *Read

	// Err is set by a source or transformer for a record that it could not
	// decode: Key and Value hold what there is, cut to the source's limit. The
	// exporter sends it to the dead letters, or fails it, and never writes it.
	Err error

	// Ack is called exactly once, from any goroutine, when the fate of the
	// message is known. It must not block. Messages of one Publish call share
	// one Ack function, so that a stage may wrap it once for the batch. Nil
	// means that nobody asks.
	Ack func(*Message, Result)
}

// Read is the place of a message at the broker that it was read from.
type Read struct {
	Topic     string
	Partition int32
	Offset    int64
	Time      time.Time // as stored there
}

// AnyPartition as Message.Partition leaves the choice to the sink.
const AnyPartition int32 = -1

// Finish acknowledges m with r. Each message is finished exactly once.
func (m *Message) Finish(r Result) {
	if m.Ack != nil {
		m.Ack(m, r)
	}
}

// Outcome is the one final count that a record ends in. Its zero value says
// that nobody knows: such a record counts as failed.
type Outcome uint8

// The outcomes, in the words of the metric label "outcome".
const (
	NotKnown     Outcome = iota // nobody said; counts as failed
	Acknowledged                // the destination has it
	DeadLettered                // the dead-letter destination has it
	Filtered                    // a transformer dropped it on purpose
	Failed                      // nobody has it; its giver is told
	outcomes
)

// Outcomes is the number of outcomes; Outcome values are below it.
const Outcomes = int(outcomes)

// Lost reports that nobody has the record, or that nobody knows: it has to
// come again.
func (o Outcome) Lost() bool { return o == Failed || o == NotKnown }

// String returns the metric label of the outcome.
func (o Outcome) String() string {
	switch o {
	case Acknowledged:
		return "acknowledged"
	case DeadLettered:
		return "dead_lettered"
	case Filtered:
		return "filtered"
	default:
		return "failed"
	}
}

// Result is what became of one message.
type Result struct {
	Partition int32 // where it was stored; meaningful when Err is nil
	Offset    int64 // -1 where the destination has no offsets (acks=0, files)
	Timestamp int64 // ms since the epoch as stored; 0 where the destination does not say
	Outcome   Outcome
	// Err is nil only for Acknowledged and Filtered. For DeadLettered it says
	// why the destination refused the record. KindOf classifies it.
	Err error
}

// Publisher is the only door into the produce path. Publish blocks while what
// is downstream is full. After a nil return every message of the batch is
// acknowledged exactly once; after an error, none is. The batch slice itself
// may be reused as soon as Publish returns; the messages may not.
type Publisher interface {
	Publish(ctx context.Context, batch []*Message) error
}

// PublisherFunc lets a function be a Publisher.
type PublisherFunc func(ctx context.Context, batch []*Message) error

// Publish calls f.
func (f PublisherFunc) Publish(ctx context.Context, batch []*Message) error { return f(ctx, batch) }

// Sink takes batches in order.
//
// Write hands over a batch and returns when the next one may come; a sink
// whose client pipelines (Kafka) returns before the batch is stored. done is
// called exactly once for each Write, from any goroutine, possibly before
// Write returns, with one Result for each message in the order of the batch;
// it must not block and the results are only valid during the call. A Sink
// sets Result.Err but not Outcome; it never calls Message.Ack. When ctx ends
// while Write waits for room, the rest of the batch is reported with ctx's
// error. Write must not be called concurrently unless the sink says so.
//
// Close waits, within ctx, until everything written is reported, then frees
// the client. It may be called twice.
type Sink interface {
	Write(ctx context.Context, batch []*Message, done func([]Result))
	Close(ctx context.Context) error
}

// Abandoner is a sink whose output is finished by Close. Abandon, called
// before Close when the run is not complete, makes Close leave the output
// unfinished, so that the run which goes on from the position adds to it.
type Abandoner interface {
	Abandon()
}
