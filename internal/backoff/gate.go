package backoff

import (
	"sync"
	"time"
)

// Gate is the way to one resource, such as a token endpoint, for all who ask it.
// A failure closes it for all of them: until a pause is over, which doubles with
// each failure in a row, everybody gets the failure instead of asking. Then one
// may try, and the others go on waiting for what becomes of it. The zero value
// with First and Most set is ready; a Gate is safe for concurrent use.
type Gate struct {
	First, Most time.Duration // the first pause and the longest

	mu       sync.Mutex
	failures int
	until    time.Time
	trying   bool
	err      error
}

// Enter returns nil when the resource may be asked now: Passed, Failed or Left
// must follow. Otherwise it returns the failure that stands, and when it is
// worth coming back.
func (g *Gate) Enter() (wait time.Duration, failure error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failures == 0 {
		return 0, nil
	}
	switch left := time.Until(g.until); {
	case left > 0:
		return left, g.err
	case g.trying:
		return g.First, g.err
	}
	g.trying = true
	return 0, nil
}

// Passed opens the gate.
func (g *Gate) Passed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures, g.trying, g.err = 0, false, nil
}

// Failed closes the gate and returns for how long: as long as the resource asked
// for, if it did, else by the number of failures; a part of it is chance, so that
// those who failed together do not come back together.
func (g *Gate) Failed(err error, asked time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trying = false
	if left := time.Until(g.until); g.failures > 0 && left > 0 { // somebody asked before it was closed
		if asked <= left {
			return left
		}
	} else {
		g.failures++
	}
	g.err = err
	pause := Half(Step(g.First, g.Most, g.failures))
	if asked > 0 {
		pause = asked + asked/10 - Half(asked/10)
	}
	g.until = time.Now().Add(pause)
	return pause
}

// Left says that an attempt ended without showing anything, because the one who
// made it gave up.
func (g *Gate) Left() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trying = false
}

// Gates are those of a process, by the name of the resource. The zero value with
// First and Most set is ready.
type Gates struct {
	First, Most time.Duration

	mu    sync.Mutex
	gates map[string]*Gate
}

// maxGates bounds what is kept: names come from settings, of which a process has
// a few.
const maxGates = 1000

// For returns the gate of a resource, the same to all who ask for it.
func (g *Gates) For(name string) *Gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	if gate, ok := g.gates[name]; ok {
		return gate
	}
	gate := &Gate{First: g.First, Most: g.Most}
	if len(g.gates) >= maxGates {
		return gate // its failures are its own
	}
	if g.gates == nil {
		g.gates = map[string]*Gate{}
	}
	g.gates[name] = gate
	return gate
}
