package producer

import (
	"encoding/binary"
	"math/bits"
)

// lz4Table is where four bytes stood last, by their hash, in a block of at most
// 64 KiB.
type lz4Table [1 << lz4HashBits]uint16

const (
	lz4HashBits  = 13
	lz4MinMatch  = 4
	lz4Tail      = 5  // bytes at the end that are literals always
	lz4Margin    = 12 // no match begins behind this many bytes before the end
	lz4Patience  = 6  // after 2^6 misses the search takes longer steps
	lz4LongCount = 15 // lengths from here on go on in bytes of their own
)

// compress writes src as an LZ4 block (lz4_Block_format.md) and returns its
// length. dst has room for lz4.CompressBlockBound bytes. It searches as the
// reference implementation does at its fastest level, with a table that is
// cleared for each block; the library's keeps a bitmap to spare the clearing,
// which costs twice as much as all the rest where little compresses.
func (t *lz4Table) compress(dst, src []byte) int {
	clear(t[:])
	anchor, out := 0, 0
	limit := len(src) - lz4Margin
	for at := 1; at <= limit; {
		match := 0
		if at, match = t.find(src, at, limit); at > limit {
			break
		}
		for at > anchor && match > 0 && src[at-1] == src[match-1] {
			at, match = at-1, match-1
		}
		n := same(src, at+lz4MinMatch, match+lz4MinMatch)
		out = lz4Sequence(dst, out, src[anchor:at], at-match, n)
		at += lz4MinMatch + n
		anchor = at
		if at <= limit {
			t[lz4Hash(binary.LittleEndian.Uint32(src[at-2:]))] = uint16(at - 2)
		}
	}
	return lz4Literals(dst, out, src[anchor:])
}

// find returns the next place from at on whose four bytes stood before, and
// where; behind limit there is none.
func (t *lz4Table) find(src []byte, at, limit int) (int, int) {
	for misses := 1 << lz4Patience; at <= limit; misses++ {
		four := binary.LittleEndian.Uint32(src[at:])
		slot := &t[lz4Hash(four)]
		match := int(*slot)
		*slot = uint16(at)
		if binary.LittleEndian.Uint32(src[match:]) == four {
			return at, match
		}
		at += misses >> lz4Patience
	}
	return at, 0
}

func lz4Hash(four uint32) uint32 { return four * 2654435761 >> (32 - lz4HashBits) }

// same counts the bytes that are equal from a and b on, b before a, but for
// those of the tail.
func same(src []byte, a, b int) int {
	from, end := a, len(src)-lz4Tail
	for a+8 <= end {
		if diff := binary.LittleEndian.Uint64(src[a:]) ^ binary.LittleEndian.Uint64(src[b:]); diff != 0 {
			return a - from + bits.TrailingZeros64(diff)/8
		}
		a, b = a+8, b+8
	}
	for a < end && src[a] == src[b] {
		a, b = a+1, b+1
	}
	return a - from
}

// lz4Sequence writes literals and a match of n bytes more than the least.
func lz4Sequence(dst []byte, out int, literals []byte, back, n int) int {
	token := out
	out = lz4Literals(dst, out, literals)
	binary.LittleEndian.PutUint16(dst[out:], uint16(back))
	out += 2
	if n < lz4LongCount {
		dst[token] |= byte(n)
		return out
	}
	dst[token] |= lz4LongCount
	return lz4Long(dst, out, n)
}

func lz4Literals(dst []byte, out int, literals []byte) int {
	n := len(literals)
	if n < lz4LongCount {
		dst[out] = byte(n << 4)
		out++
	} else {
		dst[out] = lz4LongCount << 4
		out = lz4Long(dst, out+1, n)
	}
	return out + copy(dst[out:], literals)
}

func lz4Long(dst []byte, out, n int) int {
	for n -= lz4LongCount; n >= 255; n -= 255 {
		dst[out] = 255
		out++
	}
	dst[out] = byte(n)
	return out + 1
}
