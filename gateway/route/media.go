package route

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// JSON is the media type of answers that name no other.
const JSON = "application/json"

// Accepts returns the one of types that the request's Accept header gives the
// highest quality, and false when it allows none (RFC 9110, 12.5.1). Of equals
// it is the one that the header names more closely, then the first. No header
// accepts everything. An unreadable entry allows nothing.
func Accepts(r *http.Request, types ...string) (mediaType string, ok bool) {
	header := r.Header.Values("Accept")
	if len(header) == 0 || len(types) == 0 {
		return first(types), len(types) > 0
	}
	ranges := parseAccept(header)
	if len(ranges) == 0 {
		return types[0], true
	}
	best, closest := 0.0, -1
	for _, t := range types {
		if q, level := quality(ranges, t); q > best || q == best && q > 0 && level > closest {
			best, closest, mediaType = q, level, t
		}
	}
	return mediaType, best > 0
}

func first(types []string) string {
	if len(types) == 0 {
		return ""
	}
	return types[0]
}

type acceptRange struct {
	kind, sub string
	q         float64
}

func parseAccept(header []string) []acceptRange {
	var ranges []acceptRange
	for _, line := range header {
		for part := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(part) == "" {
				continue
			}
			t, params, err := mime.ParseMediaType(part)
			if err != nil && t == "" {
				ranges = append(ranges, acceptRange{})
				continue
			}
			kind, sub, found := strings.Cut(t, "/")
			if !found && kind == "*" {
				sub = "*" // java.net.HttpURLConnection sends a bare "*"
			}
			q := 1.0
			if text, given := params["q"]; given {
				if q, err = strconv.ParseFloat(text, 64); err != nil || q < 0 || q > 1 {
					q = 0
				}
			}
			ranges = append(ranges, acceptRange{kind, sub, q})
		}
	}
	return ranges
}

// quality is that of the most specific range that covers the type, and how
// specific that is: 2 for the type itself, 1 for its kind, 0 for anything.
func quality(ranges []acceptRange, mediaType string) (q float64, specific int) {
	kind, sub, _ := strings.Cut(mediaType, "/")
	specific = -1
	for _, a := range ranges {
		level := -1
		switch {
		case a.kind == kind && a.sub == sub:
			level = 2
		case a.kind == kind && a.sub == "*":
			level = 1
		case a.kind == "*" && a.sub == "*":
			level = 0
		}
		if level > specific || level == specific && level >= 0 && a.q > q {
			q, specific = a.q, level
		}
	}
	return q, specific
}

// ContentType returns the request body's media type in lower case and its
// parameters; ok is false when the header cannot be read. A missing header is
// "" and true.
func ContentType(r *http.Request) (mediaType string, params map[string]string, ok bool) {
	header := r.Header.Get("Content-Type")
	if header == "" {
		return "", nil, true
	}
	mediaType, params, err := mime.ParseMediaType(header)
	return mediaType, params, err == nil
}

// NotTaken is the reason of a 415: it names the Content-Types that are right.
func NotTaken(types []string) string {
	return "HTTP 415 Unsupported Media Type: the Content-Type must be " + oneOf(types)
}

// NotProduced is the reason of a 406: it names what the Accept header must
// allow.
func NotProduced(types []string) string {
	return "HTTP 406 Not Acceptable: the Accept header must allow " + oneOf(types)
}

// oneOf lists alternatives in words.
func oneOf(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
