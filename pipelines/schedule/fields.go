package schedule

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/headrace/headrace/internal/redact"
)

// form is what a cron expression may be, for messages.
const form = "write 5 fields (minute, hour, day of month, month, day of week), 6 with the seconds first, or @hourly, @daily, @weekly, @monthly, @yearly, @every 10m"

// unit is one field of an expression.
type unit struct {
	name      string
	low, high int
	names     []string // that stand for low and what follows
}

var units = []unit{
	{"seconds", 0, 59, nil},
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of month", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"day of week", 0, 7, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// fault says what is wrong with an expression, in the words of its fields; ""
// when nothing is. The parser's own errors are those of Go's numbers.
func fault(expr string) string {
	fields := strings.Fields(expr)
	switch {
	case len(fields) == 0:
		return "is empty; " + form
	case strings.HasPrefix(fields[0], "@"):
		return descriptorFault(fields)
	case len(fields) != 5 && len(fields) != 6:
		return fmt.Sprintf("has %s; %s", counted(len(fields)), form)
	}
	for i, u := range units[len(units)-len(fields):] {
		for item := range strings.SplitSeq(fields[i], ",") {
			if what := u.fault(item); what != "" {
				return fmt.Sprintf("field %d, the %s, %s", i+1, u.name, what)
			}
		}
	}
	return ""
}

func counted(n int) string {
	if n == 1 {
		return "1 field"
	}
	return strconv.Itoa(n) + " fields"
}

func descriptorFault(fields []string) string {
	switch name := fields[0]; name {
	case "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly":
		return ""
	case "@every":
		return ""
	case "@once":
		return "@once is no schedule; leave it out and run the pipeline with --once"
	case "@always_on":
		return "@always_on is no schedule; leave it out, and the pipeline streams"
	default:
		return redact.Quote(name) + " is not known here; there are @hourly, @daily, @weekly, @monthly, @yearly and @every 10m"
	}
}

// fault says what is wrong with one item of a list.
func (u unit) fault(item string) string {
	span, step, stepped := strings.Cut(item, "/")
	if stepped {
		if n, err := strconv.Atoi(step); err != nil || n < 1 {
			return fmt.Sprintf("has the step %s; a step is a whole number, as in */5", redact.Quote(step))
		}
	}
	if span == "*" || span == "?" {
		return ""
	}
	first, last, ranged := strings.Cut(span, "-")
	from, ok := u.value(first)
	if !ok {
		return u.unknown(first)
	}
	if !ranged {
		return ""
	}
	to, ok := u.value(last)
	switch {
	case !ok:
		return u.unknown(last)
	case to < from:
		return fmt.Sprintf("has the range %s, which ends before it begins; write %s-%d,%d-%s", redact.Quote(span), first, u.high, u.low, last)
	}
	return ""
}

// value reads a number or a name.
func (u unit) value(text string) (int, bool) {
	for i, name := range u.names {
		if strings.EqualFold(name, text) {
			return u.low + i, true
		}
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= u.low && n <= u.high
}

func (u unit) unknown(text string) string {
	allowed := fmt.Sprintf("numbers from %d to %d", u.low, u.high)
	if u.names != nil {
		allowed += fmt.Sprintf(" and %s … %s", strings.ToUpper(u.names[0]), strings.ToUpper(u.names[len(u.names)-1]))
	}
	if text == "" {
		return "has an empty place; there are " + allowed + ", *, lists (1,2), ranges (1-5) and steps (*/2)"
	}
	return fmt.Sprintf("holds %s, which is not known here; there are %s, *, lists (1,2), ranges (1-5) and steps (*/2)", redact.Quote(text), allowed)
}

// Remark says how an expression with seconds is read, for who knows another
// order; "" for every other one.
func (s *Schedule) Remark() string {
	fields := strings.Fields(s.cfg.Cron)
	if len(fields) != 6 {
		return ""
	}
	return fmt.Sprintf("cron has six fields and the seconds stand first: second %s, minute %s, hour %s (Mage reads the seconds from the last field)", fields[0], fields[1], fields[2])
}
