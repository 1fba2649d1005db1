package producer

import (
	"context"
	"sync"
	"sync/atomic"
)

// memory bounds the bytes of unfinished records. Waiters are served in order,
// so that a large write is not starved by small ones.
type memory struct {
	mu      sync.Mutex
	free    int64
	queue   []*claim
	dead    bool
	waiting atomic.Int32 // > 0: batches need not linger
	press   func()       // called when somebody starts to wait
}

type claim struct {
	n       int64
	granted chan struct{}
}

func newMemory(size int64, press func()) *memory { return &memory{free: size, press: press} }

// acquire takes n bytes, waiting in line; n must not exceed the whole.
func (m *memory) acquire(ctx context.Context, n int64) error {
	m.mu.Lock()
	if m.dead {
		m.mu.Unlock()
		return errClosed()
	}
	if len(m.queue) == 0 && m.free >= n {
		m.free -= n
		m.mu.Unlock()
		return nil
	}
	c := &claim{n: n, granted: make(chan struct{})}
	m.queue = append(m.queue, c)
	m.mu.Unlock()

	m.waiting.Add(1)
	defer m.waiting.Add(-1)
	m.press()
	select {
	case <-c.granted:
	case <-ctx.Done():
		if m.withdraw(c) {
			return ctx.Err()
		}
		<-c.granted // it was granted, or the producer closed, at the same moment
	}
	if c.n == 0 {
		return errClosed()
	}
	return nil
}

// withdraw takes c out of the line; false when it is no longer in it.
func (m *memory) withdraw(c *claim) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, q := range m.queue {
		if q == c {
			m.queue = append(m.queue[:i], m.queue[i+1:]...)
			m.grant()
			return true
		}
	}
	return false
}

func (m *memory) release(n int64) {
	m.mu.Lock()
	m.free += n
	m.grant()
	m.mu.Unlock()
}

func (m *memory) grant() {
	for len(m.queue) > 0 && m.free >= m.queue[0].n {
		m.free -= m.queue[0].n
		close(m.queue[0].granted)
		m.queue = m.queue[1:]
	}
}

// close turns away everybody in line and all who come later.
func (m *memory) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
	for _, c := range m.queue {
		c.n = 0
		close(c.granted)
	}
	m.queue = nil
}
