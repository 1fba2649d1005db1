package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/headrace/headrace/gateway/route"
)

// serve is the way of every request: bounded body, counted, compressed where
// it pays, and never taken down by a panic. Then come CORS, the match of the
// path, the middleware and the door.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	h := s.enter()
	defer h.leave()
	res := responses.Get().(*response)
	res.start(w, r, h)
	for name, value := range h.cfg.Headers {
		w.Header().Set(name, value)
	}
	start := time.Now()
	if r.Body != nil && r.Body != http.NoBody {
		res.body.guard(w, r.Body, int64(h.cfg.MaxBodyBytes), time.Duration(h.cfg.BodyTimeout))
		r.Body = &res.body
	}
	defer s.finish(res, r, start)
	if len(h.cfg.CORS.AllowedOrigins) > 0 && h.cfg.CORS.answer(res, r) {
		return
	}
	switch {
	case !cleanPath(r.URL.EscapedPath()):
		r.Pattern = ""
		refuse(res, r, http.StatusNotFound, "")
	case h.cfg.CORS.foreign(res, r):
		r.Pattern = ""
		refuse(res, r, http.StatusForbidden, "pages of this origin may not write here; name it under http.cors.allowed_origins if they may")
	case !inflate(r, int64(h.cfg.MaxBodyBytes)):
		r.Pattern = ""
		res.Header().Set("Accept-Encoding", "gzip, identity")
		refuse(res, r, http.StatusUnsupportedMediaType, "Content-Encoding is one of gzip and identity")
	default:
		h.next.ServeHTTP(res, r)
	}
}

// cleanPath reports that a path needs no cleaning: net/http would answer others
// with a page that redirects, which no client of an API follows.
func cleanPath(path string) bool {
	if strings.Contains(path, "//") {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// finish runs deferred, so that a panic of the handler is answered and counted.
func (s *Server) finish(res *response, r *http.Request, start time.Time) {
	failure := recover()
	if res.body.rc != nil {
		// The server looks at its own body: when that was not read to its end
		// it lets the client read the answer before it closes the connection.
		r.Body = res.body.rc
	}
	if failure != nil && failure != http.ErrAbortHandler {
		// The value may hold a payload: its type and the stack say where to look.
		s.log.Error("http handler failed", "route", r.Pattern, "panic", fmt.Sprintf("%T", failure), "stack", string(debug.Stack()))
		if !res.wrote {
			clear(res.Header())
			res.refuse(res, r, http.StatusInternalServerError, "Internal Server Error")
			failure = nil
		}
	}
	if failure == nil {
		res.end()
		if res.body.cutOff() {
			closeBehind(res.ResponseWriter)
		}
	}
	s.metrics.observe(r.Pattern, res.code, time.Since(start))
	if failure != nil {
		panic(http.ErrAbortHandler) // the answer is incomplete; the client must see that
	}
	// A body that a handler's goroutine still reads must not meet the next
	// request: only what was read to its end, or never given out, is reused.
	if res.reusable() {
		res.reset()
		responses.Put(res)
	}
}

// closeBehind makes the server close the connection behind this answer and
// read nothing more from it as a request. A header does that before the answer
// has begun; afterwards net/http offers one way only: a body that is over its
// limit. So a body is read here that is.
func closeBehind(w http.ResponseWriter) {
	over := http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0)
	_, _ = io.Copy(io.Discard, over) // the error is the limit's
}

// answer adds the CORS headers and reports whether it answered a preflight.
func (c *CORS) answer(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
		return false
	case slices.Contains(c.AllowedOrigins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	case slices.Contains(c.AllowedOrigins, origin):
		h.Set("Access-Control-Allow-Origin", origin)
	default:
		return false
	}
	h.Set("Access-Control-Expose-Headers", listed(c.ExposedHeaders, "Location"))
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", listed(c.AllowedMethods, "GET, HEAD, POST, PUT, PATCH, DELETE"))
	if asked := listed(c.AllowedHeaders, r.Header.Get("Access-Control-Request-Headers")); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// foreign reports a request of a page that may not make it. A browser asks before
// what is not simple, unless it may; what is simple it just sends, so a POST
// without a type of its own is refused from a foreign page always. Where origins
// are named, the others may not write in any way.
func (c *CORS) foreign(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || w.Header().Get("Access-Control-Allow-Origin") != "" || sameHost(origin, r.Host) {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	case http.MethodPost:
		return len(c.AllowedOrigins) > 0 || simple(r.Header.Get("Content-Type"))
	}
	return len(c.AllowedOrigins) > 0
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

// simple are the types that a page may send anywhere without being asked (the
// Fetch standard's CORS-safelisted ones).
func simple(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(media)) {
	case "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data":
		return true
	}
	return false
}

func listed(values []string, otherwise string) string {
	if len(values) == 0 {
		return otherwise
	}
	return strings.Join(values, ", ")
}

// refuse writes the server's own errors: on its own paths and on those that no
// door has.
func refuse(w http.ResponseWriter, _ *http.Request, status int, reason string) {
	if reason == "" {
		reason = fmt.Sprintf("HTTP %d %s", status, http.StatusText(status))
	}
	body, _ := json.Marshal(Failure{Code: status, Message: reason}) // a number and a text always work
	w.Header().Set("Content-Type", route.JSON)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
