package pipelines

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/intake"
	"github.com/headrace/headrace/connector/state"
	"github.com/headrace/headrace/internal/backoff"
	"github.com/headrace/headrace/pipelines/schedule"
)

// Supervisor runs the pipelines of a project: schedules at their ticks,
// streams without end. It is safe for concurrent use.
type Supervisor struct {
	// Plugin is what every block is given; Pipeline and Block are set for each.
	Plugin block.Env
	Log    *slog.Logger
	State  state.Store
	// Hard ends the drain: what is not delivered then fails.
	Hard context.Context
	// Progress is told how far each pipeline's sources are; nil when nobody
	// looks.
	Progress func(pipeline string, p block.Progress)

	changing sync.Mutex // held while pipelines start and stop, which may take a drain's time
	running  map[string]*running

	mu         sync.Mutex // guards what follows; the pipelines' own goroutines take it
	ledgers    map[string]*connector.Ledger
	connectors *prometheus.Registry // of what runs
}

// running is a pipeline that was started.
type running struct {
	def    *Definition
	cancel context.CancelFunc
	done   chan struct{}
}

// Apply makes the running pipelines those of p: unchanged ones go on
// undisturbed, changed ones finish what they hold and start anew, others stop.
// It returns when the changed ones run.
func (s *Supervisor) Apply(p *Project) (started, kept, stopped int) {
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.running == nil {
		s.running = map[string]*running{}
	}
	wanted := map[string]*Definition{}
	for _, d := range p.Pipelines {
		wanted[d.Name] = d
	}
	var ending []*running
	for name, r := range s.running {
		if d := wanted[name]; p.aside[name] || d != nil && d.fingerprint == r.def.fingerprint {
			kept++
			delete(wanted, name)
			continue
		}
		r.cancel()
		ending = append(ending, r)
		delete(s.running, name)
		stopped++
	}
	for _, r := range ending {
		<-r.done
	}
	for name, d := range wanted {
		ctx, cancel := context.WithCancel(context.Background())
		r := &running{def: d, cancel: cancel, done: make(chan struct{})}
		s.running[name] = r
		s.Ledger(name) // its counts are there, as zeros, before its first run
		started++
		go func() {
			defer close(r.done)
			s.runForever(ctx, d)
		}()
	}
	return started, kept, stopped
}

// Stop asks every pipeline to finish what it holds and waits until all have.
// The hard context bounds that.
func (s *Supervisor) Stop() {
	s.changing.Lock()
	defer s.changing.Unlock()
	for _, r := range s.running {
		r.cancel()
	}
	for _, r := range s.running {
		<-r.done
	}
	s.running = nil
}

// InFlight is the number of records read and not yet ended, over all
// pipelines.
func (s *Supervisor) InFlight() (n int64) {
	for _, c := range s.Counts() {
		n += c.InFlight()
	}
	return n
}

// Counts returns the counts of every pipeline that ran, by name.
func (s *Supervisor) Counts() map[string]connector.Counts {
	s.mu.Lock()
	ledgers := make(map[string]*connector.Ledger, len(s.ledgers))
	for name, l := range s.ledgers {
		ledgers[name] = l
	}
	s.mu.Unlock()
	out := make(map[string]connector.Counts, len(ledgers))
	for name, l := range ledgers {
		out[name] = l.Counts()
	}
	return out
}

// Ledger returns the counts of a pipeline over all its runs.
func (s *Supervisor) Ledger(pipeline string) *connector.Ledger {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ledgers == nil {
		s.ledgers = map[string]*connector.Ledger{}
	}
	l := s.ledgers[pipeline]
	if l == nil {
		l = new(connector.Ledger)
		s.ledgers[pipeline] = l
	}
	return l
}

// runForever runs d by its schedule, or as a stream, until ctx ends.
func (s *Supervisor) runForever(ctx context.Context, d *Definition) {
	if d.Schedule == nil {
		s.stream(ctx, d)
		return
	}
	last, err := s.State.LastTick(d.Name)
	if err != nil {
		s.Log.Error("read the last tick; missed ticks are not run", "pipeline", d.Name, "error", err)
	}
	loop := schedule.Loop{Schedule: d.Schedule, Last: last,
		Run: func(ctx context.Context, tick time.Time) {
			s.scheduled(ctx, d, tick)
		},
		Skipped: func(tick time.Time) {
			s.Log.Warn("tick skipped: the run before it still goes on", "pipeline", d.Name, "tick", tick)
		},
	}
	loop.Start(ctx)
}

// scheduled runs one tick with its retries. The tick counts as run when it
// succeeded or its retries are used up, not when it was interrupted.
func (s *Supervisor) scheduled(ctx context.Context, d *Definition, tick time.Time) {
	for attempt := 0; ; attempt++ {
		err := s.Once(ctx, d, tick)
		if ctx.Err() != nil {
			return // also without an error: what was read is delivered, the rest was not read
		}
		if Delivered(err) || attempt >= d.Retry.Attempts {
			break
		}
		wait := d.Retry.Wait(attempt + 1)
		s.Log.Warn("run failed; it is tried again", "pipeline", d.Name, "attempt", attempt+1, "of", d.Retry.Attempts, "wait", wait)
		if !backoff.Sleep(ctx, wait) {
			return
		}
	}
	if err := s.State.SetLastTick(d.Name, tick); err != nil {
		s.Log.Error("store the tick; it may be run again after a restart", "pipeline", d.Name, "error", err)
	}
}

// steady is how long a stream must have run for its retries to start over.
const steady = time.Minute

// stream runs d until its input ends, restarting it after failures.
func (s *Supervisor) stream(ctx context.Context, d *Definition) {
	for attempt := 1; ; attempt++ {
		start := time.Now()
		err := s.once(ctx, d, time.Time{}, true)
		if Delivered(err) || ctx.Err() != nil {
			return
		}
		if time.Since(start) > steady {
			attempt = 1
		}
		wait := d.Retry.Wait(attempt)
		s.Log.Warn("stream failed; it is started again", "pipeline", d.Name, "wait", wait)
		if !backoff.Sleep(ctx, wait) {
			return
		}
	}
}

// Once runs d once and records the run. tick is the zero time for a run that
// no schedule asked for.
func (s *Supervisor) Once(ctx context.Context, d *Definition, tick time.Time) error {
	return s.once(ctx, d, tick, false)
}

func (s *Supervisor) once(ctx context.Context, d *Definition, tick time.Time, stream bool) error {
	ledger := s.Ledger(d.Name)
	record := state.Run{Pipeline: d.Name, Tick: tick, Start: time.Now()}
	before := ledger.Counts()
	env := s.Plugin
	env.Stream, env.Metrics = stream, s.metricsOf(d.Name)
	if s.Progress != nil {
		env.Progress = func(p block.Progress) { s.Progress(d.Name, p) }
	}
	err := d.Run(ctx, Env{Plugin: env, Ledger: ledger, Hard: s.Hard,
		Positions: func(b *Block) intake.Positions { return s.positions(d, b) }})
	record.End = time.Now()
	record.Counts = sub(ledger.Counts(), before)
	level, text := slog.LevelInfo, "run finished"
	switch {
	case err != nil && ctx.Err() != nil:
		record.Outcome, text = state.Interrupted, "run stopped"
		record.Error = err.Error()
	case err != nil:
		record.Outcome, record.Error = state.Failed, err.Error()
		level, text = slog.LevelError, "run failed"
	case ctx.Err() != nil:
		record.Outcome, text = state.Interrupted, "run stopped"
	default:
		record.Outcome = state.Succeeded
	}
	c := record.Counts
	attrs := []any{"pipeline", d.Name, "read", c.Read, "acknowledged", c.Acknowledged, "dead_lettered", c.DeadLettered,
		"filtered", c.Filtered, "failed", c.Failed, "bytes", c.Bytes, "duration", record.End.Sub(record.Start).Round(time.Millisecond)}
	if err != nil {
		attrs = append(attrs, "error", err)
	}
	s.Log.Log(ctx, level, text, attrs...)
	return s.record(d, record, err)
}

func sub(a, b connector.Counts) connector.Counts {
	return connector.Counts{Read: a.Read - b.Read, Acknowledged: a.Acknowledged - b.Acknowledged,
		DeadLettered: a.DeadLettered - b.DeadLettered, Filtered: a.Filtered - b.Filtered,
		Failed: a.Failed - b.Failed, Bytes: a.Bytes - b.Bytes}
}
