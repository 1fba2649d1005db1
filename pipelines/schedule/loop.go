package schedule

import (
	"context"
	"sync"
	"time"
)

// Loop runs one schedule.
type Loop struct {
	Schedule *Schedule
	// Last is the newest tick that was run before the start; zero if none.
	Last time.Time
	// Run does the work of a tick. Its context ends when the loop's does, or
	// when overlap "cancel" replaces the run.
	Run func(ctx context.Context, tick time.Time)
	// Skipped is told about ticks that overlap "skip" or a full queue left out.
	Skipped func(tick time.Time)
}

// maxQueued bounds the ticks that wait under overlap "queue".
const maxQueued = 100

// Start runs missed ticks, then each tick at its time, until ctx ends and the
// runs have returned.
func (l *Loop) Start(ctx context.Context) {
	r := &runner{loop: l}
	defer r.wg.Wait()
	now := time.Now()
	for _, tick := range l.Schedule.Missed(l.Last, now) {
		if ctx.Err() != nil {
			return
		}
		l.Run(ctx, tick)
	}
	for last := now; ; {
		tick := l.Schedule.Next(last)
		start := tick.Add(l.Schedule.Delay())
		if tick.IsZero() || !sleepUntil(ctx, start) {
			return
		}
		now := time.Now()
		if l.Schedule.inTime(start, now) {
			r.tick(ctx, tick)
		}
		last = l.Schedule.after(tick, now)
	}
}

// sleepUntil waits for the wall clock, looking again each minute because a
// suspended machine's timers stand still. It reports false when ctx ended.
func sleepUntil(ctx context.Context, t time.Time) bool {
	for {
		d := time.Until(t.Round(0))
		if d <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(min(d, time.Minute))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
}

// runner applies the overlap rule to the runs of one loop.
type runner struct {
	loop *Loop
	wg   sync.WaitGroup

	mu      sync.Mutex
	running bool
	cancel  context.CancelFunc
	queue   []time.Time
}

func (r *runner) tick(ctx context.Context, tick time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running {
		switch r.loop.Schedule.Overlap() {
		case "queue":
			if len(r.queue) < maxQueued {
				r.queue = append(r.queue, tick)
				return
			}
		case "cancel":
			r.cancel()
			r.queue = append(r.queue[:0], tick)
			return
		}
		r.loop.Skipped(tick)
		return
	}
	r.running = true
	r.wg.Add(1)
	go r.work(ctx, tick)
}

// work runs tick and whatever is queued behind it.
func (r *runner) work(ctx context.Context, tick time.Time) {
	defer r.wg.Done()
	for {
		run, cancel := context.WithCancel(ctx)
		r.mu.Lock()
		r.cancel = cancel
		r.mu.Unlock()
		r.loop.Run(run, tick)
		cancel()
		r.mu.Lock()
		if len(r.queue) == 0 || ctx.Err() != nil {
			r.running = false
			r.mu.Unlock()
			return
		}
		tick = r.queue[0]
		r.queue = r.queue[1:]
		r.mu.Unlock()
	}
}
