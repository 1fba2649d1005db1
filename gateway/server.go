// Package gateway is the HTTP server that all doors share: it listens, bounds
// what a client may cost, answers health, readiness and metrics, and stops in
// order. It imports no door: each is a route.Table with errors in its own
// shape, and may come and go while the server runs.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/gateway/openapi"
)

// Server serves the doors that are mounted. Set the exported fields before the
// first Mount. It is a prometheus.Collector of its request metrics; the caller
// registers it.
type Server struct {
	// Ready answers /-/ready: nil when the process can do its work. A nil
	// Ready is always ready.
	Ready func(context.Context) error
	// Gatherer answers /-/metrics; nil leaves the path unknown.
	Gatherer prometheus.Gatherer
	// Info heads /-/openapi.json.
	Info openapi.Info

	log      *slog.Logger
	metrics  *metrics
	handlers atomic.Pointer[handlers]
	running  chan struct{} // closed by Run
	stopping chan struct{}

	mu      sync.Mutex
	cfg     Config
	at      *endpoint
	base    context.Context // of requests; nil before Run
	leaving map[*endpoint]bool
	failed  chan error
	stopped bool
}

// New returns a Server that does not listen yet.
func New(cfg Config, log *slog.Logger) *Server {
	s := &Server{cfg: cfg, log: log, metrics: newMetrics(), running: make(chan struct{}), stopping: make(chan struct{}), leaving: map[*endpoint]bool{}, failed: make(chan error, 1)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Listen opens the address, so that Addr is known before Run. It refuses what
// Config.Validate refuses.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at != nil {
		return nil
	}
	var err error
	s.at, err = s.open(s.cfg, nil)
	return err
}

// URL is what the server is reached at, by the address that it listens on; it
// is called after Listen.
func (s *Server) URL() string { return s.Scheme() + "://" + s.Addr().String() }

// Scheme is http or https.
func (s *Server) Scheme() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.Scheme()
}

// Addr is the address the server listens on; nil before Listen or Run.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil {
		return nil
	}
	return s.at.listener.Addr()
}

// Run serves until ctx ends, then stops accepting and waits within
// DrainTimeout for open requests; what is left then is cut off. It returns nil
// after a complete drain. A Server runs once.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	if err := s.mountNothing(); err != nil {
		return err
	}
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	s.mu.Lock()
	s.base = base
	s.start(s.at)
	s.mu.Unlock()
	close(s.running)
	var failure error
	select {
	case failure = <-s.failed:
	case <-ctx.Done():
	}
	return errors.Join(failure, s.stop(ctx, cut))
}

// Running is closed when Run serves, and a Change can be made.
func (s *Server) Running() <-chan struct{} { return s.running }

// stop ends all listeners and waits for the requests.
func (s *Server) stop(ctx context.Context, cut context.CancelFunc) error {
	close(s.stopping)
	s.mu.Lock()
	s.stopped = true
	s.handlers.Load().retire()
	ends := []*endpoint{s.at}
	for e := range s.leaving {
		ends = append(ends, e)
	}
	drain := time.Duration(s.cfg.DrainTimeout)
	s.mu.Unlock()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	errs := make([]error, len(ends))
	var wg sync.WaitGroup
	for i, e := range ends {
		wg.Go(func() {
			if errs[i] = e.shutdown(limit, drain); errs[i] != nil {
				cut()
				errs[i] = errors.Join(errs[i], e.server.Close())
			}
			<-e.served
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Handler is what Run serves, for tests that bring their own listener.
func (s *Server) Handler() http.Handler {
	if err := s.mountNothing(); err != nil {
		panic(err) // the server's own paths are always good
	}
	return http.HandlerFunc(s.serve)
}

// mountNothing serves the server's own paths where nothing was mounted.
func (s *Server) mountNothing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handlers.Load() != nil {
		return nil
	}
	_, err := s.mount(s.cfg, nil, nil)
	return err
}
