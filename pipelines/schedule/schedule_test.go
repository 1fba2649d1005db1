package schedule_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/pipelines/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func build(t *testing.T, change func(*schedule.Config)) *schedule.Schedule {
	t.Helper()
	cfg := schedule.DefaultConfig()
	change(&cfg)
	s, faults := schedule.New(cfg)
	if len(faults) > 0 {
		t.Fatalf("faults: %v", faults)
	}
	return s
}

func TestNext(t *testing.T) {
	for _, tc := range []struct{ name, cron, zone, after, want string }{
		{"five fields", "0 6 * * *", "UTC", "2026-01-01T06:00:00Z", "2026-01-02T06:00:00Z"},
		{"six fields with seconds", "30 0 6 * * *", "UTC", "2026-01-01T06:00:00Z", "2026-01-01T06:00:30Z"},
		{"hourly", "@hourly", "UTC", "2026-01-01T06:10:00Z", "2026-01-01T07:00:00Z"},
		{"every", "@every 10m", "UTC", "2026-01-01T06:00:00Z", "2026-01-01T06:10:00Z"},
		{"a zone", "0 6 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-01-01T05:00:00Z"},
		{"a zone in summer", "0 6 * * *", "Europe/Berlin", "2026-07-01T00:00:00Z", "2026-07-01T04:00:00Z"},
		{"leap day", "0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		// 2026-01-01 is a Thursday.
		{"Sunday as 7", "0 6 * * 7", "UTC", "2026-01-01T00:00:00Z", "2026-01-04T06:00:00Z"},
		{"the weekend as 6-7", "0 6 * * 6-7", "UTC", "2026-01-03T06:00:00Z", "2026-01-04T06:00:00Z"},
		{"every other day to 7", "0 6 * * 1-7/2", "UTC", "2026-01-02T06:00:00Z", "2026-01-04T06:00:00Z"},
		{"7 among others", "0 0 6 * * 2,7", "UTC", "2026-01-01T00:00:00Z", "2026-01-04T06:00:00Z"},
		// Berlin, 2026-03-29: 02:00 becomes 03:00.
		{"left out in spring", "30 2 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z"},
		{"the day after", "30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		{"every half hour passes the gap", "*/30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"},
		// Berlin, 2026-10-25: 03:00 becomes 02:00.
		{"twice in autumn, first", "30 2 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T00:30:00Z"},
		{"twice in autumn, once only", "30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		{"hourly runs each real hour", "0 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"},
		// Lord Howe shifts by half an hour; Apia left out a whole day.
		{"half an hour left out", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T10:00:00Z", "2026-10-03T15:30:00Z"},
		{"a day left out", "0 12 30 12 *", "Pacific/Apia", "2011-12-29T00:00:00Z", "2011-12-30T10:00:00Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := build(t, func(c *schedule.Config) { c.Cron, c.Timezone = tc.cron, tc.zone })
			after, _ := time.Parse(time.RFC3339, tc.after)
			if got := s.Next(after).UTC().Format(time.RFC3339); got != tc.want {
				t.Errorf("next after %s is %s, want %s", tc.after, got, tc.want)
			}
		})
	}
}

func TestBadSchedules(t *testing.T) {
	for _, tc := range []struct{ name, cron, zone, want string }{
		{"text", "whenever", "UTC", "bad cron expression"},
		{"empty", "", "UTC", "bad cron expression \"\": is empty"},
		{"seven fields", "* * * * * * *", "UTC", "has 7 fields"},
		{"out of range", "61 * * * *", "UTC", `field 1, the minute, holds "61"`},
		{"a day of the week after Sunday", "0 6 * * 8", "UTC", `field 5, the day of week, holds "8"`},
		{"a range that ends before it begins", "0 6 * * 7-6", "UTC", "ends before it begins; write 7-7,0-6"},
		{"the last day, as Quartz writes it", "0 6 L * *", "UTC", `field 3, the day of month, holds "L", which is not known here; there are numbers from 1 to 31`},
		{"the n-th day, as Quartz writes it", "0 6 * * MON#2", "UTC", `holds "MON#2", which is not known here; there are numbers from 0 to 7 and SUN … SAT`},
		{"a name of no month", "0 6 1 january *", "UTC", `field 4, the month, holds "january"`},
		{"no step", "*/0 * * * *", "UTC", `field 1, the minute, has the step "0"`},
		{"a step that is none", "*/x 0 6 * * *", "UTC", `field 1, the seconds, has the step "x"`},
		{"an empty item", "1, * * * *", "UTC", "has an empty place"},
		{"a number that is none", "99999999999999999999 * * * *", "UTC", "field 1, the minute"},
		{"Mage's @once", "@once", "UTC", "--once"},
		{"Mage's @always_on", "@always_on", "UTC", "streams"},
		{"unknown short form", "@fortnightly", "UTC", "@weekly"},
		{"an interval that is none", "@every soon", "UTC", "write it like @every 10m"},
		{"zone inside", "TZ=UTC 0 6 * * *", "UTC", "timezone"},
		{"zone alone, on which the parser panics", "TZ=UTC", "UTC", "timezone"},
		{"no such day", "0 0 31 2 *", "UTC", "never comes"},
		{"no interval", "@every 0s", "UTC", "one at least"},
		{"half a second", "@every 500ms", "UTC", "one at least"},
		{"no such zone", "@daily", "Europe/Berlinn", "unknown time zone"},
		{"the machine's zone", "@daily", "Local", "unknown time zone"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := schedule.DefaultConfig()
			cfg.Cron, cfg.Timezone = tc.cron, tc.zone
			_, faults := schedule.New(cfg)
			if len(faults) != 1 || !strings.Contains(faults[0].Message, tc.want) {
				t.Errorf("faults %v, want one with %q", faults, tc.want)
			}
			for _, internal := range []string{"strconv", "invalid syntax", "time:", "runtime error", "failed to parse"} {
				if len(faults) > 0 && strings.Contains(faults[0].Message, internal) {
					t.Errorf("%q is for programmers", faults[0].Message)
				}
			}
		})
	}
}

// The seconds stand first, as in Spring, Quartz and robfig/cron; Mage's croniter
// has them last. It is said, and it is so.
func TestSixFields(t *testing.T) {
	for expr, want := range map[string]string{
		"30 15 6 * * *": "06:15:30", "@weekly": "00:00:00", "@monthly": "00:00:00", "@yearly": "00:00:00", "@annually": "00:00:00", "@midnight": "00:00:00",
		"15 6 * * *": "06:15:00", "0 6 ? JAN-MAR,12 mon-FRI": "06:00:00", "*/20 6 * * 7": "06:00:00", "*/60 */24 * * *": "00:00:00",
	} {
		cfg := schedule.DefaultConfig()
		cfg.Cron = expr
		s, faults := schedule.New(cfg)
		if len(faults) > 0 {
			t.Errorf("%s: %v", expr, faults)
			continue
		}
		if got := s.Next(time.Date(2026, 11, 27, 23, 59, 59, 0, time.UTC)).Format(time.TimeOnly); got != want {
			t.Errorf("%s: next at %s, want %s", expr, got, want)
		}
		if six := len(strings.Fields(expr)) == 6; six != strings.Contains(s.Remark(), "the seconds stand first: second 30, minute 15, hour 6") {
			t.Errorf("%s: remark %q", expr, s.Remark())
		}
	}
}

func TestMissed(t *testing.T) {
	last := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := last.Add(3*time.Hour + time.Minute)
	for rule, want := range map[string]int{"latest": 1, "all": 3, "none": 0} {
		s := build(t, func(c *schedule.Config) { c.Cron, c.Misfire = "@hourly", rule })
		got := s.Missed(last, now)
		if len(got) != want || (want > 0 && got[len(got)-1] != last.Add(3*time.Hour)) {
			t.Errorf("%s: %v", rule, got)
		}
		if first := s.Missed(time.Time{}, now); len(first) != 0 {
			t.Errorf("%s: a first start missed %v", rule, first)
		}
	}
	s := build(t, func(c *schedule.Config) { c.Cron, c.Misfire = "* * * * * *", "all" })
	if got := len(s.Missed(last, now)); got != schedule.MaxMissed {
		t.Errorf("%d missed ticks, want the bound %d", got, schedule.MaxMissed)
	}
}

// overlap runs a minutely schedule whose runs last 150 s, for ten minutes.
func overlap(t *testing.T, rule string) (started, finished, skipped int) {
	synctest.Test(t, func(t *testing.T) {
		s := build(t, func(c *schedule.Config) { c.Cron, c.Overlap = "@every 1m", rule })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute+time.Second)
		defer cancel()
		var mu sync.Mutex
		loop := schedule.Loop{Schedule: s,
			Run: func(ctx context.Context, _ time.Time) {
				mu.Lock()
				started++
				mu.Unlock()
				select {
				case <-time.After(150 * time.Second):
					mu.Lock()
					finished++
					mu.Unlock()
				case <-ctx.Done():
				}
			},
			Skipped: func(time.Time) { skipped++ },
		}
		loop.Start(ctx)
	})
	return started, finished, skipped
}

func TestOverlap(t *testing.T) {
	for _, tc := range []struct {
		rule                       string
		started, finished, skipped int
	}{
		{"skip", 4, 3, 6},
		{"queue", 4, 3, 0},
		{"cancel", 10, 0, 0},
	} {
		started, finished, skipped := overlap(t, tc.rule)
		if started != tc.started || finished != tc.finished || skipped != tc.skipped {
			t.Errorf("%s: %d started, %d finished, %d skipped; want %d, %d, %d",
				tc.rule, started, finished, skipped, tc.started, tc.finished, tc.skipped)
		}
	}
}

func TestLoopRunsMissedTicksFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := build(t, func(c *schedule.Config) { c.Cron, c.Misfire = "@hourly", "all" })
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Minute)
		defer cancel()
		var ticks []time.Time
		loop := schedule.Loop{Schedule: s, Last: start.Add(-2*time.Hour - time.Minute),
			Run: func(_ context.Context, tick time.Time) { ticks = append(ticks, tick) }}
		loop.Start(ctx)
		if len(ticks) != 4 || !ticks[3].After(start) || ticks[2].After(start) {
			t.Errorf("ticks %v at %v", ticks, start)
		}
	})
}

func TestJitterStaysInside(t *testing.T) {
	s := build(t, func(c *schedule.Config) { c.Cron, c.Jitter = "@hourly", 30_000_000_000 })
	for range 1000 {
		if d := s.Delay(); d < 0 || d >= 30*time.Second {
			t.Fatalf("delay %s", d)
		}
	}
}

func FuzzNew(f *testing.F) {
	for _, s := range []string{"0 6 * * *", "@every 1h", "TZ=UTC", "*/5 * * * * *", "0 0 31 2 *", "@"} {
		f.Add(s, "UTC")
	}
	f.Fuzz(func(_ *testing.T, expr, zone string) {
		cfg := schedule.DefaultConfig()
		cfg.Cron, cfg.Timezone = expr, zone
		schedule.New(cfg)
	})
}
