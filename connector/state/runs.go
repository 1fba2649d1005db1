package state

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// PutRun implements Store.
func (f *File) PutRun(r Run) error {
	return f.update("store a run in", func(tx *bbolt.Tx) error {
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
		return runs.Put(sequence(n), seal(text, bucketRuns, []byte(r.Pipeline), sequence(n)))
	})
}

func sequence(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// Runs implements Store.
func (f *File) Runs(pipeline string, n int) (out []Run, err error) {
	err = f.view("read the runs of "+pipeline+" from", func(tx *bbolt.Tx) error {
		runs := tx.Bucket(bucketRuns).Bucket([]byte(pipeline))
		if runs == nil {
			return nil
		}
		c := runs.Cursor()
		for k, v := c.Last(); k != nil && len(out) < n; k, v = c.Prev() {
			text, ok := unseal(v, bucketRuns, []byte(pipeline), k)
			if !ok {
				return errSeal(bucketRuns, []byte(pipeline))
			}
			var r Run
			if err := json.Unmarshal(text, &r); err != nil {
				return err
			}
			out = append(out, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// LastTick implements Store.
func (f *File) LastTick(pipeline string) (tick time.Time, err error) {
	key := []byte(pipeline)
	err = f.view("read the last tick of "+pipeline+" from", func(tx *bbolt.Tx) error {
		v := tx.Bucket(bucketTicks).Get(key)
		if v == nil {
			return nil
		}
		text, ok := unseal(v, bucketTicks, key)
		if !ok {
			return errSeal(bucketTicks, key)
		}
		return tick.UnmarshalText(text)
	})
	if err != nil {
		return time.Time{}, err
	}
	return tick, nil
}

// SetLastTick implements Store.
func (f *File) SetLastTick(pipeline string, tick time.Time) error {
	key := []byte(pipeline)
	return f.update("store a tick in", func(tx *bbolt.Tx) error {
		if tick.IsZero() {
			return tx.Bucket(bucketTicks).Delete(key)
		}
		text, err := tick.UTC().MarshalText()
		if err != nil {
			return err
		}
		return tx.Bucket(bucketTicks).Put(key, seal(text, bucketTicks, key))
	})
}
