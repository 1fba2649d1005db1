package gateway

import (
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// serve is the way of every request: bounded body, counted, compressed where
// it pays, and never taken down by a panic.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	res := responses.Get().(*response)
	res.start(w, r)
	res.mayGzip = res.mayGzip && s.cfg.Compression
	for name, value := range s.cfg.Headers {
		w.Header().Set(name, value)
	}
	start := time.Now()
	if r.Body != nil && r.Body != http.NoBody {
		res.body.guard(w, r.Body, int64(s.cfg.MaxBodyBytes), time.Duration(s.cfg.BodyTimeout))
		r.Body = &res.body
	}
	defer s.finish(res, r, start)
	if len(s.cfg.CORS.AllowedOrigins) > 0 && s.cors(res, r) {
		return
	}
	s.mux.ServeHTTP(res, r)
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
			writeError(res, http.StatusInternalServerError, "Internal Server Error")
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

// closeBehind makes the server close the connection behind this answer, also
// when its header is sent already: net/http has that for bodies that are over
// a limit, and leaves the client time to read the answer. With full duplex it
// does not do so by itself when it failed to find the end of a body.
func closeBehind(w http.ResponseWriter) {
	_, _ = http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0).Read(make([]byte, 1)) // the error is the limit's
}

// cors adds the CORS headers and reports whether it answered a preflight.
func (s *Server) cors(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
		return false
	case slices.Contains(s.cfg.CORS.AllowedOrigins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	case slices.Contains(s.cfg.CORS.AllowedOrigins, origin):
		h.Set("Access-Control-Allow-Origin", origin)
	default:
		return false
	}
	h.Set("Access-Control-Expose-Headers", listed(s.cfg.CORS.ExposedHeaders, "Location"))
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", listed(s.cfg.CORS.AllowedMethods, "GET, HEAD, POST, PUT, PATCH, DELETE"))
	if asked := listed(s.cfg.CORS.AllowedHeaders, r.Header.Get("Access-Control-Request-Headers")); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

func listed(values []string, otherwise string) string {
	if len(values) == 0 {
		return otherwise
	}
	return strings.Join(values, ", ")
}

// writeError writes the error shape of the REST proxy, which all doors share.
func writeError(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error_code":%d,"message":%q}`, status, message) // the client may be gone
}
