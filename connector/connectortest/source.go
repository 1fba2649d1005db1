package connectortest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/intake"
)

// patience bounds every wait; a source that needs it all is broken.
const patience = 30 * time.Second

// SourceHarness lets TestSource make inputs.
type SourceHarness struct {
	// Open prepares an input of n records for one test.
	Open func(t *testing.T, n int) Input
	Caps SourceCaps
}

// SourceCaps say what the kind of source can do. For what it cannot the suite
// does not ask.
type SourceCaps struct {
	// Resumes: a new source goes on at the first record that was not
	// acknowledged, and not at the beginning.
	Resumes bool
	// Parts: the input has several parts, each with a position of its own: what
	// another part has delivered does not come again.
	Parts bool
	// StartsOver: a run after one that came to the end reads everything again.
	// Without it, it reads nothing.
	StartsOver bool
	// Once: the input can be read one time only, as a pipe can.
	Once bool
	// Retries: a failed record does not end the run but comes again, with what
	// is behind it.
	Retries bool
	// Records is how many records an input of several batches needs; 0 means
	// 5000.
	Records int
}

// Input is what one test reads.
type Input struct {
	// Source returns a source over the input. The second one is what a restart
	// makes: it is given the positions that the first one left.
	Source func() connector.Source
	// Index tells which record m is, counted from 0.
	Index func(m *connector.Message) (int, error)

	positions *Positions // what one run leaves for the next
}

// TestSource asserts what connector.Source promises, behind an intake as in
// every run. Packages that use it run
// goleak.VerifyTestMain, so that a goroutine left behind shows.
func TestSource(t *testing.T, h SourceHarness) {
	if h.Caps.Records == 0 {
		h.Caps.Records = 5000
	}
	t.Run("delivers everything once and in order", h.deliversEverything)
	t.Run("waits for the acknowledgements and keeps the bytes until then", h.waitsForAcks)
	t.Run("a failed record ends the run with its error, or comes again", h.failedRecord)
	t.Run("acknowledgements out of order commit no gap", h.noGap)
	t.Run("what the publisher refuses ends the run with its error", h.refused)
	t.Run("a blocked publisher does not hold up a cancelled run", h.blocked)
	t.Run("a cancelled run waits for what is in flight", h.cancelled)
	t.Run("a run that is cancelled before it starts is no failure", h.neverStarted)
}

// taker is a publisher that a test looks into.
type taker struct {
	t     *testing.T
	input Input
	seen  []int
	// take is called for each batch with the indexes of its records.
	take func(ctx context.Context, batch []*connector.Message, from int) error
}

func (k *taker) Publish(ctx context.Context, batch []*connector.Message) error {
	if len(batch) == 0 {
		k.t.Error("an empty batch was published")
	}
	from := len(k.seen)
	for _, m := range batch {
		if m.Err != nil {
			k.t.Errorf("a good record came as a bad one: %v", m.Err)
		}
		if m.Ack == nil {
			k.t.Error("a record without Ack was published")
		}
		i, err := k.input.Index(m)
		if err != nil {
			k.t.Errorf("an unknown record: %v", err)
		}
		k.seen = append(k.seen, i)
	}
	err := k.take(ctx, batch, from)
	if err != nil {
		k.seen = k.seen[:from]
	}
	return err
}

// open makes an input without positions.
func (h *SourceHarness) open(t *testing.T, n int) Input {
	in := h.Open(t, n)
	in.positions = new(Positions)
	return in
}

func finish(batch []*connector.Message) {
	for _, m := range batch {
		m.Finish(connector.Result{Outcome: connector.Acknowledged})
	}
}

func fail(batch []*connector.Message, err error) {
	for _, m := range batch {
		m.Finish(connector.Result{Outcome: connector.Failed, Offset: -1, Err: err})
	}
}

// run runs a new source until it returns.
func (h *SourceHarness) run(ctx context.Context, t *testing.T, in Input, take func(context.Context, []*connector.Message, int) error) (seen []int, err error) {
	t.Helper()
	k := &taker{t: t, input: in, take: take}
	done := make(chan error, 1)
	go func() {
		done <- intake.Run(ctx, intake.Config{Source: in.Source(), Out: k, Positions: in.positions})
	}()
	select {
	case err = <-done:
		return k.seen, err
	case <-time.After(patience):
		t.Fatal("Run did not return")
		return nil, nil
	}
}

// rest reads what a restart reads, to the end.
func (h *SourceHarness) rest(t *testing.T, in Input) []int {
	t.Helper()
	seen, err := h.run(t.Context(), t, in, func(_ context.Context, batch []*connector.Message, _ int) error {
		finish(batch)
		return nil
	})
	if err != nil {
		t.Fatalf("the run after a restart: %v", err)
	}
	return seen
}

func inOrder(seen []int, from, to int) error {
	for i, v := range seen {
		if v != from+i {
			return fmt.Errorf("place %d holds record %d instead of %d", i, v, from+i)
		}
	}
	if len(seen) != to-from {
		return fmt.Errorf("%d records came, %d should", len(seen), to-from)
	}
	return nil
}
