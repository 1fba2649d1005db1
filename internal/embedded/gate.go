package embedded

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	maxFrame     = 100 << 20 // socket.request.max.bytes
	maxSASLFrame = 512 << 10 // sasl.server.max.receive.size
	loginTimeout = 30 * time.Second
)

// gate stands between the listener and kfake. It refuses frames that kfake
// could not bear, and answers the SASL requests itself.
type gate struct {
	ctx        context.Context // ends with the broker; for work on a connection's behalf
	mechanisms map[string]func() exchange
	names      []string // of the mechanisms, in the order of preference
	maxSession time.Duration

	accepted, refused atomic.Int64

	mu    sync.Mutex
	conns map[*gateConn]struct{}
	empty *sync.Cond
}

func (g *gate) listen(network, address string, tc *tls.Config) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	if tc != nil {
		l = tls.NewListener(l, tc)
	}
	return &gateListener{Listener: l, gate: g}, nil
}

type gateListener struct {
	net.Listener
	gate *gate
}

func (l *gateListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &gateConn{
		Conn: conn, gate: l.gate, in: bufio.NewReaderSize(conn, 64<<10),
		answers: make(map[int32]answer),
	}
	l.gate.add(c)
	if len(l.gate.mechanisms) > 0 {
		_ = conn.SetReadDeadline(time.Now().Add(loginTimeout))
	}
	return c, nil
}

func (g *gate) add(c *gateConn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns[c] = struct{}{}
}

// wait ends the connections that are left and waits until kfake has let go of
// all of them.
func (g *gate) wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		_ = c.Conn.Close()
	}
	for len(g.conns) > 0 {
		g.empty.Wait()
	}
}

// gateConn is a connection as kfake sees it: only whole requests of known
// kinds, and of them only those that the session allows.
type gateConn struct {
	net.Conn
	gate *gate

	// Of the reading side alone.
	in      *bufio.Reader
	head    []byte // to be handed out before anything else
	pass    int    // bytes of the current request that are still to come
	session session

	mu      sync.Mutex
	answers map[int32]answer // by correlation id
}

// answer stands in for the response to a request that took the place of a SASL
// request. The detour through kfake keeps the responses of the connection in
// order.
type answer struct {
	frame []byte
	last  bool // the connection ends with it
}

// Read hands out the requests that may pass.
func (c *gateConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.head) == 0 && c.pass == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	n, err := c.in.Read(p[:min(len(p), c.pass)])
	c.pass -= n
	return n, err
}

var errRefused = errors.New("request refused")

// next looks at the beginning of the next request.
func (c *gateConn) next() error {
	head, err := c.in.Peek(12) // size, API key, version, correlation id
	if err != nil {
		return err
	}
	size := int(binary.BigEndian.Uint32(head))
	key := int16(binary.BigEndian.Uint16(head[4:]))
	version := int16(binary.BigEndian.Uint16(head[6:]))
	correlation := int32(binary.BigEndian.Uint32(head[8:]))
	if size < 10 || size > maxFrame || kmsg.RequestForKey(key) == nil || version < 0 {
		return fmt.Errorf("a request of %d bytes with key %d: %w", size, key, errRefused)
	}
	switch kmsg.Key(key) {
	case kmsg.SASLHandshake, kmsg.SASLAuthenticate:
		return c.sasl(size, kmsg.Key(key), version, correlation)
	case kmsg.ApiVersions:
	default:
		if len(c.gate.mechanisms) > 0 && !c.session.open(time.Now()) {
			return fmt.Errorf("key %d without authentication: %w", key, errRefused)
		}
	}
	c.pass = 4 + size
	return nil
}

// sasl answers a SASL request, and lets a request for the versions take its
// place, whose response Write replaces.
func (c *gateConn) sasl(size int, key kmsg.Key, version int16, correlation int32) error {
	if size > maxSASLFrame {
		return fmt.Errorf("a SASL request of %d bytes: %w", size, errRefused)
	}
	frame := make([]byte, 4+size)
	if _, err := io.ReadFull(c.in, frame); err != nil {
		return err
	}
	request, err := readRequest(frame[4:], key, version)
	if err != nil {
		return err
	}
	response, last := c.session.handle(c.gate, request)
	if !last && c.session.who != nil {
		_ = c.Conn.SetReadDeadline(time.Time{})
	}
	c.mu.Lock()
	c.answers[correlation] = answer{frame: responseFrame(response, correlation), last: last}
	c.mu.Unlock()
	c.head = binary.BigEndian.AppendUint32(nil, 10)
	c.head = binary.BigEndian.AppendUint16(c.head, uint16(kmsg.ApiVersions))
	c.head = binary.BigEndian.AppendUint16(c.head, 0)
	c.head = binary.BigEndian.AppendUint32(c.head, uint32(correlation))
	c.head = binary.BigEndian.AppendUint16(c.head, 0xffff) // no client id
	return nil
}

// Write passes on a response, or the answer that takes its place. kfake writes
// each response in one call.
func (c *gateConn) Write(p []byte) (int, error) {
	var a answer
	if len(p) >= 8 {
		correlation := int32(binary.BigEndian.Uint32(p[4:]))
		c.mu.Lock()
		a = c.answers[correlation]
		delete(c.answers, correlation)
		c.mu.Unlock()
	}
	if a.frame == nil {
		return c.Conn.Write(p)
	}
	if _, err := c.Conn.Write(a.frame); err != nil {
		return 0, err
	}
	if a.last {
		return len(p), c.Conn.Close()
	}
	return len(p), nil
}

// Close ends the connection. kfake calls it when it reads no more.
func (c *gateConn) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.conns, c)
	c.gate.empty.Broadcast()
	c.gate.mu.Unlock()
	return c.Conn.Close()
}
