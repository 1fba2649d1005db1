package state

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"
)

// format is the version of what stands in the file. A file without one is of
// version 1: positions without parts, and values without checksums.
const format = 2

// The buckets of the file. Those of a pipeline, a block or a space are inside.
var (
	bucketFormat    = []byte("format")
	bucketPositions = []byte("positions") // pipeline 0 block -> '=' part -> position
	bucketRuns      = []byte("runs")      // pipeline -> number -> record
	bucketTicks     = []byte("ticks")     // pipeline -> time
	bucketValues    = []byte("values")    // space -> '=' key -> time, value
	bucketExpiry    = []byte("expiry")    // space -> time, key

	keyFormat = []byte("version")
)

// blockKey names the bucket of a block's position.
func blockKey(pipeline, block string) []byte { return []byte(pipeline + "\x00" + block) }

// partKey is a key of bbolt, which has no empty ones.
func partKey(part string) []byte { return append([]byte{'='}, part...) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal puts a checksum in front of a value, over it and everything that it
// stands under: bbolt has none for its pages.
func seal(value []byte, path ...[]byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(value)), checksum(value, path...)), value...)
}

// unseal returns the value; it is bbolt's memory. It is false when it is not
// what was sealed.
func unseal(sealed []byte, path ...[]byte) ([]byte, bool) {
	if len(sealed) < 4 {
		return nil, false
	}
	return sealed[4:], binary.BigEndian.Uint32(sealed) == checksum(sealed[4:], path...)
}

func checksum(value []byte, path ...[]byte) uint32 {
	sum := uint32(0)
	for _, p := range path {
		sum = crc32.Update(sum, castagnoli, p)
		sum = crc32.Update(sum, castagnoli, []byte{0})
	}
	return crc32.Update(sum, castagnoli, value)
}

// errSeal is the error of a value that is not what was stored.
func errSeal(path ...[]byte) error {
	names := make([]string, len(path))
	for i, p := range path {
		names[i] = strconv.Quote(strings.TrimPrefix(string(p), "="))
	}
	return fmt.Errorf("%w: the value of %s is not what was stored", errDamaged, strings.Join(names, " "))
}

// prepare brings the file to the layout of this version.
func prepare(db *bbolt.DB) error {
	version := 0
	err := db.View(func(tx *bbolt.Tx) (err error) {
		version, err = versionOf(tx)
		return err
	})
	switch {
	case err != nil:
		return err
	case version == format:
		return nil
	case version > format:
		return fmt.Errorf("it is of version %d, which a newer headrace made; this one knows versions up to %d: use the newer one, or give this project another state path", version, format)
	}
	return db.Update(func(tx *bbolt.Tx) error {
		if err := migrate(tx); err != nil {
			return fmt.Errorf("%w: it is neither of this version nor of an older one: %w", errDamaged, err)
		}
		b, err := tx.CreateBucketIfNotExists(bucketFormat)
		if err != nil {
			return err
		}
		for _, name := range [][]byte{bucketPositions, bucketRuns, bucketTicks, bucketValues, bucketExpiry} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return b.Put(keyFormat, []byte(strconv.Itoa(format)))
	})
}

func versionOf(tx *bbolt.Tx) (int, error) {
	b := tx.Bucket(bucketFormat)
	if b == nil {
		return 1, nil
	}
	n, err := strconv.Atoi(string(b.Get(keyFormat)))
	if err != nil || n < 2 {
		return 0, fmt.Errorf("%w: its version is not a number", errDamaged)
	}
	return n, nil
}

// migrate makes version 2 of version 1, which an empty file is too.
func migrate(tx *bbolt.Tx) error {
	if err := migratePositions(tx); err != nil {
		return err
	}
	if ticks := tx.Bucket(bucketTicks); ticks != nil {
		if err := sealAll(ticks, bucketTicks); err != nil {
			return err
		}
	}
	runs := tx.Bucket(bucketRuns)
	if runs == nil {
		return nil
	}
	return runs.ForEachBucket(func(pipeline []byte) error {
		return sealAll(runs.Bucket(pipeline), bucketRuns, pipeline)
	})
}

// migratePositions makes each position the part "" of itself.
func migratePositions(tx *bbolt.Tx) error {
	b := tx.Bucket(bucketPositions)
	if b == nil {
		return nil
	}
	old := map[string][]byte{}
	err := b.ForEach(func(k, v []byte) error {
		old[string(k)] = append([]byte{}, v...)
		return nil
	})
	if err != nil {
		return err
	}
	for key, at := range old {
		if err := b.Delete([]byte(key)); err != nil {
			return err
		}
		block, err := b.CreateBucket([]byte(key))
		if err != nil {
			return err
		}
		if err := block.Put(partKey(""), seal(at, bucketPositions, []byte(key), partKey(""))); err != nil {
			return err
		}
	}
	return nil
}

// sealAll seals every value of b, which path leads to.
func sealAll(b *bbolt.Bucket, path ...[]byte) error {
	sealed := map[string][]byte{}
	err := b.ForEach(func(k, v []byte) error {
		sealed[string(k)] = seal(v, append(path[:len(path):len(path)], k)...)
		return nil
	})
	if err != nil {
		return err
	}
	for k, v := range sealed {
		if err := b.Put([]byte(k), v); err != nil {
			return err
		}
	}
	return nil
}
