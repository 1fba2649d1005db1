package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/state"
	"github.com/headrace/headrace/internal/backoff"
	"github.com/headrace/headrace/pipelines"
)

// parallelRuns bounds the pipelines that are run at the same time.
const parallelRuns = 4

// Once runs every pipeline of a project once.
type Once struct {
	project    *pipelines.Project
	supervisor *pipelines.Supervisor
	state      *state.File
}

// NewOnce returns what runs the pipelines of p. Close must be called.
func NewOnce(p *pipelines.Project, env Env) *Once {
	s, store := supervisor(p, env)
	if !slices.ContainsFunc(p.Pipelines, (*pipelines.Definition).NeedsState) {
		store.DoNotWait() // another process may have it
	}
	return &Once{p, s, store}
}

// Watch lets progress be told how far each pipeline is. Call it before Run.
func (o *Once) Watch(progress func(pipeline string, p block.Progress)) {
	o.supervisor.Progress = progress
}

// Ledger are the counts of a pipeline.
func (o *Once) Ledger(pipeline string) *connector.Ledger { return o.supervisor.Ledger(pipeline) }

// Counts returns the counts of every pipeline that ran, by name.
func (o *Once) Counts() map[string]connector.Counts { return o.supervisor.Counts() }

// Run runs the pipelines with their retries until ctx ends, and tells each that
// has ended. It reports whether all delivered everything.
func (o *Once) Run(ctx context.Context, finished func(pipeline string, took time.Duration, err error)) bool {
	var wg sync.WaitGroup
	var mu sync.Mutex
	good := true
	slots := make(chan struct{}, parallelRuns)
	for _, d := range o.project.Pipelines {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			start := time.Now()
			err := o.attempts(ctx, d)
			finished(d.Name, time.Since(start), err)
			mu.Lock()
			defer mu.Unlock()
			good = good && err == nil
		})
	}
	wg.Wait()
	return good
}

// attempts runs d until it has delivered everything or its retries are used up.
func (o *Once) attempts(ctx context.Context, d *pipelines.Definition) error {
	for attempt := 1; ; attempt++ {
		err := o.supervisor.Once(ctx, d, time.Time{})
		if pipelines.Delivered(err) || attempt > d.Retry.Attempts || !backoff.Sleep(ctx, d.Retry.Wait(attempt)) {
			return err
		}
	}
}

// Close gives the state free. It fails when that was lost meanwhile.
func (o *Once) Close() error { return o.state.Close() }
