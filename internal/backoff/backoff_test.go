package backoff

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if !Sleep(t.Context(), time.Hour) || time.Since(start) != time.Hour {
			t.Errorf("slept %v", time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start = time.Now()
		if Sleep(ctx, time.Hour) || time.Since(start) != time.Minute {
			t.Errorf("slept %v though its context ended", time.Since(start))
		}
		if Sleep(ctx, 0) || Sleep(ctx, -1) {
			t.Error("an ended context was passed over")
		}
		if !Sleep(t.Context(), -1) {
			t.Error("no wait is no failure")
		}
	})
}

func TestStep(t *testing.T) {
	for n, want := range map[int]time.Duration{0: 1, 1: 1, 2: 2, 3: 4, 5: 16, 6: 20, 1 << 40: 20} {
		if got := Step(1, 20, n); got != want {
			t.Errorf("%d: %d, want %d", n, got, want)
		}
	}
}

func TestHalf(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 1000 {
		seen[Half(4)] = true
	}
	if len(seen) != 3 || !seen[2] || !seen[3] || !seen[4] {
		t.Errorf("got %v, want 2, 3 and 4", seen)
	}
	if Half(0) != 0 || Half(-1) != 0 || Half(1) != 1 {
		t.Error("nothing is nothing")
	}
}

func TestGateHoldsOneFailureForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		g := (&Gates{First: time.Second, Most: 8 * time.Second}).For("x")
		for range 3 { // an open gate lets everybody through
			if _, err := g.Enter(); err != nil {
				t.Fatal(err)
			}
		}
		var last time.Duration
		for n, most := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second} {
			if last = g.Failed(down, 0); last < most/2 || last > most {
				t.Fatalf("failure %d closes for %s", n+1, last)
			}
			if left, err := g.Enter(); !errors.Is(err, down) || left != last {
				t.Fatalf("a closed gate: %v, %s", err, left)
			}
			time.Sleep(last)
			if _, err := g.Enter(); err != nil {
				t.Fatal(err)
			}
			if _, err := g.Enter(); !errors.Is(err, down) {
				t.Fatal("a second one gets in while the first tries")
			}
		}
		g.Left()
		if _, err := g.Enter(); err != nil {
			t.Fatal("nobody may try after one gave up")
		}
		if asked := g.Failed(down, time.Minute); asked < time.Minute || asked > time.Minute+6*time.Second {
			t.Fatalf("closed for %s where a minute was asked for", asked)
		}
		if again := g.Failed(down, 0); again < time.Minute { // one that was under way
			t.Fatalf("a later failure shortens the minute to %s", again)
		}
		time.Sleep(67 * time.Second)
		if _, err := g.Enter(); err != nil {
			t.Fatal(err)
		}
		g.Passed()
		if _, err := g.Enter(); err != nil {
			t.Fatal(err)
		}
		if d := g.Failed(down, 0); d > time.Second {
			t.Fatalf("after a success the first pause is %s", d)
		}
	})
}

func TestGatesAreByNameAndBounded(t *testing.T) {
	g := &Gates{}
	if a := g.For("a"); a != g.For("a") || a == g.For("b") {
		t.Fatal("a gate is not that of its name")
	}
	for i := range 2 * maxGates {
		g.For(strconv.Itoa(i))
	}
	if len(g.gates) != maxGates {
		t.Fatalf("%d gates are kept", len(g.gates))
	}
}

func TestAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		date := time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
		for text, want := range map[string]time.Duration{"": 0, "60": time.Minute, " 60 ": time.Minute, "0": 0, "-1": 0, "x": 0, "99999999999": time.Hour,
			"99999999999999999999999": 0, date: 90 * time.Second, "Thu, 01 Jan 1970 00:00:00 GMT": 0} {
			if got := Asked(http.Header{"Retry-After": {text}}); got != want {
				t.Errorf("%q: %s, want %s", text, got, want)
			}
		}
	})
}
