package state

import (
	"bytes"
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"
)

// expiredAtOnce bounds the values that one PutValue removes because their time
// is over: two for each that comes keeps up, and no call is slow.
const expiredAtOnce = 64

// Value implements Store.
func (f *File) Value(space, key string) (value []byte, err error) {
	err = f.view("read a value from", func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketValues).Bucket([]byte(space))
		if b == nil {
			return nil
		}
		k := partKey(key)
		v := b.Get(k)
		if v == nil {
			return nil
		}
		stored, ok := unseal(v, bucketValues, []byte(space), k)
		if !ok || len(stored) < timeLen {
			return errSeal(bucketValues, []byte(space))
		}
		if bytes.Compare(stored[:timeLen], moment(time.Now())) > 0 {
			value = append([]byte{}, stored[timeLen:]...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return value, nil
}

// PutValue implements Store.
func (f *File) PutValue(space, key string, value []byte, until time.Time) error {
	if err := bounds(key, value); err != nil {
		return err
	}
	return f.update("store a value in", func(tx *bbolt.Tx) error {
		v, err := openSpace(tx, space)
		if err != nil {
			return err
		}
		if err := v.expire(time.Now()); err != nil {
			return err
		}
		if err := v.remove(partKey(key)); err != nil || !until.After(time.Now()) {
			return err
		}
		if v.values.Sequence() >= MaxValues {
			return ErrFull
		}
		return v.put(partKey(key), value, until)
	})
}

// timeLen is the length of a moment.
const timeLen = 8

// moment is a time whose bytes are in the order of time.
func moment(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(max(t.UnixMilli(), 0)))
}

// values are those of one space, by key and by the time that they end. The
// sequence of the bucket is their number.
type values struct {
	space          []byte
	values, expiry *bbolt.Bucket
}

func openSpace(tx *bbolt.Tx, space string) (v values, err error) {
	v.space = []byte(space)
	if v.values, err = tx.Bucket(bucketValues).CreateBucketIfNotExists(v.space); err == nil {
		v.expiry, err = tx.Bucket(bucketExpiry).CreateBucketIfNotExists(v.space)
	}
	return v, err
}

func (v values) put(key, value []byte, until time.Time) error {
	end := moment(until)
	stored := append(end[:timeLen:timeLen], value...)
	if err := v.values.Put(key, seal(stored, bucketValues, v.space, key)); err != nil {
		return err
	}
	under := append(end[:timeLen:timeLen], key...)
	if err := v.expiry.Put(under, seal(nil, bucketExpiry, v.space, under)); err != nil {
		return err
	}
	return v.values.SetSequence(v.values.Sequence() + 1)
}

// remove takes a value out, if it is there.
func (v values) remove(key []byte) error {
	stored, ok := v.values.Get(key), false
	if stored == nil {
		return nil
	}
	if stored, ok = unseal(stored, bucketValues, v.space, key); !ok || len(stored) < timeLen {
		return errSeal(bucketValues, v.space)
	}
	under := append(append([]byte{}, stored[:timeLen]...), key...)
	if err := v.expiry.Delete(under); err != nil {
		return err
	}
	if err := v.values.Delete(key); err != nil {
		return err
	}
	return v.values.SetSequence(v.values.Sequence() - 1)
}

// expire removes values whose time is over, the oldest first.
func (v values) expire(now time.Time) error {
	end := moment(now)
	for range expiredAtOnce {
		under, _ := v.expiry.Cursor().First()
		if len(under) <= timeLen || bytes.Compare(under[:timeLen], end) > 0 {
			return nil
		}
		if err := v.remove(append([]byte{}, under[timeLen:]...)); err != nil {
			return err
		}
	}
	return nil
}
