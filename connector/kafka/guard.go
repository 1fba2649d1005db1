package kafka

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
)

// Limits of the lengths that a peer announces.
const (
	maxFirstFrame = 1 << 20   // the answer to ApiVersions has about 600 bytes
	maxFrame      = 100 << 20 // as sarama.MaxResponseSize
	// plainFrame is up to where a length is believed before its bytes are here.
	plainFrame = 1 << 20
	// heldShare is the part of a longer frame that must be here before its
	// length is shown to the library, which then makes room for all of it.
	heldShare = 4
	heldStep  = 64 << 10
)

// guarded is a connection that looks at the length of each frame that a broker
// sends before the library does, which believes it: it would make room for two
// gigabytes because an HTTP server answered. After a length that no broker
// sends, the connection is of no use and every read says why.
type guarded struct {
	net.Conn
	addr string

	head  [4]byte // of the next frame
	seen  int     // bytes of head
	left  int     // bytes of the frame that have not come
	began bool    // a frame was accepted

	held []byte // the start of a long frame, to be handed out from out on
	out  int
	want int // bytes to hold before that

	err error
}

// maxUnpacked is the most that a compressed batch may unpack to; its own header
// may claim anything. Brokers take about 1 MiB a batch, compressed.
const maxUnpacked = 256 << 20

// boundUnpacking tells the library, which has this for the whole process.
var boundUnpacking = sync.OnceFunc(func() { sarama.MaxDecompressedBatchSize = maxUnpacked })

func guard(conn net.Conn, addr string) net.Conn { return &guarded{Conn: conn, addr: addr} }

// Read implements net.Conn. It is called by one goroutine at a time.
func (c *guarded) Read(b []byte) (int, error) {
	if len(c.held) > 0 {
		return c.readHeld(b)
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.Conn.Read(b)
	if n = c.scan(b[:n]); n > 0 || err != nil && c.err == nil && len(c.held) == 0 {
		return n, err
	}
	if c.err != nil {
		return 0, c.err
	}
	if len(c.held) > 0 {
		return c.readHeld(b)
	}
	return n, err
}

// whole reports whether what was read ends with a frame.
func (c *guarded) whole() bool { return c.began && c.left == 0 && c.seen == 0 && len(c.held) == 0 }

// scan follows the frames in b and returns how much of it the library may see
// now: all, unless a length in it is wrong or that of a long frame.
func (c *guarded) scan(b []byte) int {
	for i := 0; i < len(b); {
		if c.left > 0 {
			n := min(c.left, len(b)-i)
			c.left -= n
			i += n
			continue
		}
		start := i
		n := copy(c.head[c.seen:], b[i:])
		c.seen += n
		i += n
		if c.seen < len(c.head) {
			break
		}
		c.seen = 0
		size := binary.BigEndian.Uint32(c.head[:])
		if err := checkFrame(c.head, c.began); err != nil {
			c.err = &connector.Error{Kind: connector.Unavailable, Err: fmt.Errorf("talking to the broker %s: %w", c.addr, err)}
			_ = c.Conn.Close()
			return start
		}
		c.began, c.left = true, int(size)
		if came := len(b) - i; size > plainFrame && came < c.left {
			c.left -= came
			c.held, c.out = append([]byte(nil), b[start:]...), 0
			c.want = len(c.held) + max(0, int(size)/heldShare-came)
			return start
		}
	}
	return len(b)
}

// readHeld gathers what must be here of a long frame, a step at a time, and
// hands it out.
func (c *guarded) readHeld(b []byte) (int, error) {
	for len(c.held) < c.want {
		at := len(c.held)
		step := min(heldStep, c.want-at)
		if cap(c.held) < at+step {
			c.held = append(make([]byte, 0, max(2*cap(c.held), at+step)), c.held...)
		}
		n, err := c.Conn.Read(c.held[at : at+step])
		c.held = c.held[:at+n]
		c.left -= n
		if err != nil {
			return 0, err
		}
	}
	n := copy(b, c.held[c.out:])
	if c.out += n; c.out == len(c.held) {
		c.held = nil
	}
	return n, nil
}

// NotKafka is an answer that no broker gives.
type NotKafka struct{ text string }

func (e NotKafka) Error() string { return e.text }

// Is makes the library treat the connection as closed, which it is.
func (e NotKafka) Is(target error) bool { return target == net.ErrClosed }

// CheckFrame looks at the four bytes that a first answer begins with: its
// length, unless the peer is something else. The error is a NotKafka.
func CheckFrame(head [4]byte) error { return checkFrame(head, false) }

func checkFrame(head [4]byte, began bool) error {
	size := binary.BigEndian.Uint32(head[:])
	limit := uint32(maxFirstFrame)
	if began {
		limit = maxFrame
	}
	if size >= 4 && size <= limit { // a correlation id at the least
		return nil
	}
	switch {
	case began:
		return NotKafka{fmt.Sprintf("it announced an answer of %d bytes; the limit is %d", size, limit)}
	case string(head[:]) == "HTTP":
		return NotKafka{"this is not a Kafka broker (it answered HTTP); check the port in bootstrap_server"}
	case head[0] == 0x15 && head[1] == 3 && head[2] <= 4: // an alert record, RFC 8446, 5.1
		return NotKafka{"it answered with a TLS alert, so the listener speaks TLS; set security_protocol to SSL or SASL_SSL, or use its plain port"}
	case printable(head[:]):
		return NotKafka{fmt.Sprintf("this is not a Kafka broker (its answer begins with %q); check the port in bootstrap_server", head[:])}
	}
	return NotKafka{fmt.Sprintf("this is not a Kafka broker (it announced an answer of %d bytes where some hundred are right); check the port in bootstrap_server", size)}
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
