package pipelines_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/intake"
	"github.com/headrace/headrace/connector/state"
	"github.com/headrace/headrace/pipelines"
)

// journal is a log that tests read.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// bench is a supervisor with a state of its own in the current folder.
type bench struct {
	*pipelines.Supervisor
	log *journal
}

func newBench(t *testing.T, hard context.Context) *bench {
	t.Helper()
	store, err := state.Open(".headrace")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	log := &journal{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	return &bench{log: log, Supervisor: &pipelines.Supervisor{Log: logger, State: store, Hard: hard, Plugin: block.Env{Log: logger}}}
}

// project loads all pipelines of the current folder, which must be right.
func project(t *testing.T) *pipelines.Project {
	t.Helper()
	p, problems := pipelines.Load(nil, pipelines.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return p
}

// runs returns the runs of a pipeline, oldest first, as "tick start outcome read".
func (b *bench) runs(t *testing.T, pipeline string) (out []string) {
	t.Helper()
	runs, err := b.State.Runs(pipeline, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		tick := "-"
		if !r.Tick.IsZero() {
			tick = r.Tick.UTC().Format("15:04:05")
		}
		c := r.Counts
		if c.Read != c.Acknowledged+c.DeadLettered+c.Filtered+c.Failed {
			t.Errorf("%+v does not add up", c)
		}
		out = append([]string{fmt.Sprintf("%s %s %s %d", tick, r.Start.UTC().Format("15:04:05"), r.Outcome, c.Read)}, out...)
	}
	return out
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// made is a pipeline that makes messages, one every 1001 ms so that none falls
// together with a tick, into a file.
func made(schedule string, count int) string {
	return fmt.Sprintf("schedule: %s\nblocks:\n  - {type: data_loader, connector_type: mock, message_interval: 1001, message_count: %d}\n"+
		"  - {type: data_exporter, connector_type: file, path: out.txt, append: true, timeout_ms: 0}\n", schedule, count)
}

const fails = `
blocks:
  - {type: data_loader, connector_type: stdin}
  - {type: data_exporter, connector_type: file, path: out.txt}
`

// TestRetries runs one that always fails. The clock of a bubble starts at
// midnight; each attempt is recorded, and the tick is done when none is left.
func TestRetries(t *testing.T) {
	files(t, map[string]string{"p.yaml": "schedule: \"0 * * * *\"\nretry: {attempts: 3, delay: 10s, factor: 3, max_delay: 40s}" + fails})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, t.Context())
		b.Plugin.Stdin = broken{strings.NewReader("")}
		b.Apply(project(t))
		if c, ok := b.Counts()["p"]; !ok || c.Read != 0 {
			t.Errorf("the counts before the first run: %+v, %v", c, ok)
		}
		time.Sleep(90 * time.Minute)
		b.Stop()
		same(t, "runs", b.runs(t, "p"), "01:00:00 01:00:00 failed 0", "01:00:00 01:00:10 failed 0",
			"01:00:00 01:00:40 failed 0", "01:00:00 01:01:20 failed 0") // 10 s, 30 s, and 40 s instead of 90
		if tick, err := b.State.LastTick("p"); err != nil || tick.UTC().Hour() != 1 {
			t.Errorf("the last tick is %v, %v", tick, err)
		}
		runs, err := b.State.Runs("p", 1)
		if err != nil || !strings.Contains(runs[0].Error, "block stdin: stdin:1: read behind byte 0: the line is dead") {
			t.Errorf("recorded: %+v, %v", runs, err)
		}
	})
}

// full is a state whose disk has no room for records of runs, nor for positions
// if nowhere is set.
type full struct {
	state.Store
	nowhere bool
}

func (full) PutRun(state.Run) error { return syscall.ENOSPC }

func (f full) SavePositions(pipeline, block string, changed map[string][]byte) error {
	if f.nowhere {
		return syscall.ENOSPC
	}
	return f.Store.SavePositions(pipeline, block, changed)
}

func (f full) ClearPositions(pipeline, block string) error {
	if f.nowhere {
		return syscall.ENOSPC
	}
	return f.Store.ClearPositions(pipeline, block)
}

// TestARunWhoseRecordCannotBeStoredIsNotRunAgain: what was delivered is not
// delivered once more because of it, whatever retries say.
func TestARunWhoseRecordCannotBeStoredIsNotRunAgain(t *testing.T) {
	for _, nowhere := range []bool{false, true} {
		t.Run(fmt.Sprint("no positions either: ", nowhere), func(t *testing.T) {
			files(t, map[string]string{"in.txt": "a\nb\nc\n", "p.yaml": "schedule: \"0 * * * *\"\nretry: {attempts: 3, delay: 10s}\nblocks:\n" +
				"  - {type: data_loader, connector_type: file, path: in.txt}\n  - {type: data_exporter, connector_type: file, path: out.txt, append: true}\n"})
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, t.Context())
				b.State = full{b.State, nowhere}
				b.Apply(project(t))
				time.Sleep(90 * time.Minute)
				b.Stop()
				if got := read(t, "out.txt"); got != "a\nb\nc\n" {
					t.Errorf("delivered: %q", got)
				}
				const want = "the run was delivered; its record could not be stored: no space left on device"
				if log := b.log.String(); strings.Count(log, want) != 1 || strings.Contains(log, "it is tried again") {
					t.Errorf("the log: %s", log)
				}
			})
		})
	}
}

func TestDelivered(t *testing.T) {
	stored, record, failed := &intake.StoreError{Err: syscall.ENOSPC}, &pipelines.RecordError{Err: syscall.ENOSPC}, errors.New("no")
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{nil, true}, {stored, true}, {record, true}, {fmt.Errorf("block a: %w", stored), true}, {errors.Join(fmt.Errorf("block a: %w", stored), record), true},
		{failed, false}, {errors.Join(stored, failed), false}, {fmt.Errorf("block a: %w", failed), false}, {errors.Join(record, fmt.Errorf("x: %w", errors.Join(failed))), false},
	} {
		if got := pipelines.Delivered(tc.err); got != tc.want {
			t.Errorf("%v: %v", tc.err, got)
		}
	}
}

// TestAStreamIsStartedAgain has no number of attempts: it goes on for ever.
func TestAStreamIsStartedAgain(t *testing.T) {
	files(t, map[string]string{"p.yaml": "retry: {delay: 10s, factor: 2, max_delay: 30s}" + fails})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, t.Context())
		b.Plugin.Stdin = broken{strings.NewReader("")}
		b.Apply(project(t))
		time.Sleep(100 * time.Second)
		b.Stop()
		same(t, "runs", b.runs(t, "p"), "- 00:00:00 failed 0", "- 00:00:10 failed 0", "- 00:00:30 failed 0", "- 00:01:00 failed 0", "- 00:01:30 failed 0")
	})
}

func TestMisfire(t *testing.T) {
	for rule, want := range map[string][]string{
		"latest": {"03:00:00 03:30:00 succeeded 2", "04:00:00 04:00:00 succeeded 2"},
		"all": {"01:00:00 03:30:00 succeeded 2", "02:00:00 03:30:01 succeeded 2", "03:00:00 03:30:02 succeeded 2",
			"04:00:00 04:00:00 succeeded 2"},
		"none": {"04:00:00 04:00:00 succeeded 2"},
	} {
		t.Run(rule, func(t *testing.T) {
			files(t, map[string]string{"p.yaml": made("{cron: \"0 * * * *\", misfire: "+rule+"}", 2)})
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, t.Context())
				if err := b.State.SetLastTick("p", time.Now()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3*time.Hour + 30*time.Minute) // nothing runs: the downtime
				b.Apply(project(t))
				time.Sleep(time.Hour)
				b.Stop()
				same(t, "runs", b.runs(t, "p"), want...)
			})
		})
	}
}

func TestOverlap(t *testing.T) {
	for rule, want := range map[string][]string{ // a run of 90 messages takes 89.089 s
		"skip":   {"00:01:00 00:01:00 succeeded 90", "00:03:00 00:03:00 succeeded 90", "00:05:00 00:05:00 interrupted 30"},
		"queue":  {"00:01:00 00:01:00 succeeded 90", "00:02:00 00:02:29 succeeded 90", "00:03:00 00:03:58 succeeded 90", "00:04:00 00:05:27 interrupted 3"},
		"cancel": {"00:01:00 00:01:00 interrupted 60", "00:02:00 00:02:00 interrupted 60", "00:03:00 00:03:00 interrupted 60", "00:04:00 00:04:00 interrupted 60", "00:05:00 00:05:00 interrupted 30"},
	} {
		t.Run(rule, func(t *testing.T) {
			files(t, map[string]string{"p.yaml": made("{cron: \"* * * * *\", overlap: "+rule+"}", 90)})
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, t.Context())
				b.Apply(project(t))
				time.Sleep(5*time.Minute + 30*time.Second + time.Millisecond)
				b.Stop()
				same(t, "runs", b.runs(t, "p"), want...)
				if n := strings.Count(b.log.String(), "tick skipped"); (rule == "skip") != (n == 2) {
					t.Errorf("%d ticks are reported as skipped", n)
				}
			})
		})
	}
}

func TestJitter(t *testing.T) {
	files(t, map[string]string{"p.yaml": made("{cron: \"*/5 * * * *\", jitter: 2m}", 1)})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, t.Context())
		b.Apply(project(t))
		time.Sleep(8 * time.Hour)
		b.Stop()
		runs, err := b.State.Runs("p", 1000)
		if err != nil || len(runs) < 95 || len(runs) > 96 {
			t.Fatalf("%d runs in 8 hours, %v", len(runs), err)
		}
		early, late := time.Hour, time.Duration(0)
		for _, r := range runs {
			early, late = min(early, r.Start.Sub(r.Tick)), max(late, r.Start.Sub(r.Tick))
		}
		if early < 0 || early > 30*time.Second || late > 2*time.Minute || late < 90*time.Second {
			t.Errorf("the delays go from %v to %v", early, late)
		}
	})
}

// TestReload changes the files of running streams. What did not change is not
// disturbed: its run goes on.
func TestReload(t *testing.T) {
	endless := func(path string) string {
		return "blocks:\n  - {type: data_loader, connector_type: mock, message_interval: 1000}\n" +
			"  - {type: data_exporter, connector_type: file, path: \"" + path + "\"}\n"
	}
	files(t, map[string]string{"pipelines/kept.yaml": endless("kept.txt"), "pipelines/changed.yaml": endless("a.txt"),
		"pipelines/gone.yaml": endless("gone.txt"), "pipelines/value.yaml": endless("${OUT}")})
	t.Setenv("OUT", "1.txt")
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, t.Context())
		if started, kept, stopped := b.Apply(project(t)); started != 4 || kept != 0 || stopped != 0 {
			t.Errorf("first: %d started, %d kept, %d stopped", started, kept, stopped)
		}
		time.Sleep(10*time.Second + time.Millisecond)
		write(t, "pipelines/changed.yaml", endless("b.txt"))
		write(t, "pipelines/added.yaml", endless("added.txt"))
		write(t, "pipelines/kept.yaml", "# a comment\n"+endless("kept.txt"))
		remove(t, "pipelines/gone.yaml")
		t.Setenv("OUT", "2.txt") // the file is the same, what it says is not
		if started, kept, stopped := b.Apply(project(t)); started != 3 || kept != 1 || stopped != 3 {
			t.Errorf("reloaded: %d started, %d kept, %d stopped", started, kept, stopped)
		}
		time.Sleep(10 * time.Second)
		b.Stop()
		same(t, "kept", b.runs(t, "kept"), "- 00:00:00 interrupted 21")
		for _, name := range []string{"changed", "value"} {
			same(t, name, b.runs(t, name), "- 00:00:00 interrupted 11", "- 00:00:10 interrupted 11")
		}
		same(t, "gone", b.runs(t, "gone"), "- 00:00:00 interrupted 11")
		same(t, "added", b.runs(t, "added"), "- 00:00:10 interrupted 11")
		for _, name := range []string{"kept.txt", "a.txt", "b.txt", "gone.txt", "added.txt", "1.txt", "2.txt"} {
			want := 11
			if name == "kept.txt" {
				want = 21
			}
			if n := strings.Count(read(t, name), "\n"); n != want {
				t.Errorf("%s holds %d records, want %d", name, n, want)
			}
		}
	})
}

// TestAnInterruptedTickIsRunAgain stops in the middle of a run, although all
// that it had read was delivered.
func TestAnInterruptedTickIsRunAgain(t *testing.T) {
	files(t, map[string]string{"p.yaml": made("\"0 * * * *\"", 90)})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, t.Context())
		if err := b.State.SetLastTick("p", time.Now()); err != nil {
			t.Fatal(err)
		}
		b.Apply(project(t))
		time.Sleep(time.Hour + 30*time.Second)
		b.Stop()
		time.Sleep(10 * time.Minute)
		b.Apply(project(t))
		time.Sleep(10 * time.Minute)
		b.Stop()
		same(t, "runs", b.runs(t, "p"), "01:00:00 01:00:00 interrupted 30", "01:00:00 01:10:30 succeeded 90")
	})
}
