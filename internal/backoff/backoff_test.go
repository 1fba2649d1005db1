package backoff

import (
	"context"
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
