package state

import (
	"errors"
	"fmt"
	"os"
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

// TestAFaultOfMemoryIsAnError cuts the file in the middle of a transaction, where
// no look at its size helps.
func TestAFaultOfMemoryIsAnError(t *testing.T) {
	f, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	many := map[string][]byte{}
	for i := range 1000 {
		many[fmt.Sprint(i)] = make([]byte, 100)
	}
	if err := f.SavePositions("p", "b", many); err != nil {
		t.Fatal(err)
	}
	err = f.view("read", func(tx *bbolt.Tx) error {
		if err := os.Truncate(f.path, 8192); err != nil {
			return err
		}
		return eachPart(tx, blockKey("p", "b"), func(string, []byte) {})
	})
	if !Damaged(err) {
		t.Errorf("%v", err)
	}
	if _, err := f.Runs("p", 1); !Damaged(err) {
		t.Errorf("after that: %v", err)
	}
	if err := f.Close(); !Damaged(err) {
		t.Errorf("close: %v", err)
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
