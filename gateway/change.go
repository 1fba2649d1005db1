package gateway

import (
	"errors"
	"net"

	"github.com/headrace/headrace/gateway/route"
)

// Change is a change of a running server's settings that is prepared and not
// made yet. Apply or Cancel must be called.
type Change struct {
	server *Server
	cfg    Config
	next   *endpoint // nil: the listener stays
}

// Change prepares other settings: a listener that they need is open when it
// returns, and those it has are served as before. The address is known then,
// for doors that name it. An error changes nothing.
func (s *Server) Change(cfg Config) (*Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped:
		return nil, errStopped
	case s.base == nil:
		return nil, errors.New("change http: the server does not run yet")
	}
	c := &Change{server: s, cfg: cfg}
	if sameListener(s.at.cfg, cfg) {
		return c, nil
	}
	var err error
	c.next, err = s.open(cfg, s.at)
	return c, err
}

// Addr is the address after the change.
func (c *Change) Addr() net.Addr {
	if c.next == nil {
		return c.server.Addr()
	}
	return c.next.listener.Addr()
}

// Scheme is http or https after the change.
func (c *Change) Scheme() string { return c.cfg.Scheme() }

// URL is what the server is reached at after the change.
func (c *Change) URL() string { return c.Scheme() + "://" + c.Addr().String() }

// Apply makes the change: the tables are mounted as by Mount, with the new
// settings; then the new listener is served, and the one before it stops
// accepting and lets its requests end. After an error everything is as before
// and the Change is cancelled.
func (c *Change) Apply(tables []route.Table, around ...Middleware) (ended <-chan struct{}, err error) {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended, err = s.mount(c.cfg, tables, around); err != nil {
		return nil, errors.Join(err, c.Cancel())
	}
	if c.next != nil {
		s.start(c.next)
		s.leave(s.at)
		s.at, c.next = c.next, nil
	}
	return ended, nil
}

// Cancel gives the change up.
func (c *Change) Cancel() error {
	if c.next == nil {
		return nil
	}
	next := c.next
	c.next = nil
	return next.listener.Close()
}
