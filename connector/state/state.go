// Package state keeps what must survive a restart: the positions of sources,
// the records of runs, and the last tick of each schedule. It is one bbolt file
// in the state folder; every write is on disk when it returns, so a process
// that is killed at any moment finds it whole.
package state

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/plugin"
)

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

// lockWait is how long Open waits for another process to let go.
const lockWait = time.Second

var (
	bucketPositions = []byte("positions")
	bucketRuns      = []byte("runs")
	bucketTicks     = []byte("ticks")
)

// Store is the state of a project. It is safe for concurrent use, by one
// process at a time.
type Store struct {
	dir string
	db  *bbolt.DB
}

// Open opens the state in dir, making it if need be. It fails when another
// process holds it.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open the state in %s: %w", dir, err)
	}
	path := filepath.Join(dir, "state.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("open the state %s: another headrace process holds it; stop that one, or give this project its own state path", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the state %s: %w", path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketPositions, bucketRuns, bucketTicks} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the state %s: %w", path, err), db.Close())
	}
	return &Store{dir: dir, db: db}, nil
}

// Dir is the state folder.
func (s *Store) Dir() string { return s.dir }

// Close lets other processes open the state.
func (s *Store) Close() error { return s.db.Close() }

// Checkpoint returns where the position of a block is kept.
func (s *Store) Checkpoint(pipeline, block string) plugin.Checkpoint {
	return &checkpoint{s, []byte(pipeline + "\x00" + block)}
}

type checkpoint struct {
	store *Store
	key   []byte
}

// Load returns the position, or nil when there is none.
func (c *checkpoint) Load(context.Context) (position []byte, err error) {
	err = c.store.db.View(func(tx *bbolt.Tx) error {
		position = append(position, tx.Bucket(bucketPositions).Get(c.key)...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read a position: %w", err)
	}
	return position, nil
}

// Save replaces the position; nil clears it.
func (c *checkpoint) Save(_ context.Context, position []byte) error {
	err := c.store.db.Update(func(tx *bbolt.Tx) error {
		if position == nil {
			return tx.Bucket(bucketPositions).Delete(c.key)
		}
		return tx.Bucket(bucketPositions).Put(c.key, position)
	})
	if err != nil {
		return fmt.Errorf("save a position: %w", err)
	}
	return nil
}

// PutRun stores the record of a run that ended. An empty ID is given one.
func (s *Store) PutRun(r Run) error {
	return s.update("store a run", func(tx *bbolt.Tx) error {
		runs, err := tx.Bucket(bucketRuns).CreateBucketIfNotExists([]byte(r.Pipeline))
		if err != nil {
			return err
		}
		n, err := runs.NextSequence()
		if err != nil {
			return err
		}
		if r.ID == "" {
			r.ID = fmt.Sprintf("%s-%s-%d", r.Pipeline, r.Start.UTC().Format("20060102T150405"), n)
		}
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if n > keptRuns {
			if err := runs.Delete(sequence(n - keptRuns)); err != nil {
				return err
			}
		}
		return runs.Put(sequence(n), text)
	})
}

func sequence(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// Runs returns the newest n records of a pipeline, newest first.
func (s *Store) Runs(pipeline string, n int) (out []Run, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		runs := tx.Bucket(bucketRuns).Bucket([]byte(pipeline))
		if runs == nil {
			return nil
		}
		c := runs.Cursor()
		for k, text := c.Last(); k != nil && len(out) < n; k, text = c.Prev() {
			var r Run
			if err := json.Unmarshal(text, &r); err != nil {
				return err
			}
			out = append(out, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the runs of %s: %w", pipeline, err)
	}
	return out, nil
}

// LastTick returns the newest tick that was run, or the zero time.
func (s *Store) LastTick(pipeline string) (tick time.Time, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		if text := tx.Bucket(bucketTicks).Get([]byte(pipeline)); text != nil {
			return tick.UnmarshalText(text)
		}
		return nil
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("read the last tick of %s: %w", pipeline, err)
	}
	return tick, nil
}

// SetLastTick stores the newest tick that was run.
func (s *Store) SetLastTick(pipeline string, tick time.Time) error {
	return s.update("store a tick", func(tx *bbolt.Tx) error {
		text, err := tick.UTC().MarshalText()
		if err != nil {
			return err
		}
		return tx.Bucket(bucketTicks).Put([]byte(pipeline), text)
	})
}

func (s *Store) update(what string, change func(*bbolt.Tx) error) error {
	if err := s.db.Update(change); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
