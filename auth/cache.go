package auth

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/backoff"
)

// Limits of renewal.
const (
	defaultBefore = 60 * time.Second // Mage's margin
	unknownLife   = 5 * time.Minute  // of tokens that do not say how long they live
	leeway        = time.Second      // a token this close to its end is not handed out
	firstBackoff  = 500 * time.Millisecond
	maxBackoff    = 30 * time.Second
	callerTries   = 3           // requests made for one caller without a token
	refusalHold   = time.Second // how long a refusal answers all callers
)

// CacheOptions set up a Cached source; the zero value is usable.
type CacheOptions struct {
	Name          string        // label "source" of the metrics
	RefreshBefore time.Duration // how long before its end a token is renewed; 0 means 60s
	Log           *slog.Logger
}

// Cached keeps the token of a source and renews it in the background,
// RefreshBefore its end but never earlier than after four fifths of its life.
// Any number of callers cause one request at a time. A token that is still
// good outlives failed renewals, which are repeated with growing pauses; a
// token nobody asked for since the last renewal is not renewed until somebody
// does. Cached is a prometheus.Collector.
type Cached struct {
	src    TokenSource
	before time.Duration
	log    *slog.Logger
	stats  *stats

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	token   Token
	good    time.Time // until when token may be handed out
	asked   bool      // since the last renewal
	renewer bool      // the background goroutine runs
	flight  *flight
	refusal error // of credentials; answers callers until held
	held    time.Time
}

type flight struct {
	done chan struct{}
	tok  Token
	err  error
}

var errClosed = errors.New("the token source is closed")

// NewCached wraps src. Close ends its background work.
func NewCached(src TokenSource, o CacheOptions) *Cached {
	c := &Cached{src: src, before: o.RefreshBefore, log: o.Log, stats: newStats(o.Name)}
	if c.before <= 0 {
		c.before = defaultBefore
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Close stops renewal and waits for a request in flight to be cancelled.
func (c *Cached) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
	return nil
}

// Describe and Collect make Cached a prometheus.Collector.
func (c *Cached) Describe(ch chan<- *prometheus.Desc) { c.stats.Describe(ch) }

// Collect sends the metrics.
func (c *Cached) Collect(ch chan<- prometheus.Metric) { c.stats.Collect(ch) }

// Token returns a token that is good now, asking for one within ctx if there
// is none.
func (c *Cached) Token(ctx context.Context) (Token, error) {
	for try := 1; ; try++ {
		tok, fl, err := c.current()
		if fl == nil {
			return tok, err
		}
		select {
		case <-fl.done:
		case <-ctx.Done():
			return Token{}, connector.Errorf(connector.Unavailable, "waiting for a token: %w", ctx.Err())
		}
		if fl.err == nil {
			return fl.tok, nil
		}
		if try == callerTries || !connector.KindOf(fl.err).Retriable() || !backoff.Sleep(ctx, pause(try)) {
			return Token{}, fl.err
		}
	}
}

// current returns the token at hand, a refusal that still stands, or the
// request to wait for.
func (c *Cached) current() (Token, *flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.asked = true
	switch {
	case c.closed:
		return Token{}, nil, connector.Errorf(connector.Unavailable, "asking for a token: %w", errClosed)
	case now.Before(c.good):
		c.startRenewer()
		return c.token, nil, nil
	case c.flight != nil:
		return Token{}, c.flight, nil
	case c.refusal != nil && now.Before(c.held):
		return Token{}, nil, c.refusal
	}
	return Token{}, c.launch(), nil
}

// launch starts the one request; c.mu is held.
func (c *Cached) launch() *flight {
	fl := &flight{done: make(chan struct{})}
	c.flight = fl
	c.wg.Go(func() {
		fl.tok, fl.err = c.src.Token(c.ctx)
		c.settle(fl)
	})
	return fl
}

func (c *Cached) settle(fl *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flight = nil
	c.refusal = nil
	if fl.err != nil {
		c.stats.failed(fl.err)
		if !connector.KindOf(fl.err).Retriable() {
			c.refusal, c.held = fl.err, time.Now().Add(refusalHold)
		}
	} else {
		c.token = fl.tok
		if c.token.Issued.IsZero() {
			c.token.Issued = time.Now()
		}
		c.good = c.end().Add(-min(leeway, c.end().Sub(c.token.Issued)/10)) // less than the margin of renewal
		c.stats.issued(c.token)
		c.startRenewer()
	}
	close(fl.done)
}

// end is when the token stops being of use; c.mu is held.
func (c *Cached) end() time.Time {
	if c.token.Expiry.IsZero() {
		return c.token.Issued.Add(unknownLife)
	}
	return c.token.Expiry
}

// startRenewer runs at most one renewing goroutine; c.mu is held.
func (c *Cached) startRenewer() {
	if c.renewer || c.closed {
		return
	}
	c.renewer = true
	c.wg.Go(c.renew)
}

// renew keeps the token fresh until nobody asks for it any more, or it ends;
// the next caller then makes the request.
func (c *Cached) renew() {
	for failures := 0; ; {
		wait, end := c.schedule(failures)
		if !time.Now().Add(wait).Before(end) || !backoff.Sleep(c.ctx, wait) {
			break
		}
		fl := c.relaunch(failures == 0)
		if fl == nil {
			return
		}
		<-fl.done // bounded by the source's own timeout and by Close
		if fl.err == nil {
			failures = 0
			continue
		}
		failures++
		c.log.Warn("renewing the access token failed; the old one is still used", "attempt", failures, "left", time.Until(end).Round(time.Second), "error", fl.err)
	}
	c.mu.Lock()
	c.renewer = false
	c.mu.Unlock()
}

// schedule says how long to wait before the next renewal, and when the token
// ends.
func (c *Cached) schedule(failures int) (wait time.Duration, end time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	end = c.end()
	if failures > 0 {
		return pause(failures), end
	}
	return max(0, time.Until(end.Add(-min(c.before, end.Sub(c.token.Issued)/5)))), end
}

// relaunch starts a renewal, or joins a request in flight. When nobody has
// asked for the token since the last renewal it ends the renewer instead.
func (c *Cached) relaunch(first bool) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || first && !c.asked {
		c.renewer = false
		return nil
	}
	c.asked = false
	if c.flight != nil {
		return c.flight
	}
	return c.launch()
}

// pause is exponential with jitter: between half and all of the step.
func pause(failures int) time.Duration {
	return backoff.Half(backoff.Step(firstBackoff, maxBackoff, failures))
}
