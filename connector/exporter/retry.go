package exporter

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/internal/backoff"
)

// Retried returns a sink that writes records again which next refused for a
// reason that may pass, in their order, until the policy's time is over. It is
// for sinks whose client does not do that itself. Such a sink reports with the
// same kind of error, and without an attempt, what follows a failed record and
// must not overtake it. Write returns when the batch is settled.
func Retried(next connector.Sink, policy block.Retry) connector.Sink {
	return &retried{next: next, policy: policy}
}

type retried struct {
	next   connector.Sink
	policy block.Retry
}

// Write implements connector.Sink.
func (r *retried) Write(ctx context.Context, batch []*connector.Message, done func([]connector.Result)) {
	results := make([]connector.Result, len(batch))
	open := make([]int, len(batch)) // places in batch that are not settled
	for i := range open {
		open[i] = i
	}
	end := time.Now().Add(time.Duration(r.policy.Timeout))
	for attempt := 1; ; attempt++ {
		open = r.attempt(ctx, batch, open, results)
		if len(open) == 0 {
			break
		}
		wait := r.wait(attempt, results, open)
		if time.Now().Add(wait).After(end) || !backoff.Sleep(ctx, wait) {
			break
		}
	}
	done(results)
}

// attempt writes what is open and returns what still is.
func (r *retried) attempt(ctx context.Context, batch []*connector.Message, open []int, results []connector.Result) (left []int) {
	messages := make([]*connector.Message, len(open))
	for i, place := range open {
		messages[i] = batch[place]
	}
	answered := make(chan []connector.Result, 1)
	r.next.Write(ctx, messages, func(got []connector.Result) { answered <- slices.Clone(got) })
	for i, result := range <-answered {
		results[open[i]] = result
		if result.Err != nil && connector.KindOf(result.Err).Retriable() && ctx.Err() == nil {
			left = append(left, open[i])
		}
	}
	return left
}

// wait is the pause before the next attempt: what a destination asked for
// counts more than our own step.
func (r *retried) wait(attempt int, results []connector.Result, open []int) time.Duration {
	wait := backoff.Step(time.Duration(r.policy.Delay), time.Duration(r.policy.MaxDelay), attempt)
	for _, place := range open {
		var e *connector.Error
		if errors.As(results[place].Err, &e) {
			wait = max(wait, e.RetryAfter)
		}
	}
	return wait
}

// Close implements connector.Sink.
func (r *retried) Close(ctx context.Context) error { return r.next.Close(ctx) }

// Abandon implements connector.Abandoner.
func (r *retried) Abandon() {
	if a, ok := r.next.(connector.Abandoner); ok {
		a.Abandon()
	}
}
