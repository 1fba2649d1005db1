package state

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// TestASpaceIsBounded sets the number of values instead of storing so many.
func TestASpaceIsBounded(t *testing.T) {
	f, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	put := func(key string) error { return f.PutValue("s", key, []byte("v"), time.Now().Add(time.Hour)) }
	if err := errors.Join(put("a"), put("b")); err != nil {
		t.Fatal(err)
	}
	number := func(n uint64) {
		t.Helper()
		err := f.update("change", func(tx *bbolt.Tx) error { return tx.Bucket(bucketValues).Bucket([]byte("s")).SetSequence(n) })
		if err != nil {
			t.Fatal(err)
		}
	}
	number(MaxValues - 1)
	if err := put("c"); err != nil {
		t.Errorf("the last one: %v", err)
	}
	if err := put("d"); !errors.Is(err, ErrFull) {
		t.Errorf("one too many: %v", err)
	}
	if err := put("a"); err != nil {
		t.Errorf("another value of a key: %v", err)
	}
	if err := f.PutValue("other", "d", nil, time.Now().Add(time.Hour)); err != nil {
		t.Errorf("another space: %v", err)
	}
	if err := f.PutValue("s", "b", nil, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := put("d"); err != nil {
		t.Errorf("after one was removed: %v", err)
	}
}

// TestExpiredValuesLeaveTheFile: what is over makes room, also when nobody asks
// for it.
func TestExpiredValuesLeaveTheFile(t *testing.T) {
	f, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = f.update("fill", func(tx *bbolt.Tx) error {
		v, err := openSpace(tx, "s")
		for i := range 2 * expiredAtOnce {
			err = errors.Join(err, v.put(partKey(fmt.Sprint(i)), []byte("v"), time.Now().Add(-time.Minute)))
		}
		return err
	})
	for range 2 {
		err = errors.Join(err, f.PutValue("s", "new", []byte("v"), time.Now().Add(time.Hour)))
	}
	if err != nil {
		t.Fatal(err)
	}
	err = f.view("count", func(tx *bbolt.Tx) error {
		values, expiry := tx.Bucket(bucketValues).Bucket([]byte("s")), tx.Bucket(bucketExpiry).Bucket([]byte("s"))
		if values.Stats().KeyN != 1 || expiry.Stats().KeyN != 1 || values.Sequence() != 1 {
			t.Errorf("%d values, %d ends, %d counted", values.Stats().KeyN, expiry.Stats().KeyN, values.Sequence())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
