package schedule

import (
	"testing"
	"time"
)

// TestAPause asks what follows the tick of 01:00 when the machine sleeps until
// some later time.
func TestAPause(t *testing.T) {
	at := func(clock string) time.Time {
		out, err := time.Parse(time.DateTime, "2026-01-01 "+clock)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, tc := range []struct{ rule, now, next string }{
		{"latest", "01:00:00", "02:00:00"},
		{"latest", "04:30:00", "04:00:00"}, // 02:00 and 03:00 are left out
		{"all", "04:30:00", "02:00:00"},
		{"none", "01:00:00", "02:00:00"},
		{"none", "04:30:00", "05:00:00"},
		{"none", "04:00:01", "04:00:00"}, // it woke up in time for this one
	} {
		cfg := DefaultConfig()
		cfg.Cron, cfg.Misfire = "0 * * * *", tc.rule
		s, faults := New(cfg)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if next := s.Next(s.after(at("01:00:00"), at(tc.now))); !next.Equal(at(tc.next)) {
			t.Errorf("%s, awake at %s: the next tick is %v, want %s", tc.rule, tc.now, next, tc.next)
		}
		if got, want := s.inTime(at("01:00:00"), at(tc.now)), tc.rule != "none" || tc.now == "01:00:00"; got != want {
			t.Errorf("%s, awake at %s: the tick of 01:00 runs: %v", tc.rule, tc.now, got)
		}
	}
	cfg := DefaultConfig()
	cfg.Cron, cfg.Misfire = "* * * * *", "all"
	s, _ := New(cfg)
	if next := s.Next(s.after(at("01:00:00"), at("01:00:00").AddDate(0, 0, 7))); at("01:00:00").AddDate(0, 0, 7).Sub(next) > MaxMissed*time.Minute {
		t.Errorf("a week later it goes on at %v: more than %d ticks to run", next, MaxMissed)
	}
}
