// Package schedule says when a pipeline runs: cron expressions in a time zone,
// what happens to ticks that were missed, and how runs of one pipeline may
// overlap. It starts nothing itself; see Loop for that.
package schedule

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
)

// Config is the schedule block of a pipeline file.
type Config struct {
	Cron     string             `mapstructure:"cron" required:"true" doc:"5 fields, or 6 with the seconds first (Mage has them last), or @hourly, @daily, @weekly, @monthly, @yearly, @every 10m"`
	Timezone string             `mapstructure:"timezone" doc:"IANA name, such as Europe/Berlin"`
	Overlap  string             `mapstructure:"overlap" enum:"skip,queue,cancel" doc:"what a tick does while the run before it still goes on"`
	Misfire  string             `mapstructure:"misfire" enum:"latest,all,none" doc:"what happens with ticks missed while Headrace was down"`
	Jitter   connector.Duration `mapstructure:"jitter" doc:"each tick starts up to this much later, at random"`
}

// DefaultConfig returns the values of keys that are not written.
func DefaultConfig() Config {
	return Config{Timezone: "UTC", Overlap: "skip", Misfire: "latest"}
}

// MaxMissed bounds the ticks that misfire "all" runs after a pause; the oldest
// are left out.
const MaxMissed = 1000

// Schedule is a compiled Config. It is immutable.
type Schedule struct {
	cfg  Config
	cron cron.Schedule
	loc  *time.Location
}

// New compiles a schedule and reports every fault.
func New(cfg Config) (*Schedule, []connector.Fault) {
	var faults []connector.Fault
	loc, err := time.LoadLocation(cfg.Timezone)
	if err != nil || strings.EqualFold(cfg.Timezone, "local") {
		faults = append(faults, connector.Fault{Path: "timezone",
			Message: fmt.Sprintf("unknown time zone %s; use an IANA name such as Europe/Berlin", redact.Quote(cfg.Timezone))})
		loc = time.UTC
	}
	s := &Schedule{cfg: cfg, loc: loc}
	if s.cron, err = parse(cfg.Cron); err != nil {
		faults = append(faults, connector.Fault{Path: "cron", Message: err.Error()})
	} else if s.Next(time.Now()).IsZero() {
		faults = append(faults, connector.Fault{Path: "cron", Message: fmt.Sprintf("%s never comes: no such day in any year", redact.Quote(cfg.Cron))})
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return s, nil
}

var parser = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

func bad(expr, what string) error {
	return errors.New("bad cron expression " + redact.Quote(expr) + ": " + what)
}

func parse(expr string) (_ cron.Schedule, err error) {
	if strings.HasPrefix(expr, "TZ=") || strings.HasPrefix(expr, "CRON_TZ=") {
		return nil, fmt.Errorf("write the time zone as \"timezone\", not into the expression")
	}
	defer func() { // the parser panics on some broken input
		if p := recover(); p != nil {
			err = bad(expr, form)
		}
	}()
	if what := fault(expr); what != "" {
		return nil, bad(expr, what)
	}
	sched, err := parser.Parse(sundays(expr))
	if err != nil && strings.HasPrefix(strings.TrimSpace(expr), "@every") {
		return nil, bad(expr, "the interval behind @every cannot be read; write it like @every 10m or @every 1h30m")
	}
	if err != nil {
		return nil, bad(expr, form)
	}
	if every, ok := sched.(cron.ConstantDelaySchedule); ok && strings.Contains(expr, "@every") {
		if d, _ := time.ParseDuration(strings.TrimSpace(strings.TrimPrefix(expr, "@every"))); d < time.Second || d != every.Delay {
			return nil, bad(expr, "the interval behind @every must be a whole number of seconds, one at least")
		}
	}
	return sched, nil
}

var untilSunday = regexp.MustCompile(`^([0-7]-)?7(/[1-9])?$`)

// sundays writes Sunday as 0 where the day of the week has it as 7, which cron
// itself and Mage's croniter read and the parser does not.
func sundays(expr string) string {
	fields := strings.Fields(expr)
	if len(fields) < 5 || !strings.Contains(fields[len(fields)-1], "7") {
		return expr
	}
	items := strings.Split(fields[len(fields)-1], ",")
	for i, item := range items {
		if !untilSunday.MatchString(item) {
			continue
		}
		step := 1
		if _, text, ok := strings.Cut(item, "/"); ok {
			step = int(text[0] - '0')
		}
		var days []string
		for day := int(item[0] - '0'); day <= 7; day += step {
			days = append(days, strconv.Itoa(day%7))
		}
		items[i] = strings.Join(days, ",")
	}
	fields[len(fields)-1] = strings.Join(items, ",")
	return strings.Join(fields, " ")
}

// Overlap is what a tick does while the run before it goes on: skip, queue or
// cancel.
func (s *Schedule) Overlap() string { return s.cfg.Overlap }

// Delay returns a random delay within the jitter.
func (s *Schedule) Delay() time.Duration {
	if s.cfg.Jitter <= 0 {
		return 0
	}
	return rand.N(time.Duration(s.cfg.Jitter))
}

// Next returns the first tick after t, in the schedule's time zone, or the
// zero time if there is none within five years.
//
// On the days when clocks change, an expression with fixed hours runs once: a
// time that is left out in spring runs when the gap ends, a time that comes
// twice in autumn runs at its first coming. An expression whose hour is * runs
// every real hour.
func (s *Schedule) Next(t time.Time) time.Time {
	t = t.In(s.loc)
	spec, ok := s.cron.(*cron.SpecSchedule)
	if !ok {
		return s.cron.Next(t)
	}
	const star = 1 << 63 // cron's own mark of a field that is *
	if spec.Hour&star != 0 {
		return spec.Next(t)
	}
	naive := *spec
	naive.Location = time.UTC
	for wall := asUTC(t); ; {
		if wall = naive.Next(wall); wall.IsZero() {
			return time.Time{}
		}
		if at := s.atWall(wall); at.After(t) {
			return at
		}
	}
}

// asUTC is the time whose clock in UTC shows what t's clock shows.
func asUTC(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// atWall returns the first moment at which the schedule's clock shows wall, or
// the end of the gap that leaves it out.
func (s *Schedule) atWall(wall time.Time) time.Time {
	// A change of the clock moves it by a day at most (Pacific/Apia, 2011), so
	// the offsets well before and well after are the only two possible ones.
	const aside = 26 * time.Hour
	_, before := wall.Add(-aside).In(s.loc).Zone()
	_, after := wall.Add(aside).In(s.loc).Zone()
	first := wall.Add(-time.Duration(before) * time.Second).In(s.loc)
	if asUTC(first).Equal(wall) {
		return first
	}
	second := wall.Add(-time.Duration(after) * time.Second).In(s.loc)
	if asUTC(second).Equal(wall) {
		return second
	}
	gap, _ := first.ZoneBounds()
	return gap.In(s.loc)
}

// Missed returns the ticks after last and up to now that are to be run, oldest
// first, by the misfire rule. A zero last means that nothing was missed.
func (s *Schedule) Missed(last, now time.Time) []time.Time {
	if last.IsZero() {
		return nil
	}
	ticks := s.between(last, now)
	switch {
	case len(ticks) == 0 || s.cfg.Misfire == "none":
		return nil
	case s.cfg.Misfire == "latest":
		return ticks[len(ticks)-1:]
	default:
		return ticks
	}
}

// between returns the newest MaxMissed ticks after last and up to now.
func (s *Schedule) between(last, now time.Time) (ticks []time.Time) {
	for t := s.Next(last); !t.IsZero() && !t.After(now); t = s.Next(t) {
		ticks = append(ticks, t)
		if len(ticks) > 2*MaxMissed {
			ticks = append(ticks[:0], ticks[len(ticks)-MaxMissed:]...)
		}
	}
	return ticks[max(0, len(ticks)-MaxMissed):]
}

// lateness is how late a tick may start without counting as missed.
const lateness = 2 * time.Minute

// inTime reports whether a tick that was to start at start runs: only misfire
// "none" leaves out one that a suspended machine slept through.
func (s *Schedule) inTime(start, now time.Time) bool {
	return s.cfg.Misfire != "none" || now.Sub(start) <= lateness
}

// after returns the time behind which the tick that follows is looked for.
// Ticks that passed since, as over a suspended machine's pause, are treated by
// the misfire rule.
func (s *Schedule) after(tick, now time.Time) time.Time {
	passed := s.between(tick, now)
	if len(passed) == 0 {
		return tick
	}
	newest := passed[len(passed)-1]
	switch {
	case s.cfg.Misfire == "all":
		return passed[0].Add(-time.Nanosecond)
	case s.cfg.Misfire == "none" && !s.inTime(newest, now):
		return newest
	default:
		return newest.Add(-time.Nanosecond)
	}
}
