package producer

import (
	"context"
	"net"
	"sync"

	"github.com/IBM/sarama"
)

// wire opens sarama brokers whose connection can be cut at any moment, even
// while sarama holds its own lock in a read, a write or a handshake.
type wire struct {
	base  *sarama.Config
	frame *frame // of a sender; nil otherwise

	mu     sync.Mutex
	conn   net.Conn
	stop   context.CancelFunc
	closed bool
}

// dial connects and authenticates.
func (w *wire) dial(addr string) (*sarama.Broker, error) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil, net.ErrClosed
	}
	w.stop = stop
	w.mu.Unlock()

	conf := *w.base
	conf.Net.Proxy.Enable = true
	conf.Net.Proxy.Dialer = dialer{w: w, ctx: ctx}
	conf.Net.TLS.Enable = w.frame == nil && conf.Net.TLS.Enable // below a frame the dialer does it
	broker := sarama.NewBroker(addr)
	if err := broker.Open(&conf); err != nil {
		return nil, err
	}
	ok, err := broker.Connected()
	if err == nil && !ok {
		err = sarama.ErrNotConnected
	}
	if err != nil {
		_ = broker.Close()
		return nil, err
	}
	return broker, nil
}

// cut closes the connection and refuses new ones.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.stop != nil {
		w.stop()
	}
	if w.conn != nil {
		_ = w.conn.Close()
	}
}

// dialer is the dialer of the client's configuration, but it remembers what it
// opened.
type dialer struct {
	w   *wire
	ctx context.Context
}

// Dial implements the interface of golang.org/x/net/proxy that sarama takes.
func (d dialer) Dial(network, addr string) (net.Conn, error) {
	c, err := d.open(network, addr)
	if err != nil {
		return nil, err
	}
	if !d.w.hold(c) {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	if d.w.frame == nil {
		return c, nil
	}
	if n := &d.w.base.Net; n.TLS.Enable {
		raw := c
		if c, err = secured(raw, addr, n.TLS.Config, n.DialTimeout); err != nil {
			_ = raw.Close()
			return nil, err
		}
	}
	return &framed{Conn: c, f: d.w.frame}, nil
}

// hold remembers the connection that cut closes, or returns false after it.
func (w *wire) hold(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn = c
	return !w.closed
}

func (d dialer) open(network, addr string) (net.Conn, error) {
	n := &d.w.base.Net
	if n.Proxy.Enable {
		return n.Proxy.Dialer.Dial(network, addr)
	}
	plain := net.Dialer{Timeout: n.DialTimeout, KeepAlive: n.KeepAlive, LocalAddr: n.LocalAddr}
	return plain.DialContext(d.ctx, network, addr)
}
