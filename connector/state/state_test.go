package state_test

import (
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/state"
)

func open(t *testing.T, dir string) *state.Store {
	t.Helper()
	s, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEverythingSurvivesAReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	tick := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(s.Checkpoint("p", "file").Save(t.Context(), []byte("100")))
	check(s.Checkpoint("p", "other").Save(t.Context(), []byte("7")))
	check(s.SetLastTick("p", tick))
	check(s.PutRun(state.Run{Pipeline: "p", Start: tick, Outcome: state.Succeeded, Counts: connector.Counts{Read: 3, Acknowledged: 3}}))
	check(s.PutRun(state.Run{Pipeline: "p", Start: tick, Outcome: state.Failed, Error: "no"}))
	check(s.Close())

	s = open(t, dir)
	defer s.Close()
	if got, err := s.Checkpoint("p", "file").Load(t.Context()); err != nil || string(got) != "100" {
		t.Errorf("position %q, %v", got, err)
	}
	check(s.Checkpoint("p", "file").Save(t.Context(), nil))
	if got, err := s.Checkpoint("p", "file").Load(t.Context()); err != nil || got != nil {
		t.Errorf("a cleared position is %q, %v", got, err)
	}
	if got, err := s.LastTick("p"); err != nil || !got.Equal(tick) {
		t.Errorf("last tick %v, %v", got, err)
	}
	if got, err := s.LastTick("q"); err != nil || !got.IsZero() {
		t.Errorf("a tick that never was: %v, %v", got, err)
	}
	runs, err := s.Runs("p", 10)
	if err != nil || len(runs) != 2 || runs[0].Outcome != state.Failed || runs[1].Counts.Read != 3 || runs[0].ID == runs[1].ID {
		t.Errorf("runs %+v, %v", runs, err)
	}
}

func TestASecondProcessIsTold(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	_, err := state.Open(dir)
	if err == nil || !strings.Contains(err.Error(), "another headrace process") {
		t.Errorf("second open: %v", err)
	}
}

func TestRunRecordsAreBounded(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	for range 1010 {
		if err := s.PutRun(state.Run{Pipeline: "p"}); err != nil {
			t.Fatal(err)
		}
	}
	if runs, err := s.Runs("p", 5000); err != nil || len(runs) != 1000 {
		t.Errorf("%d runs kept, %v; want 1000", len(runs), err)
	}
}
