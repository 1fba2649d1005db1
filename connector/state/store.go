// Package state keeps what must survive a restart: the positions of sources,
// the records of runs, the last tick of each schedule, and small values that
// doors remember for a while. Store is what the rest of the program sees; File
// keeps it in one file of the state folder.
package state

import (
	"errors"
	"fmt"
	"time"

	"github.com/headrace/headrace/connector"
)

// Store is the state of a project. It is safe for concurrent use. What was
// written is durable when the call returns, and a process that is killed at any
// moment leaves it whole. Names of pipelines, blocks and spaces hold no zero
// byte; parts and keys hold any byte.
type Store interface {
	Positions
	Runs
	Ticks
	Values
	// Close lets other processes have the state. It fails when the state was
	// lost while it was in use: what was written since then is lost too.
	Close() error
}

// Positions are where sources go on. The position of a block has parts, such as
// files or the partitions of a topic.
type Positions interface {
	// Positions returns the parts of a block's position; empty when it has none.
	// A position that was stored before there were parts is the one under "".
	Positions(pipeline, block string) (map[string][]byte, error)
	// SavePositions replaces the parts in changed, all or none of them, and leaves
	// the others as they are. A nil value removes its part.
	SavePositions(pipeline, block string, changed map[string][]byte) error
	// ClearPositions removes all parts of a block's position.
	ClearPositions(pipeline, block string) error
	// ListPositions returns every part that is held, of one pipeline or, for "",
	// of all, in the order of their names.
	ListPositions(pipeline string) ([]Held, error)
}

// Held is one part of a position that is held.
type Held struct {
	Pipeline, Block, Part string
	At                    []byte
}

// Runs are the records of runs.
type Runs interface {
	// PutRun stores the record of a run that ended. An empty ID is given one. The
	// newest 1000 of each pipeline are kept.
	PutRun(Run) error
	// Runs returns the newest n records of a pipeline, newest first.
	Runs(pipeline string, n int) ([]Run, error)
}

// Ticks are the newest ticks of schedules that were run.
type Ticks interface {
	// LastTick returns the zero time for a pipeline that has none.
	LastTick(pipeline string) (time.Time, error)
	// SetLastTick replaces it; the zero time removes it.
	SetLastTick(pipeline string, tick time.Time) error
}

// Values are small values that are kept under a key for some time. A space is
// the keys of one user of them.
type Values interface {
	// Value returns nil when there is none, or when its time is over.
	Value(space, key string) ([]byte, error)
	// PutValue keeps a value until a time; one that is over removes it. It fails
	// with ErrFull when the space holds MaxValues that are not over.
	PutValue(space, key string, value []byte, until time.Time) error
}

// The limits of a Store.
const (
	MaxPart   = 16 << 10 // bytes of the name of a part, or of a key
	MaxAt     = 1 << 20  // bytes of one part of a position, or of a value
	MaxValues = 100_000  // values of a space
)

// ErrFull says that a space holds as many values as it may.
var ErrFull = fmt.Errorf("there are %d values already, and none of them is over", MaxValues)

// ErrHeld says that another process has the state.
var ErrHeld = errors.New("another headrace process holds it; stop that one, or give this project its own state path")

// The outcomes of a run.
const (
	Succeeded   = "succeeded"   // everything read was delivered or dead-lettered
	Failed      = "failed"      // it ended with an error
	Interrupted = "interrupted" // it was stopped; the next run goes on
)

// Run is the record of one run.
type Run struct {
	ID       string           `json:"id"`
	Pipeline string           `json:"pipeline"`
	Tick     time.Time        `json:"tick,omitzero"` // zero: no schedule asked for it
	Start    time.Time        `json:"start"`
	End      time.Time        `json:"end"`
	Outcome  string           `json:"outcome"`
	Counts   connector.Counts `json:"counts"`
	Error    string           `json:"error,omitempty"`
}

// keptRuns bounds the records kept for each pipeline; the oldest go first.
const keptRuns = 1000

// bounds reports a name or a value that is too long to be kept.
func bounds(name string, value []byte) error {
	switch {
	case len(name) > MaxPart:
		return fmt.Errorf("a name of %d bytes is too long; the limit is %d", len(name), MaxPart)
	case len(value) > MaxAt:
		return fmt.Errorf("%d bytes are too many for one value; the limit is %d", len(value), MaxAt)
	}
	return nil
}
