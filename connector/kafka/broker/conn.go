package broker

import (
	"net"
	"sync"

	"github.com/IBM/sarama"
	"golang.org/x/net/proxy"
)

// conn is a connection that can be ended while a request waits on it: the
// library's own Close waits for the answer first, and a member of a group may
// wait for a minute.
type conn struct {
	*sarama.Broker
	config sarama.Config
	line   *line
}

func newConn(addr string, cfg *sarama.Config) *conn {
	c := &conn{Broker: sarama.NewBroker(addr), config: *cfg, line: &line{dialer: cfg.Net.Proxy.Dialer}}
	if c.line.dialer == nil {
		c.line.dialer = &net.Dialer{Timeout: cfg.Net.DialTimeout, KeepAlive: cfg.Net.KeepAlive}
	}
	c.config.Net.Proxy.Enable, c.config.Net.Proxy.Dialer = true, c.line
	return c
}

// hangUp ends the connection below the library, so that what waits fails.
func (c *conn) hangUp() { c.line.hangUp() }

// line is a dialer that remembers what it dialled.
type line struct {
	dialer proxy.Dialer

	mu   sync.Mutex
	conn net.Conn
	hung bool
}

// Dial implements proxy.Dialer.
func (l *line) Dial(network, addr string) (net.Conn, error) {
	conn, err := l.dialer.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hung {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	l.conn = conn
	return conn, nil
}

func (l *line) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hung = true
	if l.conn != nil {
		_ = l.conn.Close()
	}
}
