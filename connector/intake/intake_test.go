package intake_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/connectortest"
	"github.com/headrace/headrace/connector/intake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func at(part string, n int) connector.Position {
	return connector.Position{Part: part, At: binary.AppendUvarint(nil, uint64(n))}
}

func number(b []byte) int {
	n, _ := binary.Uvarint(b)
	return int(n)
}

// batch holds the records from to to-1 of a part.
func batch(part string, from, to int) connector.Batch {
	b := connector.Batch{After: at(part, to), Behind: func(i int) connector.Position { return at(part, from+i+1) }, Bytes: 100}
	for i := from; i < to; i++ {
		b.Messages = append(b.Messages, &connector.Message{Seq: int64(i), Topic: part})
	}
	return b
}

type fate func(m *connector.Message) connector.Outcome

// publisher decides at once.
func (f fate) Publish(_ context.Context, batch []*connector.Message) error {
	for _, m := range batch {
		m.Finish(connector.Result{Outcome: f(m), Err: errNo})
	}
	return nil
}

var errNo = connector.Errorf(connector.Unavailable, "no")

func delivered(*connector.Message) connector.Outcome { return connector.Acknowledged }

// inBatches publishes n records of each part, ten at a time, from where it is
// told to start.
func inBatches(n int, parts ...string) connector.SourceFunc {
	return func(ctx context.Context, from connector.Start, out connector.Output) error {
		for _, p := range parts {
			for i := number(from.Positions[p]); i < n; i += 10 {
				if err := out.Publish(ctx, batch(p, i, min(i+10, n))); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

type incremental struct{ connector.SourceFunc }

func (incremental) Incremental() bool { return true }

func left(t *testing.T, p *connectortest.Positions) string {
	t.Helper()
	all, err := p.Positions()
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, part := range []string{"a", "b"} {
		if b, ok := all[part]; ok {
			text += fmt.Sprintf("%s%d", part, number(b))
		}
	}
	return text
}

// A run goes on at the record that failed, in each part by itself.
func TestARunGoesOnAtTheRecordThatFailed(t *testing.T) {
	for _, tc := range []struct {
		name   string
		fate   fate
		behind bool
		want   string
	}{
		{"within a batch", func(m *connector.Message) connector.Outcome {
			if m.Topic == "b" && m.Seq == 27 {
				return connector.Failed
			}
			return connector.Acknowledged
		}, true, "a100b27"},
		{"two of a batch", func(m *connector.Message) connector.Outcome {
			if m.Topic == "b" && (m.Seq == 28 || m.Seq == 23) {
				return connector.Failed
			}
			return connector.DeadLettered
		}, true, "a100b23"},
		{"the first of a batch", func(m *connector.Message) connector.Outcome {
			if m.Topic == "b" && m.Seq == 20 {
				return connector.Failed
			}
			return connector.Filtered
		}, true, "a100b20"},
		{"nobody knows", func(m *connector.Message) connector.Outcome {
			if m.Topic == "b" && m.Seq == 15 {
				return connector.NotKnown
			}
			return connector.Acknowledged
		}, true, "a100b15"},
		{"without places in the batch", func(m *connector.Message) connector.Outcome {
			if m.Topic == "b" && m.Seq == 27 {
				return connector.Failed
			}
			return connector.Acknowledged
		}, false, "a100b20"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var p connectortest.Positions
			source := inBatches(100, "a", "b")
			if !tc.behind {
				source = func(ctx context.Context, from connector.Start, out connector.Output) error {
					return inBatches(100, "a", "b")(ctx, from, bare{out})
				}
			}
			err := intake.Run(t.Context(), intake.Config{Source: source, Out: tc.fate, Positions: &p})
			if !errors.Is(err, errNo) {
				t.Errorf("error %v", err)
			}
			if got := left(t, &p); got != tc.want {
				t.Errorf("positions %s, want %s", got, tc.want)
			}
		})
	}
}

// bare takes Behind off.
type bare struct{ connector.Output }

func (b bare) Publish(ctx context.Context, batch connector.Batch) error {
	batch.Behind = nil
	return b.Output.Publish(ctx, batch)
}

func TestPositionsAfterTheEnd(t *testing.T) {
	for _, tc := range []struct {
		name   string
		source connector.Source
		stream bool
		want   string
	}{
		{"a run that read everything starts over", inBatches(30, "a", "b"), false, ""},
		{"an incremental source goes on", incremental{inBatches(30, "a", "b")}, false, "a30b30"},
		{"a stream goes on", inBatches(30, "a", "b"), true, "a30b30"},
		{"a part is forgotten", incremental{func(ctx context.Context, from connector.Start, out connector.Output) error {
			if err := inBatches(30, "a", "b")(ctx, from, out); err != nil {
				return err
			}
			return out.Publish(ctx, connector.Batch{After: connector.Position{Part: "a"}})
		}}, false, "b30"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var p connectortest.Positions
			if err := intake.Run(t.Context(), intake.Config{Source: tc.source, Out: fate(delivered), Positions: &p, Stream: tc.stream}); err != nil {
				t.Fatal(err)
			}
			if got := left(t, &p); got != tc.want {
				t.Errorf("positions %q, want %q", got, tc.want)
			}
		})
	}
}

// A position that cannot be stored does not make a delivered run undelivered.
func TestAFullDiskIsNoFailedDelivery(t *testing.T) {
	full := errors.New("no space left on device")
	p := connectortest.Positions{Refuse: full}
	err := intake.Run(t.Context(), intake.Config{Source: inBatches(30, "a"), Out: fate(delivered), Positions: &p})
	var stored *intake.StoreError
	if !errors.As(err, &stored) || !errors.Is(err, full) {
		t.Errorf("a delivered run: %v", err)
	}
	err = intake.Run(t.Context(), intake.Config{Source: inBatches(30, "a"), Positions: &p,
		Out: fate(func(*connector.Message) connector.Outcome { return connector.Failed })})
	if errors.As(err, &stored) || !errors.Is(err, errNo) {
		t.Errorf("a run that failed: %v", err)
	}
}

// A stream whose positions cannot be stored ends: it might go on for ever.
func TestAStreamWithoutPositionsEnds(t *testing.T) {
	full := errors.New("no space left on device")
	p := connectortest.Positions{Refuse: full}
	source := connector.SourceFunc(func(ctx context.Context, _ connector.Start, out connector.Output) error {
		if err := out.Publish(ctx, batch("a", 0, 10)); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
	err := intake.Run(t.Context(), intake.Config{Source: source, Out: fate(delivered), Positions: &p, Stream: true})
	if !errors.Is(err, full) {
		t.Errorf("the stream ended with %v", err)
	}
}

// A batch that was delivered is released once, one that failed never is.
func TestRelease(t *testing.T) {
	var mu sync.Mutex
	released := map[int]int{}
	source := connector.SourceFunc(func(ctx context.Context, _ connector.Start, out connector.Output) error {
		for i := range 3 {
			b := batch("a", i*10, i*10+10)
			b.Release = func() {
				mu.Lock()
				defer mu.Unlock()
				released[i]++
			}
			if err := out.Publish(ctx, b); err != nil {
				return err
			}
		}
		return nil
	})
	var held []*connector.Message
	out := connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
		held = append(held, batch...)
		return nil
	})
	flush := func() {
		if len(released) > 0 {
			t.Errorf("released before anything was acknowledged: %v", released)
		}
		for i := len(held) - 1; i >= 0; i-- {
			o := connector.Acknowledged
			if i == 15 {
				o = connector.Failed
			}
			held[i].Finish(connector.Result{Outcome: o, Err: errNo})
		}
	}
	if err := intake.Run(t.Context(), intake.Config{Source: source, Out: out, Flush: flush}); !errors.Is(err, errNo) {
		t.Errorf("error %v", err)
	}
	if len(released) != 2 || released[0] != 1 || released[2] != 1 {
		t.Errorf("released %v", released)
	}
}

// What a source holds is bounded: the next batch waits for room.
func TestHeldBytesAreBounded(t *testing.T) {
	const size = 1 << 20
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var held []*connector.Message
	source := connector.SourceFunc(func(ctx context.Context, _ connector.Start, out connector.Output) error {
		for i := 0; ; i++ {
			b := batch("a", i, i+1)
			b.Bytes = size
			if i == 48 {
				cancel() // the next Publish would wait for ever
			}
			if err := out.Publish(ctx, b); err != nil {
				return nil
			}
		}
	})
	out := connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
		held = append(held, batch...)
		return nil
	})
	err := intake.Run(ctx, intake.Config{Source: source, Out: out, Flush: func() {
		for _, m := range held {
			m.Finish(connector.Result{Outcome: connector.Failed, Err: context.Canceled})
		}
	}})
	if err != nil || len(held) != 48 {
		t.Errorf("%d MiB were taken, want 48; %v", len(held), err)
	}
}

// Acknowledgements in any order, and a failure somewhere: what is stored never
// passes it, and everything before it is passed.
func TestAnyOrderOfAcknowledgements(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		bad := rng.IntN(300)
		var held []*connector.Message
		out := connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
			held = append(held, batch...)
			return nil
		})
		flush := func() {
			rng.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
			for _, m := range held {
				o := connector.Acknowledged
				if int(m.Seq) == bad {
					o = connector.Failed
				}
				m.Finish(connector.Result{Outcome: o, Err: errNo})
			}
		}
		var p connectortest.Positions
		err := intake.Run(t.Context(), intake.Config{Source: inBatches(300, "a"), Out: out, Flush: flush, Positions: &p})
		all, _ := p.Positions()
		if got := number(all["a"]); !errors.Is(err, errNo) || got != bad {
			t.Fatalf("seed %d: position %d, want %d; %v", seed, got, bad, err)
		}
	}
}

// A source that acknowledges its messages itself is left alone.
func TestASourceThatFollowsItsMessages(t *testing.T) {
	var got []connector.Outcome
	source := connector.SourceFunc(func(ctx context.Context, _ connector.Start, out connector.Output) error {
		m := &connector.Message{Ack: func(_ *connector.Message, r connector.Result) { got = append(got, r.Outcome) }}
		return out.Publish(ctx, connector.Batch{Messages: []*connector.Message{m}})
	})
	err := intake.Run(t.Context(), intake.Config{Source: source, Out: fate(func(*connector.Message) connector.Outcome { return connector.Failed })})
	if err != nil || len(got) != 1 || got[0] != connector.Failed {
		t.Errorf("%v, %v", got, err)
	}
}

// Ten thousand parts cost little: those that are stored are not kept.
func BenchmarkTenThousandParts(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var p connectortest.Positions
		source := connector.SourceFunc(func(ctx context.Context, _ connector.Start, out connector.Output) error {
			for i := range 10_000 {
				if err := out.Publish(ctx, batch(fmt.Sprint(i), 0, 1)); err != nil {
					return err
				}
			}
			return nil
		})
		if err := intake.Run(b.Context(), intake.Config{Source: source, Out: fate(delivered), Positions: &p}); err != nil {
			b.Fatal(err)
		}
	}
}
