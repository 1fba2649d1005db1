package backoff

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longestAsked bounds what a server can ask for.
const longestAsked = time.Hour

// Asked is how long a server wants to be left alone, from the header Retry-After
// (RFC 9110, 10.2.3): seconds, or a date. 0 means that it does not say.
func Asked(h http.Header) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return time.Duration(min(n, uint64(longestAsked/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, min(time.Until(at), longestAsked))
	}
	return 0
}
