package formats

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

var (
	errTime   = errors.New(`neither ms since 1970, nor a date, nor a time such as 2013-01-01T05:00:00Z or "2013-01-01 05:00:00"`)
	errBefore = errors.New("before 1970, which a record's time cannot be")
)

// layouts are the texts of times: RFC 3339, and what databases write. One
// without a zone is in UTC; a fraction of a second may follow the seconds.
var layouts = [...]string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04"}

// ParseTime reads the time of a record: ms since 1970, a date, or a date and a
// time of day with or without a zone, UTC where there is none. An empty text is
// no time, the zero value. The error goes on from "is", without the text.
func ParseTime(s string) (time.Time, error) {
	if s = strings.TrimSpace(s); s == "" {
		return time.Time{}, nil
	}
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		if ms < 0 {
			return time.Time{}, errBefore
		}
		return time.UnixMilli(ms), nil
	}
	if len(s) > 10 && s[10] == ' ' {
		s = s[:10] + "T" + strings.Replace(s[11:], " ", "", 1) // a blank before the zone, too
	}
	for _, layout := range layouts {
		t, err := time.Parse(layout, s)
		switch {
		case err != nil:
		case t.UnixMilli() < 0:
			return time.Time{}, errBefore
		default:
			return t, nil
		}
	}
	return time.Time{}, errTime
}
