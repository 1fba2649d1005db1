// Package gateway is the HTTP server that all doors share: it listens, bounds
// what a client may cost, answers health, readiness and metrics, and stops in
// order. It knows nothing of Kafka: doors are handlers with patterns.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Server serves the handlers it was given. Set the exported fields and call
// Handle before Run. It is a prometheus.Collector of its request metrics; the
// caller registers it.
type Server struct {
	// Ready answers /-/ready: nil when the process can do its work. A nil
	// Ready is always ready.
	Ready func(context.Context) error
	// Gatherer answers /-/metrics; nil leaves the path unknown.
	Gatherer prometheus.Gatherer
	// OpenAPI answers /-/openapi.json; nil leaves the path unknown.
	OpenAPI http.Handler

	cfg      Config
	log      *slog.Logger
	mux      *http.ServeMux
	metrics  *metrics
	draining chan struct{}
	ops      sync.Once

	mu       sync.Mutex
	listener net.Listener
}

// New returns a Server that does not listen yet.
func New(cfg Config, log *slog.Logger) *Server {
	s := &Server{cfg: cfg, log: log, mux: http.NewServeMux(), metrics: newMetrics(), draining: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Mux is where doors mount their patterns before Run. A pattern is one value of
// the metric label "route".
func (s *Server) Mux() *http.ServeMux { return s.mux }

// Handle adds a handler under a pattern of http.ServeMux. The path with a
// trailing slash is the same resource. Like http.ServeMux it panics on a
// pattern that is wrong or taken.
func (s *Server) Handle(pattern string, h http.Handler) {
	s.mux.Handle(pattern, h)
	if !strings.HasSuffix(pattern, "/") && !strings.HasSuffix(pattern, "...}") && !strings.HasSuffix(pattern, "{$}") {
		s.mux.Handle(pattern+"/{$}", h)
	}
}

// HandleFunc is Handle for a function.
func (s *Server) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	s.Handle(pattern, http.HandlerFunc(h))
}

// Listen opens the address, so that Addr is known before Run. It refuses what
// Config.Validate refuses.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return nil
	}
	for _, f := range append(s.cfg.Validate(), s.cfg.CheckFiles()...) {
		return fmt.Errorf("serve http: %s: %s", f.Path, f.Message)
	}
	l, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("serve http: %w", err)
	}
	s.listener = newLimitListener(l, s.cfg.MaxConnections)
	return nil
}

// URL is what the server is reached at, by the address that it listens on; it
// is called after Listen.
func (s *Server) URL() string { return s.cfg.Scheme() + "://" + s.Addr().String() }

// Scheme is http or https.
func (s *Server) Scheme() string { return s.cfg.Scheme() }

// Addr is the address the server listens on; nil before Listen or Run.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Run serves until ctx ends, then stops accepting and waits within
// DrainTimeout for open requests; what is left then is cut off. It returns nil
// after a complete drain. A Server runs once.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	base, cut := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), drainingKey{}, (<-chan struct{})(s.draining)))
	defer cut()
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: time.Duration(s.cfg.HeaderTimeout),
		IdleTimeout:       time.Duration(s.cfg.IdleTimeout),
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	if s.cfg.HTTP2 {
		srv.Protocols = new(http.Protocols)
		srv.Protocols.SetHTTP1(true)
		srv.Protocols.SetHTTP2(true)
		srv.Protocols.SetUnencryptedHTTP2(true)
	}
	serve := srv.Serve
	if s.cfg.TLS != nil {
		if err := s.cfg.TLS.secure(srv, s.cfg.HTTP2); err != nil {
			return errors.Join(err, s.listener.Close())
		}
		serve = func(l net.Listener) error { return srv.ServeTLS(l, "", "") } // the certificates are in TLSConfig
	}
	served := make(chan error, 1)
	go func() { served <- serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve http on %s: %w", s.cfg.Listen, err)
	case <-ctx.Done():
	}
	close(s.draining)
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(s.cfg.DrainTimeout))
	defer cancel()
	err := srv.Shutdown(limit)
	if err != nil {
		cut()
		err = errors.Join(fmt.Errorf("drain http: requests were still open after %v", time.Duration(s.cfg.DrainTimeout)), srv.Close())
	}
	<-served
	return err
}

// Handler is what Run serves, for tests that bring their own listener.
func (s *Server) Handler() http.Handler {
	s.ops.Do(s.handleOps)
	return http.HandlerFunc(s.serve)
}

type drainingKey struct{}

// Draining is closed when the server of the request that ctx belongs to stops.
// A handler that streams ends then; others need not look. It is nil, which
// blocks for ever, outside a Server.
func Draining(ctx context.Context) <-chan struct{} {
	ch, _ := ctx.Value(drainingKey{}).(<-chan struct{})
	return ch
}
