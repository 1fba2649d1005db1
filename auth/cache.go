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
	maxBackoff    = 10 * time.Second // of trouble; an endpoint that wants more says so
	firstRefusal  = time.Second      // how long a refusal of credentials answers all callers
	maxRefusal    = 30 * time.Second
	callerTries   = 3               // attempts that one caller without a token waits for
	callerWait    = 2 * time.Second // the longest pause that a caller waits for
)

// endpoints hold the failures of token endpoints for all who ask them: the
// connections of all clusters, registries and services of the process.
var endpoints = backoff.Gates{First: firstBackoff, Most: maxBackoff}

// CacheOptions set up a Cached source; the zero value is usable.
type CacheOptions struct {
	Name          string        // label "source" of the metrics
	RefreshBefore time.Duration // how long before its end a token is renewed; 0 means 60s
	Endpoint      string        // URL that is asked; those who ask the same share its failures
	Log           *slog.Logger
}

// Cached keeps the token of a source and renews it in the background,
// RefreshBefore its end but never earlier than after four fifths of its life.
// Any number of callers cause one request at a time. A token that is still
// good outlives failed renewals, which are repeated with growing pauses, or when
// the endpoint says, and never more often, whoever asks; a
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

	endpoint *backoff.Gate // trouble on the way or at the endpoint, for all who ask it
	refused  *backoff.Gate // these credentials
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
	c.refused = &backoff.Gate{First: firstRefusal, Most: maxRefusal}
	c.endpoint = &backoff.Gate{First: firstBackoff, Most: maxBackoff}
	if o.Endpoint != "" {
		c.endpoint = endpoints.For(o.Endpoint)
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
// is none. An error that is worth another attempt says when: RetryAfter.
func (c *Cached) Token(ctx context.Context) (Token, error) {
	for try := 1; ; try++ {
		tok, fl, err := c.current()
		if fl != nil {
			select {
			case <-fl.done:
				tok, err = fl.tok, fl.err
			case <-ctx.Done():
				return Token{}, connector.Errorf(connector.Unavailable, "waiting for a token: %w", ctx.Err())
			}
		}
		var failure *connector.Error
		switch {
		case err == nil:
			return tok, nil
		case !errors.As(err, &failure):
			return Token{}, err
		case !failure.Kind.Retriable(): // waiting alone changes nothing for the caller
			return Token{}, &connector.Error{Kind: failure.Kind, Err: failure.Err}
		case try == callerTries, failure.RetryAfter == 0, failure.RetryAfter > callerWait:
			return Token{}, err
		case !backoff.Sleep(ctx, failure.RetryAfter):
			return Token{}, err
		}
	}
}

// Waiting reports whether a request is under way now.
func (c *Cached) Waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flight != nil
}

// current returns the token at hand, the failure that stands, or the request to
// wait for.
func (c *Cached) current() (Token, *flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = true
	switch {
	case c.closed:
		return Token{}, nil, connector.Errorf(connector.Unavailable, "asking for a token: %w", errClosed)
	case time.Now().Before(c.good):
		c.startRenewer()
		return c.token, nil, nil
	}
	fl, err := c.join()
	return Token{}, fl, err
}

// join returns the request under way, a new one, or the failure that stands; c.mu
// is held.
func (c *Cached) join() (*flight, error) {
	if c.flight != nil {
		return c.flight, nil
	}
	if wait, err := c.refused.Enter(); err != nil {
		return nil, dueIn(err, wait)
	}
	if wait, err := c.endpoint.Enter(); err != nil {
		c.refused.Left()
		return nil, dueIn(err, wait)
	}
	fl := &flight{done: make(chan struct{})}
	c.flight = fl
	c.wg.Go(func() {
		fl.tok, fl.err = c.src.Token(c.ctx)
		c.settle(fl)
	})
	return fl, nil
}

// dueIn is a failure with the time until the next attempt.
func dueIn(err error, wait time.Duration) error {
	return &connector.Error{Kind: connector.KindOf(err), RetryAfter: max(wait, time.Millisecond), Err: err}
}

func (c *Cached) settle(fl *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(fl.done)
	c.flight = nil
	switch {
	case fl.err == nil:
		c.endpoint.Passed()
		c.refused.Passed()
		c.token = fl.tok
		if c.token.Issued.IsZero() {
			c.token.Issued = time.Now()
		}
		c.good = c.end().Add(-min(leeway, c.end().Sub(c.token.Issued)/10)) // less than the margin of renewal
		c.stats.issued(c.token)
		c.startRenewer()
		return
	case c.ctx.Err() != nil: // closed: nothing is known
		c.endpoint.Left()
		c.refused.Left()
	case connector.KindOf(fl.err).Retriable():
		var e *connector.Error
		asked := time.Duration(0)
		if errors.As(fl.err, &e) {
			asked = e.RetryAfter
		}
		c.refused.Left()
		fl.err = dueIn(fl.err, c.endpoint.Failed(fl.err, asked))
	default: // the endpoint answered
		c.endpoint.Passed()
		fl.err = dueIn(fl.err, c.refused.Failed(fl.err, 0))
	}
	c.stats.failed(fl.err)
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
	wait, end := c.schedule()
	for failures := 0; time.Now().Add(wait).Before(end) && backoff.Sleep(c.ctx, wait); {
		fl, err := c.relaunch(failures == 0)
		switch {
		case err == nil && fl == nil:
			return
		case err == nil:
			<-fl.done // bounded by the source's own timeout and by Close
			err = fl.err
		}
		if err == nil {
			failures = 0
			wait, end = c.schedule()
			continue
		}
		if fl != nil { // and not what another request found
			failures++
			c.log.Warn("renewing the access token failed; the old one is still used", "attempt", failures, "left", time.Until(end).Round(time.Second), "error", err)
		}
		wait = firstBackoff
		var e *connector.Error
		if errors.As(err, &e) {
			wait = max(e.RetryAfter, time.Millisecond)
		}
	}
	c.mu.Lock()
	c.renewer = false
	c.mu.Unlock()
}

// schedule says how long to wait before the next renewal, and when the token
// ends.
func (c *Cached) schedule() (wait time.Duration, end time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	end = c.end()
	return max(0, time.Until(end.Add(-min(c.before, end.Sub(c.token.Issued)/5)))), end
}

// relaunch starts a renewal, or joins a request in flight. When nobody has
// asked for the token since the last renewal it ends the renewer instead, and
// returns nothing.
func (c *Cached) relaunch(first bool) (*flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || first && !c.asked {
		c.renewer = false
		return nil, nil
	}
	c.asked = false
	return c.join()
}
