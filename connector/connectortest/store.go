package connectortest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/state"
)

// TestStore is what every state.Store must pass. open returns the same state
// each time in one test: what was written before the last Close is there.
func TestStore(t *testing.T, open func(t *testing.T) state.Store) {
	for name, test := range map[string]func(*testing.T, func() state.Store){
		"positions by part":     storePositions,
		"odd names":             storeOddNames,
		"what is too long":      storeLimits,
		"the list of positions": storeList,
		"many parts":            storeManyParts,
		"at the same time":      storeConcurrent,
		"runs":                  storeRuns,
		"run records bounded":   storeRunsBounded,
		"ticks":                 storeTicks,
		"values":                storeValues,
		"after close":           storeClosed,
	} {
		t.Run(name, func(t *testing.T) { test(t, func() state.Store { return open(t) }) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantParts compares a position with text parts.
func wantParts(t *testing.T, s state.Store, pipeline, block string, want map[string]string) {
	t.Helper()
	got, err := s.Positions(pipeline, block)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for part, at := range got {
		have[part] = string(at)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("%s/%s (-want +got):\n%s", pipeline, block, diff)
	}
}

func storePositions(t *testing.T, open func() state.Store) {
	s := open()
	wantParts(t, s, "p", "file", map[string]string{})
	must(t, s.SavePositions("p", "file", map[string][]byte{"a": []byte("1"), "b": []byte("2"), "c": {}}))
	must(t, s.SavePositions("p", "file2", map[string][]byte{"a": []byte("x")}))
	must(t, s.SavePositions("p", "file", map[string][]byte{"a": []byte("3"), "b": nil, "none": nil}))
	must(t, s.SavePositions("p", "file", nil))
	must(t, s.Close())

	s = open()
	wantParts(t, s, "p", "file", map[string]string{"a": "3", "c": ""})
	must(t, s.ClearPositions("p", "file"))
	must(t, s.ClearPositions("p", "never"))
	must(t, s.Close())

	s = open()
	defer s.Close()
	wantParts(t, s, "p", "file", map[string]string{})
	wantParts(t, s, "p", "file2", map[string]string{"a": "x"})
	wantParts(t, s, "q", "file2", map[string]string{})
}

// storeOddNames has parts of every kind: they are names of files.
func storeOddNames(t *testing.T, open func() state.Store) {
	want := map[string]string{"": "empty", "\x00": "zero", "a\nb": "line", "\xff\xfe": "no UTF-8", "a/../b": "path", strings.Repeat("x", state.MaxPart): "long"}
	s := open()
	changed := map[string][]byte{}
	for part, at := range want {
		changed[part] = []byte(at)
	}
	must(t, s.SavePositions("p.1", "b-2_", changed))
	must(t, s.Close())
	s = open()
	defer s.Close()
	wantParts(t, s, "p.1", "b-2_", want)
}

func storeLimits(t *testing.T, open func() state.Store) {
	s := open()
	defer s.Close()
	full := bytes.Repeat([]byte("x"), state.MaxAt)
	must(t, s.SavePositions("p", "b", map[string][]byte{"fits": full}))
	for _, changed := range []map[string][]byte{
		{"good": []byte("1"), strings.Repeat("x", state.MaxPart+1): []byte("1")},
		{"good": []byte("1"), "large": append(full, 'x')},
	} {
		if err := s.SavePositions("p", "b", changed); err == nil {
			t.Error("what is too long was taken")
		}
	}
	wantParts(t, s, "p", "b", map[string]string{"fits": string(full)})
	if err := s.PutValue("s", "k", append(full, 'x'), time.Now().Add(time.Hour)); err == nil {
		t.Error("a value that is too long was taken")
	}
}

func storeList(t *testing.T, open func() state.Store) {
	s := open()
	defer s.Close()
	if list, err := s.ListPositions(""); err != nil || len(list) != 0 {
		t.Errorf("a new store holds %v, %v", list, err)
	}
	must(t, s.SavePositions("q", "b", map[string][]byte{"2": []byte("x"), "1": []byte("y")}))
	must(t, s.SavePositions("p", "c", map[string][]byte{"": []byte("z")}))
	must(t, s.SavePositions("pp", "c", map[string][]byte{"": []byte("z")}))
	all := []state.Held{{Pipeline: "p", Block: "c", At: []byte("z")}, {Pipeline: "pp", Block: "c", At: []byte("z")},
		{Pipeline: "q", Block: "b", Part: "1", At: []byte("y")}, {Pipeline: "q", Block: "b", Part: "2", At: []byte("x")}}
	for pipeline, want := range map[string][]state.Held{"": all, "p": all[:1], "q": all[2:], "r": nil} {
		got, err := s.ListPositions(pipeline)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("of %q: %v (-want +got):\n%s", pipeline, err, diff)
		}
	}
}

// storeManyParts changes a few of many parts: the others stay.
func storeManyParts(t *testing.T, open func() state.Store) {
	s := open()
	defer s.Close()
	const parts = 10_000
	all, want := map[string][]byte{}, map[string]string{}
	for i := range parts {
		part := fmt.Sprintf("part-%d", i)
		all[part], want[part] = fmt.Appendf(nil, "%0100d", i), fmt.Sprintf("%0100d", i)
	}
	must(t, s.SavePositions("p", "b", all))
	for i := range 10 {
		part := fmt.Sprintf("part-%d", i*997)
		want[part] = "moved"
		must(t, s.SavePositions("p", "b", map[string][]byte{part: []byte("moved")}))
	}
	wantParts(t, s, "p", "b", want)
}

func storeConcurrent(t *testing.T, open func() state.Store) {
	s := open()
	defer s.Close()
	var all sync.WaitGroup
	const rounds = 20
	for _, pipeline := range []string{"a", "b", "c", "d"} {
		all.Go(func() {
			for i := range rounds {
				at := fmt.Appendf(nil, "%d", i)
				err := errors.Join(s.SavePositions(pipeline, "x", map[string][]byte{"1": at, "2": at}),
					s.PutRun(state.Run{Pipeline: pipeline}), s.SetLastTick(pipeline, time.Unix(int64(i), 0)))
				got, err2 := s.Positions(pipeline, "x")
				if err != nil || err2 != nil || string(got["1"]) != string(at) || string(got["2"]) != string(at) {
					t.Errorf("%v, %v: %q instead of %s", err, err2, got, at)
					return
				}
			}
		})
	}
	all.Wait()
	for _, pipeline := range []string{"a", "b", "c", "d"} {
		if runs, err := s.Runs(pipeline, 1000); err != nil || len(runs) != rounds {
			t.Errorf("%d runs of %s, %v", len(runs), pipeline, err)
		}
	}
}

func storeRuns(t *testing.T, open func() state.Store) {
	s := open()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if runs, err := s.Runs("p", 10); err != nil || len(runs) != 0 {
		t.Errorf("a new store holds %v, %v", runs, err)
	}
	must(t, s.PutRun(state.Run{Pipeline: "p", Start: start, Outcome: state.Succeeded, Counts: connector.Counts{Read: 3, Acknowledged: 3}}))
	must(t, s.PutRun(state.Run{Pipeline: "p", Start: start, Tick: start, Outcome: state.Failed, Error: "no"}))
	must(t, s.PutRun(state.Run{Pipeline: "q", Start: start, ID: "mine"}))
	must(t, s.Close())
	s = open()
	defer s.Close()
	runs, err := s.Runs("p", 10)
	if err != nil || len(runs) != 2 || runs[0].Outcome != state.Failed || runs[0].Error != "no" || !runs[0].Tick.Equal(start) ||
		runs[1].Counts.Read != 3 || runs[0].ID == runs[1].ID || runs[0].ID == "" {
		t.Errorf("runs %+v, %v", runs, err)
	}
	if runs, err = s.Runs("p", 1); err != nil || len(runs) != 1 || runs[0].Outcome != state.Failed {
		t.Errorf("the newest run: %+v, %v", runs, err)
	}
	if runs, err = s.Runs("q", 10); err != nil || len(runs) != 1 || runs[0].ID != "mine" {
		t.Errorf("the run of the other pipeline: %+v, %v", runs, err)
	}
}

func storeRunsBounded(t *testing.T, open func() state.Store) {
	s := open()
	defer s.Close()
	for i := range 1010 {
		must(t, s.PutRun(state.Run{Pipeline: "p", ID: fmt.Sprint(i)}))
	}
	if runs, err := s.Runs("p", 5000); err != nil || len(runs) != 1000 || runs[0].ID != "1009" || runs[999].ID != "10" {
		t.Errorf("%d runs kept, %v; want the newest 1000", len(runs), err)
	}
}

func storeTicks(t *testing.T, open func() state.Store) {
	s := open()
	if tick, err := s.LastTick("p"); err != nil || !tick.IsZero() {
		t.Errorf("a tick that never was: %v, %v", tick, err)
	}
	tick := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	must(t, s.SetLastTick("p", tick))
	must(t, s.Close())
	s = open()
	defer s.Close()
	if got, err := s.LastTick("p"); err != nil || !got.Equal(tick) {
		t.Errorf("last tick %v, %v", got, err)
	}
	must(t, s.SetLastTick("p", time.Time{}))
	if got, err := s.LastTick("p"); err != nil || !got.IsZero() {
		t.Errorf("a removed tick is %v, %v", got, err)
	}
}

// storeValues runs in a bubble, where the clock moves when all wait.
func storeValues(t *testing.T, open func() state.Store) {
	synctest.Test(t, func(t *testing.T) {
		s := open()
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		want := func(space, key, want string) {
			t.Helper()
			got, err := s.Value(space, key)
			if err != nil || string(got) != want || (got == nil) != (want == "") {
				t.Errorf("%s/%s is %q, %v; want %q", space, key, got, err, want)
			}
		}
		want("s", "k", "")
		must(t, s.PutValue("s", "k", []byte("1"), in(time.Minute)))
		must(t, s.PutValue("s", "long", []byte("2"), in(time.Hour)))
		must(t, s.PutValue("other", "k", []byte("3"), in(time.Hour)))
		must(t, s.PutValue("s", "", []byte("4"), in(time.Hour)))
		must(t, s.Close())
		s = open()
		defer s.Close()
		want("s", "k", "1")
		must(t, s.PutValue("s", "k", []byte("5"), in(time.Minute)))
		time.Sleep(59 * time.Second)
		want("s", "k", "5")
		time.Sleep(time.Second)
		want("s", "k", "")
		want("s", "long", "2")
		want("s", "", "4")
		want("other", "k", "3")
		must(t, s.PutValue("s", "long", nil, time.Time{}))
		want("s", "long", "")
	})
}

func storeClosed(t *testing.T, open func() state.Store) {
	s := open()
	must(t, s.SavePositions("p", "b", map[string][]byte{"": []byte("1")}))
	must(t, s.Close())
	must(t, s.Close())
	if err := s.SavePositions("p", "b", map[string][]byte{"": []byte("2")}); err == nil {
		t.Error("a closed store takes a position")
	}
	if _, err := s.Positions("p", "b"); err == nil {
		t.Error("a closed store gives a position")
	}
}
