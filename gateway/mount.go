package gateway

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/gateway/openapi"
	"github.com/headrace/headrace/gateway/route"
)

// Middleware is put around every path of every door on the listener: who is
// asking, and how much that may be. It runs behind the bounds of the request,
// CORS and the match of the path, and in front of the check of the method;
// refuse answers in the shape of the door whose path it is. A middleware that
// wraps the http.ResponseWriter gives it an Unwrap.
type Middleware func(next http.Handler, refuse route.Refuse) http.Handler

// handlers is all that requests meet, replaced as one value.
type handlers struct {
	cfg  Config // of requests; that of the listener is its endpoint's
	next http.Handler

	open     atomic.Int64
	retired  atomic.Bool
	once     sync.Once
	ended    chan struct{} // closed when retired and no request is open
	draining chan struct{} // closed when retired
}

var errStopped = errors.New("serve http: the server has stopped")

// Mount serves the tables, with the server's own paths, from the next request
// on: what was mounted before is replaced in one step. Requests that are under
// way end where they began; Draining tells them to, and the channel is closed
// when the last one has, so that what was behind them can be closed. The first
// middleware is the outermost.
//
// When two tables claim the same path, nothing is changed.
func (s *Server) Mount(tables []route.Table, around ...Middleware) (ended <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mount(s.cfg, tables, around)
}

func (s *Server) mount(cfg Config, tables []route.Table, around []Middleware) (<-chan struct{}, error) {
	if s.stopped {
		return nil, errStopped
	}
	ops := s.ops()
	all := append([]route.Table{ops}, tables...)
	doc, err := openapi.Handler(s.Info, append(tables[:len(tables):len(tables)], ops)...)
	if err != nil {
		return nil, err
	}
	ops.Routes[openAPIRoute].Handler = doc
	next, err := route.Handler(all, route.Options{NotFound: refuse, Around: func(h http.Handler, refuse route.Refuse) http.Handler {
		for i := len(around) - 1; i >= 0; i-- {
			h = around[i](h, refuse)
		}
		return shaped(h, refuse)
	}})
	if err != nil {
		return nil, err
	}
	old := s.handlers.Swap(&handlers{cfg: cfg, next: next, ended: make(chan struct{}), draining: make(chan struct{})})
	s.cfg = cfg
	if old == nil {
		none := make(chan struct{})
		close(none)
		return none, nil
	}
	old.retire()
	return old.ended, nil
}

// shaped notes how the door of a path words errors, for a handler that panics.
func shaped(h http.Handler, refuse route.Refuse) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if res, ok := w.(*response); ok {
			res.refuse = refuse
		}
		h.ServeHTTP(w, r)
	})
}

// enter returns the handlers that are mounted now; leave must be called. The
// second look makes sure that nobody is inside unseen when they are retired.
func (s *Server) enter() *handlers {
	for {
		h := s.handlers.Load()
		h.open.Add(1)
		if s.handlers.Load() == h {
			return h
		}
		h.leave()
	}
}

func (h *handlers) leave() {
	if h.open.Add(-1) == 0 && h.retired.Load() {
		h.once.Do(func() { close(h.ended) })
	}
}

func (h *handlers) retire() {
	if h.retired.Swap(true) {
		return
	}
	close(h.draining)
	if h.open.Load() == 0 {
		h.once.Do(func() { close(h.ended) })
	}
}

// Draining is closed when the server of the request stops, or when what is
// mounted was replaced. A handler that streams ends then; others need not look.
// It is nil, which blocks for ever, outside a Server.
func Draining(w http.ResponseWriter) <-chan struct{} {
	for {
		switch v := w.(type) {
		case *response:
			return v.handlers.draining
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}
