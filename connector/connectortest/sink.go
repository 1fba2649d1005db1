package connectortest

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
)

// SinkHarness lets TestSink make destinations.
type SinkHarness struct {
	// Open makes an empty destination and a sink that writes to it.
	Open func(t *testing.T) Destination
	// Refused returns a sink whose credentials are wrong, or the error with
	// which it cannot be made; nil where there are no credentials.
	Refused func(t *testing.T) (connector.Sink, error)
	// Secret must not be in an error of that sink.
	Secret string
	Caps   SinkCaps
}

// SinkCaps say what the destination has. For what it lacks the suite asserts
// that a record which needs it is refused as Invalid.
type SinkCaps struct {
	// ValueOnly says that keys, headers, times, topics and partitions are left
	// out on purpose, as the documentation says, instead of being refused.
	ValueOnly bool

	Keys        bool
	Headers     bool // in order, repeats and null values kept
	Tombstones  bool // a key with a nil value
	Empty       bool // a value of no bytes, different from a tombstone
	Binary      bool // values that are no text
	Times       bool // to the millisecond
	Topics      bool // messages may name one; Destination.Topic
	Partitions  bool // messages may name one; 0 exists
	Concurrent  bool // Write may be called concurrently
	Timestamped bool // what is stored has a time even if the message has none
}

// Destination is where one test writes to.
type Destination struct {
	Sink connector.Sink
	// Stored returns what was stored, in order; it is called after Close.
	Stored func(t *testing.T) []connector.Message
	// Topic is one that messages may name, where Caps.Topics says so.
	Topic string
	// Bad is a record that the destination can never take.
	Bad *connector.Message
	// Outage cuts the destination off until heal is called; nil where that
	// cannot be.
	Outage func() (heal func())
}

// TestSink asserts what connector.Sink promises. Packages that use it run
// goleak.VerifyTestMain, so that a goroutine left behind shows.
func TestSink(t *testing.T, h SinkHarness) {
	t.Run("everything written is stored and reported once", h.everything)
	t.Run("what a message has comes through or is refused", h.roundTrip)
	t.Run("a bad record spares its neighbours", h.badRecord)
	t.Run("order is kept per key", h.order)
	if h.Caps.Concurrent {
		t.Run("concurrent writes", h.concurrent)
	}
	t.Run("a cancelled write ends", h.cancelled)
	t.Run("close twice, and write after it", h.closed)
	t.Run("an outage is Unavailable and heals", h.outage)
	if h.Refused != nil {
		t.Run("wrong credentials are named as such", h.credentials)
	}
}

// write writes one batch and waits for its results.
func write(ctx context.Context, t *testing.T, s connector.Sink, batch ...*connector.Message) []connector.Result {
	t.Helper()
	got := make(chan []connector.Result, 2)
	s.Write(ctx, batch, func(r []connector.Result) { got <- slices.Clone(r) })
	select {
	case r := <-got:
		if len(r) != len(batch) {
			t.Fatalf("%d results for %d messages", len(r), len(batch))
		}
		return r
	case <-time.After(patience):
		t.Fatal("done was not called")
		return nil
	}
}

func shut(t *testing.T, s connector.Sink) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

func text(value string) *connector.Message {
	return &connector.Message{Partition: connector.AnyPartition, Value: []byte(value)}
}

// writeAll writes records 0, 1, 2 … without waiting for their results, which
// must all be there, once each, when Close returns.
func writeAll(t *testing.T, d Destination, writes, each int, record func(n int) *connector.Message) {
	t.Helper()
	calls := make([]atomic.Int32, writes)
	for w := range writes {
		batch := make([]*connector.Message, each)
		for i := range batch {
			batch[i] = record(w*each + i)
		}
		d.Sink.Write(t.Context(), batch, func(results []connector.Result) {
			calls[w].Add(1)
			if len(results) != each {
				t.Errorf("%d results for %d messages", len(results), each)
			}
			for _, r := range results {
				if r.Err != nil {
					t.Errorf("write %d: %v", w, r.Err)
				}
			}
		})
	}
	shut(t, d.Sink)
	for w := range calls {
		if n := calls[w].Load(); n != 1 {
			t.Errorf("write %d: done was called %d times before Close returned", w, n)
		}
	}
}
