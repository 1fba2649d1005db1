package gateway

import (
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/headrace/headrace/gateway/route"
)

// compressFrom is the smallest answer that is worth compressing.
const compressFrom = 1 << 10

var (
	responses = sync.Pool{New: func() any { return new(response) }}
	gzips     = sync.Pool{New: func() any {
		z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails on an unknown level only
		return z
	}}
)

// response sees the status and compresses. To decide, it holds back the first
// compressFrom bytes of an answer that may be compressed.
type response struct {
	http.ResponseWriter
	body     body
	handlers *handlers
	refuse   route.Refuse // of the door that has the path

	code     int
	wrote    bool // the status was chosen
	mayGzip  bool
	held     []byte
	gz       *gzip.Writer
	detached bool // somebody unwrapped the writer
}

func (w *response) start(rw http.ResponseWriter, r *http.Request, h *handlers) {
	w.ResponseWriter, w.handlers, w.refuse = rw, h, refuse
	w.mayGzip = h.cfg.Compression && (r.Method == http.MethodGet || r.Method == http.MethodPost) && acceptsGzip(r.Header)
}

func acceptsGzip(h http.Header) bool {
	for _, v := range h["Accept-Encoding"] {
		for part := range strings.SplitSeq(v, ",") {
			name, q, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				q = strings.ReplaceAll(q, " ", "")
				return strings.TrimRight(q, ".0") != "q="
			}
		}
	}
	return false
}

func (w *response) WriteHeader(code int) {
	if w.wrote {
		return
	}
	if code < 200 && code != http.StatusSwitchingProtocols {
		w.ResponseWriter.WriteHeader(code)
		return
	}
	w.wrote, w.code = true, code
	switch {
	case !w.mayGzip, code < 200, code == http.StatusNoContent, code == http.StatusNotModified,
		w.Header().Get("Content-Encoding") != "":
		w.mayGzip = false
		w.ResponseWriter.WriteHeader(w.code)
	}
}

func (w *response) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.gz != nil:
		return w.gz.Write(p)
	case !w.mayGzip:
		return w.ResponseWriter.Write(p)
	}
	if len(w.held)+len(p) < compressFrom {
		w.held = append(w.held, p...)
		return len(p), nil
	}
	w.compress()
	if len(w.held) > 0 {
		if _, err := w.gz.Write(w.held); err != nil {
			return 0, err
		}
		w.held = w.held[:0]
	}
	return w.gz.Write(p)
}

func (w *response) compress() {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", http.DetectContentType(w.held))
	}
	h.Set("Content-Encoding", "gzip")
	h.Add("Vary", "Accept-Encoding")
	h.Del("Content-Length")
	w.ResponseWriter.WriteHeader(w.code)
	w.gz = gzips.Get().(*gzip.Writer)
	w.gz.Reset(w.ResponseWriter)
}

// release sends what was held back, uncompressed.
func (w *response) release() error {
	if !w.wrote || w.gz != nil || !w.mayGzip {
		return nil
	}
	w.mayGzip = false
	w.ResponseWriter.WriteHeader(w.code)
	if len(w.held) == 0 {
		return nil
	}
	_, err := w.ResponseWriter.Write(w.held)
	return err
}

// FlushError sends everything written so far. An answer that is flushed before
// it is large enough stays uncompressed.
func (w *response) FlushError() error {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if err := w.release(); err != nil {
		return err
	}
	if w.gz != nil {
		if err := w.gz.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is FlushError for callers that use http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter {
	w.detached = true
	return w.ResponseWriter
}

func (w *response) end() {
	_ = w.release() // the client may be gone
	if w.gz != nil {
		_ = w.gz.Close()
		w.gz.Reset(nil)
		gzips.Put(w.gz)
		w.gz = nil
	}
}

// reusable reports whether nobody can still hold the writer or the body.
func (w *response) reusable() bool {
	return !w.detached && (w.body.rc == nil || w.body.ended && !w.body.stream)
}

func (w *response) reset() {
	*w = response{held: w.held[:0]}
}
