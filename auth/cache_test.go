package auth

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/backoff"
)

// issuer is a source that numbers its tokens and fails when told to.
type issuer struct {
	life  time.Duration
	delay time.Duration
	calls atomic.Int32
	fail  atomic.Pointer[error]
}

func (i *issuer) Token(ctx context.Context) (Token, error) {
	n := i.calls.Add(1)
	select {
	case <-time.After(i.delay):
	case <-ctx.Done():
		return Token{}, ctx.Err()
	}
	if err := i.fail.Load(); err != nil {
		return Token{}, *err
	}
	now := time.Now()
	return Token{Value: connector.Secret("token-" + strconv.Itoa(int(n))), Issued: now, Expiry: now.Add(i.life)}, nil
}

func (i *issuer) failWith(err error) { i.fail.Store(&err) }

func want(t *testing.T, c *Cached, value string) {
	t.Helper()
	tok, err := c.Token(context.Background())
	if err != nil || tok.Value.Reveal() != value {
		t.Fatalf("got %q, %v, want %s", tok.Value.Reveal(), err, value)
	}
}

func TestOneRequestForManyCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &issuer{life: time.Hour, delay: time.Second}
		c := NewCached(src, CacheOptions{})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { want(t, c, "token-1") })
		}
		wg.Wait()
		want(t, c, "token-1")
		if n := src.calls.Load(); n != 1 {
			t.Fatalf("%d requests", n)
		}
		_ = c.Close()
	})
}

func TestRenewalInTheBackground(t *testing.T) {
	for _, tc := range []struct {
		name         string
		life, before time.Duration
		renewedAfter time.Duration
	}{
		{"60s before the end of a long token", time.Hour, 0, time.Hour - time.Minute},
		{"a fifth of a short token", time.Minute, 0, 48 * time.Second},
		{"as configured", time.Hour, 5 * time.Minute, 55 * time.Minute},
		{"configured beyond a fifth", 10 * time.Minute, 5 * time.Minute, 8 * time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &issuer{life: tc.life}
				c := NewCached(src, CacheOptions{RefreshBefore: tc.before})
				want(t, c, "token-1")
				time.Sleep(tc.renewedAfter - time.Millisecond)
				want(t, c, "token-1")
				if n := src.calls.Load(); n != 1 {
					t.Fatalf("%d requests before the time", n)
				}
				time.Sleep(2 * time.Millisecond)
				synctest.Wait()
				if n := src.calls.Load(); n != 2 {
					t.Fatalf("%d requests at the time", n)
				}
				want(t, c, "token-2")
				_ = c.Close()
			})
		})
	}
}

func TestAnUnusedTokenIsNotRenewedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &issuer{life: time.Minute}
		c := NewCached(src, CacheOptions{})
		want(t, c, "token-1")
		time.Sleep(time.Hour)
		if n := src.calls.Load(); n > 2 {
			t.Fatalf("%d requests in an idle hour", n)
		}
		tok, err := c.Token(context.Background())
		if err != nil || time.Now().After(tok.Expiry) {
			t.Fatalf("a stale token after an idle hour: %v", err)
		}
		_ = c.Close()
	})
}

func TestAGoodTokenOutlivesFailedRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &issuer{life: time.Minute}
		c := NewCached(src, CacheOptions{})
		want(t, c, "token-1")
		src.failWith(connector.Errorf(connector.Unavailable, "down"))
		time.Sleep(58 * time.Second)
		want(t, c, "token-1")
		tries := src.calls.Load() - 1
		if tries < 2 || tries > 8 {
			t.Fatalf("%d renewals in ten seconds; want a few, with growing pauses", tries)
		}
		time.Sleep(3 * time.Second) // now it has ended
		if tok, err := c.Token(context.Background()); err == nil {
			t.Fatalf("an ended token was handed out: %s", tok.Expiry)
		}
		src.fail.Store(nil)
		time.Sleep(maxBackoff)
		if _, err := c.Token(context.Background()); err != nil {
			t.Fatalf("no recovery: %v", err)
		}
		_ = c.Close()
	})
}

func TestTroubleIsTriedAgainAndRefusalsAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &issuer{life: time.Minute}
		c := NewCached(src, CacheOptions{Name: "x"})
		src.failWith(connector.Errorf(connector.Unavailable, "down"))
		if _, err := c.Token(context.Background()); connector.KindOf(err) != connector.Unavailable {
			t.Fatal(err)
		}
		if n := src.calls.Load(); n != callerTries {
			t.Fatalf("%d requests", n)
		}
		time.Sleep(maxBackoff)
		src.calls.Store(0)
		src.failWith(connector.Errorf(connector.Unauthenticated, "wrong secret"))
		start := time.Now()
		for range 50 {
			if _, err := c.Token(context.Background()); connector.KindOf(err) != connector.Unauthenticated {
				t.Fatal(err)
			}
		}
		if n := src.calls.Load(); n != 1 || time.Since(start) != 0 {
			t.Fatalf("%d requests in %s for refused credentials", n, time.Since(start))
		}
		time.Sleep(2 * firstRefusal)
		src.fail.Store(nil)
		if _, err := c.Token(context.Background()); err != nil {
			t.Fatal(err)
		}
		if n := testutil.CollectAndCount(c, "headrace_oauth_token_requests_total"); n != 3 {
			t.Fatalf("%d outcomes counted, want issued, unavailable, unauthenticated", n)
		}
		_ = c.Close()
	})
}

func TestCloseEndsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &issuer{life: time.Minute, delay: time.Hour}
		c := NewCached(src, CacheOptions{})
		done := make(chan error, 1)
		go func() {
			_, err := c.Token(context.Background())
			done <- err
		}()
		synctest.Wait()
		_ = c.Close()
		if err := <-done; err == nil {
			t.Fatal("a token from a closed source")
		}
		if _, err := c.Token(context.Background()); !errors.Is(err, errClosed) {
			t.Fatal(err)
		}
	})
}

func TestMetricsHoldLifeAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCached(&issuer{life: time.Minute}, CacheOptions{Name: "main"})
		want(t, c, "token-1")
		err := testutil.CollectAndCompare(c, strings.NewReader(`
# HELP headrace_oauth_token_lifetime_seconds How long the current access token lived when it was issued; 0 when it does not say.
# TYPE headrace_oauth_token_lifetime_seconds gauge
headrace_oauth_token_lifetime_seconds{source="main"} 60
`), "headrace_oauth_token_lifetime_seconds")
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	})
}

// What the endpoint asks for is obeyed, by everybody who asks it.
func TestAnEndpointIsLeftAloneAsLongAsItAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &issuer{life: time.Minute}
		src.failWith(&connector.Error{Kind: connector.Unavailable, RetryAfter: time.Minute, Err: errors.New("HTTP 429")})
		url := "https://id.example.com/" + t.Name()
		var all []*Cached
		for range 4 {
			all = append(all, NewCached(src, CacheOptions{Endpoint: url}))
		}
		var wg sync.WaitGroup
		start := time.Now()
		if _, err := all[0].Token(context.Background()); connector.KindOf(err) != connector.Unavailable {
			t.Fatal(err)
		}
		for n := range 20 {
			wg.Go(func() {
				_, err := all[n%4].Token(context.Background())
				var e *connector.Error
				if !errors.As(err, &e) || e.Kind != connector.Unavailable || e.RetryAfter < 59*time.Second || e.RetryAfter > 67*time.Second {
					t.Errorf("got %+v", e)
				}
			})
		}
		wg.Wait()
		if n := src.calls.Load(); n != 1 || time.Since(start) != 0 {
			t.Fatalf("%d requests, %s", n, time.Since(start))
		}
		src.fail.Store(nil)
		time.Sleep(67 * time.Second)
		for _, c := range all {
			if _, err := c.Token(context.Background()); err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
		}
	})
}

// In an outage the pauses grow, however many callers there are.
func TestAnOutageCostsOneAttemptAStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &issuer{life: time.Minute}
		src.failWith(connector.Errorf(connector.Unavailable, "HTTP 503"))
		c := NewCached(src, CacheOptions{Endpoint: "https://id.example.com/" + t.Name()})
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for ctx.Err() == nil {
					_, _ = c.Token(ctx)
					backoff.Sleep(ctx, 10*time.Millisecond)
				}
			})
		}
		wg.Wait()
		if n := src.calls.Load(); n < 7 || n > 14 { // pauses of 0.5, 1, 2, 4, 8, 10, 10 s …, each up to half shorter
			t.Fatalf("%d requests in 50 s", n)
		}
		_ = c.Close()
	})
}

// A refusal of credentials is not asked again at each call, and its renewal does
// not spin.
func TestRefusalsAreHeldLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &issuer{life: time.Minute}
		c := NewCached(src, CacheOptions{})
		want(t, c, "token-1")
		src.failWith(connector.Errorf(connector.Unauthenticated, "wrong secret"))
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			_, _ = c.Token(context.Background())
		}
		if n := src.calls.Load() - 1; n < 3 || n > 7 {
			t.Fatalf("%d requests in the minute behind a refusal", n)
		}
		_ = c.Close()
	})
}
