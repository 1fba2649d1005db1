package formats

import "hash/crc32"

// Position is a place in one input: everything before Offset (in bytes of the
// decompressed stream) and Line has been read. It is the end of a record.
type Position struct {
	Offset int64 `json:"offset"`
	Line   int64 `json:"line"` // lines passed
	// Tail is the CRC-32C of the TailBytes bytes before TailEnd, which is at or
	// before Offset: whoever goes on at a stored position can tell whether it is
	// still the same input.
	Tail      uint32 `json:"tail,omitempty"`
	TailBytes int    `json:"tail_bytes,omitempty"`
	TailEnd   int64  `json:"tail_end,omitempty"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum is what Position.Tail holds of the bytes before the place.
func Checksum(tail []byte) uint32 { return crc32.Checksum(tail, castagnoli) }

// pass returns the position behind read, which ends with a record.
func (p Position) pass(read []byte, lines int64) Position {
	tail := read[max(0, len(read)-tailBytes):]
	p.Offset += int64(len(read))
	p.Line += lines
	p.Tail, p.TailBytes, p.TailEnd = Checksum(tail), len(tail), p.Offset
	return p
}
