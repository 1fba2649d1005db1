package wire

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendText adds s as a JSON string. Bytes that are not UTF-8 become the
// replacement character.
func AppendText(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			out, _ := jsontext.AppendQuote(b, s) // the error says that a character was replaced
			return out
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// instants are the ISO-8601 forms that Java's Instant and OffsetDateTime write,
// and those that people do; without an offset the time is UTC.
var instants = []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05.999999999Z0700",
	"2006-01-02T15:04Z0700", "2006-01-02T15:04:05.999999999Z07", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04"}

// ParseTime reads a timestamp in any place of v2 and v3: an ISO-8601 instant,
// or milliseconds since 1970 as a number or its text.
func ParseTime(s string) (time.Time, bool) {
	for _, layout := range instants {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.UnixMilli(ms), true
	}
	return time.Time{}, false
}
