package producer

import (
	"encoding/binary"
	"hash/crc32"
)

// Partitioner maps a record's key to one of n partitions, or answers with one
// of the choices below. It must be safe for concurrent use and is asked only
// for records without an explicit partition.
type Partitioner func(key []byte, n int32) int32

// What a Partitioner may answer instead of a partition.
const (
	ChooseSticky int32 = -1 // one partition after the other, some KiB at a time (KIP-794)
	ChooseNext   int32 = -2 // the next partition of the topic in turn
	Refuse       int32 = -3 // the record needs an explicit partition and has none
)

// Murmur2 places keys as every Java client does and keeps records without a
// key together in batches.
func Murmur2(key []byte, n int32) int32 {
	if key == nil {
		return ChooseSticky
	}
	return int32(murmur2(key)&0x7fffffff) % n
}

// Sticky ignores keys.
func Sticky([]byte, int32) int32 { return ChooseSticky }

// RoundRobin ignores keys and takes the partitions in turn.
func RoundRobin([]byte, int32) int32 { return ChooseNext }

// ConsistentCRC32 places keys as librdkafka's "consistent" does; records
// without a key or with an empty one share one partition.
func ConsistentCRC32(key []byte, n int32) int32 {
	return int32(crc32.ChecksumIEEE(key) % uint32(n))
}

// ConsistentRandom places keys as librdkafka's default "consistent_random"
// does; records without a key or with an empty one go anywhere.
func ConsistentRandom(key []byte, n int32) int32 {
	if len(key) == 0 {
		return ChooseSticky
	}
	return ConsistentCRC32(key, n)
}

// Explicit refuses records that do not name their partition.
func Explicit([]byte, int32) int32 { return Refuse }

// murmur2 is org.apache.kafka.common.utils.Utils.murmur2.
func murmur2(b []byte) uint32 {
	const m, seed = 0x5bd1e995, 0x9747b28c
	h := uint32(seed) ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * m
		k = (k ^ k>>24) * m
		h = h*m ^ k
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(b[0])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}
