package state

import (
	"errors"
	"strings"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Positions implements Store.
func (f *File) Positions(pipeline, block string) (parts map[string][]byte, err error) {
	err = f.view("read a position from", func(tx *bbolt.Tx) error {
		parts = map[string][]byte{}
		return eachPart(tx, blockKey(pipeline, block), func(part string, at []byte) {
			parts[part] = append([]byte{}, at...)
		})
	})
	if err != nil {
		return nil, err
	}
	return parts, nil
}

// eachPart gives every part under a block's key to do; at is bbolt's memory.
func eachPart(tx *bbolt.Tx, key []byte, do func(part string, at []byte)) error {
	b := tx.Bucket(bucketPositions).Bucket(key)
	if b == nil {
		return nil
	}
	return b.ForEach(func(k, v []byte) error {
		at, ok := unseal(v, bucketPositions, key, k)
		if !ok {
			return errSeal(bucketPositions, key, k)
		}
		do(strings.TrimPrefix(string(k), "="), at)
		return nil
	})
}

// SavePositions implements Store.
func (f *File) SavePositions(pipeline, block string, changed map[string][]byte) error {
	if len(changed) == 0 {
		return nil
	}
	for part, at := range changed {
		if err := bounds(part, at); err != nil {
			return err
		}
	}
	key := blockKey(pipeline, block)
	return f.update("save a position in", func(tx *bbolt.Tx) error {
		b, err := tx.Bucket(bucketPositions).CreateBucketIfNotExists(key)
		if err != nil {
			return err
		}
		for part, at := range changed {
			k := partKey(part)
			if at == nil {
				err = b.Delete(k)
			} else {
				err = b.Put(k, seal(at, bucketPositions, key, k))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// ClearPositions implements Store.
func (f *File) ClearPositions(pipeline, block string) error {
	return f.update("clear a position in", func(tx *bbolt.Tx) error {
		err := tx.Bucket(bucketPositions).DeleteBucket(blockKey(pipeline, block))
		if errors.Is(err, berrors.ErrBucketNotFound) {
			return nil
		}
		return err
	})
}

// ListPositions implements Store.
func (f *File) ListPositions(pipeline string) (list []Held, err error) {
	err = f.view("list the positions of", func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketPositions).ForEachBucket(func(key []byte) error {
			name, block, _ := strings.Cut(string(key), "\x00")
			if pipeline != "" && name != pipeline {
				return nil
			}
			return eachPart(tx, key, func(part string, at []byte) {
				list = append(list, Held{name, block, part, append([]byte{}, at...)})
			})
		})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}
