package producer

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"github.com/headrace/headrace/connector"
)

// The record batch of message format 2, byte for byte: KIP-98 has the layout.
// Sarama's encoder would do, but it walks the records twice, allocates the
// records and the request anew each time and copies the one into the other: at
// 1 KiB a record that is half of the CPU time (docs/performance.md).

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	atLength     = 8  // of what follows
	atChecksum   = 17 // of what follows
	atAttributes = 21
	atRecords    = batchHeader

	transactionalBit = 1 << 4
)

// appendTo appends b as it goes over the wire. z compresses; its scratch memory
// belongs to the sender.
func (b *batch) appendTo(dst []byte, z *compressor, transactional bool) ([]byte, error) {
	from := len(dst)
	seq := int32(-1)
	if b.stamped {
		seq = int32(b.seq & 0x7fffffff) // sequence numbers wrap to 0 after MaxInt32
	}
	attributes := uint16(z.codec)
	if transactional {
		attributes |= transactionalBit
	}
	dst = binary.BigEndian.AppendUint64(dst, 0) // base offset: the broker's
	dst = binary.BigEndian.AppendUint32(dst, 0) // length
	dst = binary.BigEndian.AppendUint32(dst, 0xffffffff)
	dst = append(dst, 2)
	dst = binary.BigEndian.AppendUint32(dst, 0) // checksum
	dst = binary.BigEndian.AppendUint16(dst, attributes)
	dst = binary.BigEndian.AppendUint32(dst, uint32(b.n-1))
	dst = binary.BigEndian.AppendUint64(dst, uint64(b.firstMS))
	dst = binary.BigEndian.AppendUint64(dst, uint64(b.maxMS))
	id, epoch := b.id, b.epoch
	if !b.stamped {
		id, epoch = -1, -1
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(id))
	dst = binary.BigEndian.AppendUint16(dst, uint16(epoch))
	dst = binary.BigEndian.AppendUint32(dst, uint32(seq))
	dst = binary.BigEndian.AppendUint32(dst, uint32(b.n))
	dst, err := z.append(dst, b)
	if err != nil {
		return dst[:from], err
	}
	binary.BigEndian.PutUint32(dst[from+atLength:], uint32(len(dst)-from-atLength-4))
	binary.BigEndian.PutUint32(dst[from+atChecksum:], crc32.Checksum(dst[from+atAttributes:], castagnoli))
	return dst, nil
}

// appendRecords appends the records, not compressed.
func (b *batch) appendRecords(dst []byte) []byte {
	for i := range b.slab.recs[:b.n] {
		r := &b.slab.recs[i]
		dst = appendRecord(dst, r.m, r.ms-b.firstMS, i)
	}
	return dst
}

func appendRecord(dst []byte, m *connector.Message, ms int64, offset int) []byte {
	n := 1 + varLen64(ms) + varLen(offset) + bytesLen(m.Key) + bytesLen(m.Value) + varLen(len(m.Headers))
	for i := range m.Headers {
		h := &m.Headers[i]
		n += varLen(len(h.Key)) + len(h.Key) + bytesLen(h.Value)
	}
	dst = binary.AppendVarint(dst, int64(n))
	dst = append(dst, 0) // attributes
	dst = binary.AppendVarint(dst, ms)
	dst = binary.AppendVarint(dst, int64(offset))
	dst = appendBytes(dst, m.Key)
	dst = appendBytes(dst, m.Value)
	dst = binary.AppendVarint(dst, int64(len(m.Headers)))
	for i := range m.Headers {
		h := &m.Headers[i]
		dst = binary.AppendVarint(dst, int64(len(h.Key)))
		dst = append(dst, h.Key...)
		dst = appendBytes(dst, h.Value)
	}
	return dst
}

// appendBytes appends nil as null, which is not the same as no bytes.
func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 1) // -1
	}
	dst = binary.AppendVarint(dst, int64(len(b)))
	return append(dst, b...)
}

func bytesLen(b []byte) int { return varLen(len(b)) + len(b) } // null takes one byte as well

// varLen64 is the length of n, of either sign, as a zigzag varint.
func varLen64(n int64) int { return (bits.Len64(uint64(n<<1^n>>63)|1) + 6) / 7 }
