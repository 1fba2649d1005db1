package connectortest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
)

func (h *SourceHarness) deliversEverything(t *testing.T) {
	n := h.Caps.Records
	in := h.open(t, n)
	if err := inOrder(h.rest(t, in), 0, n); err != nil {
		t.Error(err)
	}
	if h.Caps.Once {
		return
	}
	want := 0
	if h.Caps.StartsOver {
		want = n
	}
	if err := inOrder(h.rest(t, in), 0, want); err != nil {
		t.Errorf("the run after one that ended: %v", err)
	}
}

func (h *SourceHarness) waitsForAcks(t *testing.T) {
	n := h.Caps.Records
	in := h.open(t, n)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var held []*connector.Message
	var copies []string
	all := make(chan struct{})
	returned, checked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(checked)
		select {
		case <-all:
		case <-returned: // the cause is in what it returned
		case <-time.After(patience):
			t.Error("not all records came while none was acknowledged")
		}
		select {
		case <-returned:
			t.Error("Run returned before the records were acknowledged")
		case <-time.After(20 * time.Millisecond): // a source that returns too early does so at once
		}
		for i, m := range held {
			if string(m.Key)+"\x00"+string(m.Value) != copies[i] {
				t.Errorf("the bytes of record %d changed before it was acknowledged", i)
				break
			}
		}
		cancel()
		for i := len(held) - 1; i >= 0; i-- {
			finish(held[i : i+1])
		}
	}()
	_, err := h.run(ctx, t, in, func(_ context.Context, batch []*connector.Message, _ int) error {
		for _, m := range batch {
			held = append(held, m)
			copies = append(copies, string(m.Key)+"\x00"+string(m.Value))
		}
		if len(held) == n {
			close(all)
		}
		return nil
	})
	close(returned)
	<-checked
	if err != nil {
		t.Error(err)
	}
}

func (h *SourceHarness) failedRecord(t *testing.T) {
	n := h.Caps.Records
	in := h.open(t, n)
	cause := connector.Errorf(connector.Unavailable, "the destination is gone")
	bad := n / 2
	failed := false
	seen, err := h.run(t.Context(), t, in, func(_ context.Context, batch []*connector.Message, from int) error {
		for i, m := range batch {
			if from+i == bad && !failed {
				failed = true
				fail([]*connector.Message{m}, cause)
			} else {
				finish([]*connector.Message{m})
			}
		}
		return nil
	})
	if h.Caps.Retries {
		if err != nil {
			t.Errorf("Run returned %v although the record was delivered in the end", err)
		}
		if err := cameAgain(seen, bad, n); err != nil {
			t.Error(err)
		}
		return
	}
	if !errors.Is(err, cause) {
		t.Errorf("Run returned %v instead of the record's error", err)
	}
	h.comesAgain(t, in, seen, bad)
}

// cameAgain asserts that a run went back once, to a record at or before the
// missing one, and then read to the end.
func cameAgain(seen []int, missing, n int) error {
	for i := 1; i < len(seen); i++ {
		if seen[i] == seen[i-1]+1 {
			continue
		}
		if seen[i] > missing {
			return fmt.Errorf("the run went on at record %d, record %d was not delivered", seen[i], missing)
		}
		return inOrder(seen[i:], seen[i], n)
	}
	return fmt.Errorf("record %d did not come again", missing)
}

// comesAgain restarts and asserts that nothing from the first missing record
// on is left out.
func (h *SourceHarness) comesAgain(t *testing.T, in Input, seen []int, missing int) {
	t.Helper()
	if h.Caps.Once {
		return
	}
	n := h.Caps.Records
	again := h.rest(t, in)
	if len(again) == 0 || again[0] > missing {
		t.Fatalf("the restart began at %v, record %d was not delivered", again[:min(1, len(again))], missing)
	}
	err := inOrder(again, again[0], n)
	if h.Caps.Parts {
		err = holdsAll(again, seen, n)
	}
	if err != nil {
		t.Error(err)
	}
	if h.Caps.Resumes && again[0] != missing {
		t.Errorf("the restart began at record %d, although all before record %d was acknowledged", again[0], missing)
	}
}

// holdsAll asserts that again is in order, and that nothing is in neither of
// the two runs.
func holdsAll(again, seen []int, n int) error {
	got := make([]bool, n)
	for i, v := range again {
		if i > 0 && v <= again[i-1] {
			return fmt.Errorf("record %d came behind record %d", v, again[i-1])
		}
		got[v] = true
	}
	for _, v := range seen {
		got[v] = true
	}
	if missing := slices.Index(got, false); missing >= 0 {
		return fmt.Errorf("record %d did not come", missing)
	}
	return nil
}

func (h *SourceHarness) noGap(t *testing.T) {
	n := h.Caps.Records
	in := h.open(t, n)
	cause := errors.New("the first batch failed")
	var first []*connector.Message
	later := 0
	failFirst := func() {
		b := first
		first = nil
		fail(b, cause)
	}
	size := 0
	seen, err := h.run(t.Context(), t, in, func(_ context.Context, batch []*connector.Message, from int) error {
		if from == 0 {
			first, size = append(first, batch...), len(batch)
			if len(batch) == n {
				go failFirst()
			}
			return nil
		}
		finish(batch)
		if later++; later == 2 || from+len(batch) == n {
			failFirst()
		}
		return nil
	})
	if h.Caps.Retries {
		if err == nil {
			err = cameAgain(seen, 0, n)
		}
		if err != nil {
			t.Error(err)
		}
		return
	}
	if !errors.Is(err, cause) {
		t.Errorf("Run returned %v instead of the record's error", err)
	}
	h.comesAgain(t, in, seen[size:], 0)
}

func (h *SourceHarness) refused(t *testing.T) {
	n := h.Caps.Records
	in := h.open(t, n)
	closed := errors.New("the exporter is closed")
	seen, err := h.run(t.Context(), t, in, func(_ context.Context, batch []*connector.Message, from int) error {
		if from > 0 {
			return closed
		}
		finish(batch)
		if len(batch) == n {
			t.Error("all records came in one batch; the harness needs more of them")
		}
		return nil
	})
	if !errors.Is(err, closed) {
		t.Errorf("Run returned %v instead of the publisher's error", err)
	}
	h.comesAgain(t, in, seen, len(seen))
}

func (h *SourceHarness) blocked(t *testing.T) {
	in := h.open(t, h.Caps.Records)
	ctx, cancel := context.WithCancel(t.Context())
	seen, err := h.run(ctx, t, in, func(ctx context.Context, batch []*connector.Message, _ int) error {
		cancel()
		<-ctx.Done()
		return connector.Errorf(connector.Unavailable, "publish: %w", ctx.Err())
	})
	if err != nil {
		t.Errorf("a cancelled Run returned %v", err)
	}
	h.comesAgain(t, in, seen, 0)
}

func (h *SourceHarness) cancelled(t *testing.T) {
	n := h.Caps.Records
	in := h.open(t, n)
	ctx, cancel := context.WithCancel(t.Context())
	acked := make(chan struct{})
	seen, err := h.run(ctx, t, in, func(_ context.Context, batch []*connector.Message, from int) error {
		held := append([]*connector.Message(nil), batch...)
		if from > 0 { // one that was on its way
			finish(held)
			return nil
		}
		go func() {
			cancel()
			finish(held)
			close(acked)
		}()
		return nil
	})
	if err != nil {
		t.Errorf("a cancelled Run returned %v", err)
	}
	<-acked
	if len(seen) == n || h.Caps.Once {
		return // it was too quick to be stopped
	}
	again := h.rest(t, in)
	if h.Caps.Resumes {
		err = inOrder(again, len(seen), n)
	} else {
		err = inOrder(again, 0, n)
	}
	if err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func (h *SourceHarness) neverStarted(t *testing.T) {
	in := h.open(t, h.Caps.Records)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.run(ctx, t, in, func(_ context.Context, batch []*connector.Message, _ int) error {
		finish(batch)
		return nil
	})
	if err != nil {
		t.Errorf("Run returned %v", err)
	}
	h.comesAgain(t, in, nil, 0)
}
