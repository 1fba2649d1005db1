package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

// endpoint is one listener and the server of its connections.
type endpoint struct {
	cfg      Config
	listener *net.TCPListener
	bounded  net.Listener // the same, with the bound of connections
	server   *http.Server
	served   chan struct{} // closed when nothing is accepted any more

	leaving     atomic.Bool
	connections atomic.Int64
	empty       chan struct{} // has a value when the last connection of a leaving one closed
}

// open opens the listener that cfg asks for. On the address of the endpoint
// before, it is a second handle of the same socket: what connects in between
// waits in its queue and is refused by neither.
func (s *Server) open(cfg Config, before *endpoint) (*endpoint, error) {
	for _, f := range append(cfg.Validate(), cfg.CheckFiles()...) {
		return nil, fmt.Errorf("serve http: %s: %s", f.Path, f.Message)
	}
	e := &endpoint{cfg: cfg, served: make(chan struct{}), empty: make(chan struct{}, 1)}
	var err error
	if before != nil && before.cfg.Listen == cfg.Listen {
		e.listener, err = again(before.listener)
	} else {
		e.listener, err = listen(cfg.Listen)
	}
	if err != nil {
		return nil, fmt.Errorf("serve http: %w%s", err, listenAdvice(err))
	}
	e.bounded = netutil.LimitListener(e.listener, cfg.MaxConnections)
	e.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if e.leaving.Load() {
				w.Header().Set("Connection", "close") // the next request finds the other listener
			}
			s.serve(w, r)
		}),
		ConnState:         e.count,
		ReadHeaderTimeout: time.Duration(cfg.HeaderTimeout),
		IdleTimeout:       time.Duration(cfg.IdleTimeout),
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	if cfg.HTTP2 {
		e.server.Protocols = new(http.Protocols)
		e.server.Protocols.SetHTTP1(true)
		e.server.Protocols.SetHTTP2(true)
		e.server.Protocols.SetUnencryptedHTTP2(true)
	}
	if cfg.TLS != nil {
		if err := cfg.TLS.secure(e.server, cfg.HTTP2); err != nil {
			return nil, errors.Join(err, e.listener.Close())
		}
	}
	return e, nil
}

func listen(address string) (*net.TCPListener, error) {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	return net.ListenTCP("tcp", addr)
}

// again returns a second handle of a listening socket.
func again(l *net.TCPListener) (*net.TCPListener, error) {
	f, err := l.File()
	if err != nil {
		return nil, err
	}
	second, err := net.FileListener(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return second.(*net.TCPListener), nil
}

// start serves the endpoint until it is shut down. The caller holds s.mu and
// has set s.base.
func (s *Server) start(e *endpoint) {
	base := s.base
	e.server.BaseContext = func(net.Listener) context.Context { return base }
	serve := e.server.Serve
	if e.cfg.TLS != nil {
		serve = func(l net.Listener) error { return e.server.ServeTLS(l, "", "") } // the certificates are in TLSConfig
	}
	go func() {
		defer close(e.served)
		if err := serve(e.bounded); !errors.Is(err, http.ErrServerClosed) && !e.leaving.Load() {
			select {
			case s.failed <- fmt.Errorf("serve http on %s: %w", e.cfg.Listen, err):
			default: // one is enough to stop
			}
		}
	}()
}

// shutdown stops accepting and waits for the open requests within limit.
func (e *endpoint) shutdown(limit context.Context, drain time.Duration) error {
	if err := e.server.Shutdown(limit); err != nil {
		return fmt.Errorf("drain http: requests were still open after %v", drain)
	}
	return nil
}

func (e *endpoint) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		e.connections.Add(1)
	case http.StateClosed, http.StateHijacked:
		if e.connections.Add(-1) == 0 && e.leaving.Load() {
			e.tellEmpty()
		}
	}
}

func (e *endpoint) tellEmpty() {
	select {
	case e.empty <- struct{}{}:
	default:
	}
}

// leave lets go of an endpoint that another one has replaced. The caller holds
// s.mu. It accepts nothing more, and its connections end with their next
// answer; http.Server.Shutdown would close one whose request has just come
// without any, so that is for what is still open, and idle, after the time to
// drain.
func (s *Server) leave(e *endpoint) {
	s.leaving[e] = true
	e.leaving.Store(true)
	_ = e.bounded.Close() // a listener closes or was closed
	go func() {
		<-e.served
		if e.connections.Load() == 0 {
			e.tellEmpty()
		}
		drain := time.Duration(e.cfg.DrainTimeout)
		patience := time.NewTimer(drain)
		defer patience.Stop()
		select {
		case <-e.empty:
		case <-patience.C:
		case <-s.stopping: // stop shuts all down
		}
		limit, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		if err := e.shutdown(limit, drain); err != nil {
			s.log.Warn("requests on the listener before were cut off", "listen", e.cfg.Listen, "error", err)
			_ = e.server.Close() // of a listener that is gone
		}
		s.mu.Lock()
		delete(s.leaving, e)
		s.mu.Unlock()
	}()
}

// sameListener reports whether a change of the settings needs no new listener:
// the others are those of requests.
func sameListener(a, b Config) bool {
	a.MaxBodyBytes, a.CORS, a.AllowAnonymous, a.BodyTimeout, a.DrainTimeout, a.Compression, a.Headers = b.MaxBodyBytes, b.CORS, b.AllowAnonymous, b.BodyTimeout, b.DrainTimeout, b.Compression, b.Headers
	return reflect.DeepEqual(a, b)
}

// listenAdvice says what to do when an address cannot be listened on.
func listenAdvice(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "; another process listens there: stop it, or change http.listen"
	case errors.Is(err, syscall.EACCES):
		return "; ports below 1024 need a right: take a higher one in http.listen"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "; this machine has no such address: correct http.listen"
	}
	return ""
}
