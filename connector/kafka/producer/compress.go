package producer

import (
	"encoding/binary"
	"fmt"

	"github.com/IBM/sarama"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// compressor turns a batch's records into what the wire has of them. A sender
// has one; it is not safe for concurrent use.
type compressor struct {
	codec sarama.CompressionCodec
	level int

	raw  []byte // records before compression
	gzip *gzip.Writer
	zstd *zstd.Encoder
	fast *lz4Table
	high *lz4.CompressorHC
}

func (z *compressor) append(dst []byte, b *batch) ([]byte, error) {
	if z.codec == sarama.CompressionNone {
		return b.appendRecords(dst), nil
	}
	z.raw = b.appendRecords(z.raw[:0])
	dst, err := z.compress(dst)
	if err != nil {
		return dst, fmt.Errorf("compress a batch with %s: %w", z.codec, err)
	}
	return dst, nil
}

func (z *compressor) compress(dst []byte) (_ []byte, err error) {
	switch z.codec {
	case sarama.CompressionGZIP:
		out := appender{dst}
		if z.gzip == nil {
			if z.gzip, err = gzip.NewWriterLevel(&out, z.levelOr(gzip.DefaultCompression)); err != nil {
				return dst, err
			}
		} else {
			z.gzip.Reset(&out)
		}
		if _, err = z.gzip.Write(z.raw); err == nil {
			err = z.gzip.Close()
		}
		return out.b, err
	case sarama.CompressionSnappy:
		// The library writes its header only to an empty slice: it gets the
		// room behind dst, where append finds the result again.
		return append(dst, xerial.Encode(dst[len(dst):], z.raw)...), nil
	case sarama.CompressionLZ4:
		return z.lz4(dst)
	default:
		if z.zstd == nil {
			level := zstd.EncoderLevelFromZstd(z.levelOr(3))
			z.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
			if err != nil {
				return dst, err
			}
		}
		return z.zstd.EncodeAll(z.raw, dst), nil
	}
}

func (z *compressor) levelOr(def int) int {
	if z.level == sarama.CompressionLevelDefault {
		return def
	}
	return z.level
}

// Frames of LZ4 as Kafka's own clients write them: independent blocks of 64 KiB
// and no checksums, for the batch has one.
var lz4Header = [...]byte{0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82}

const (
	lz4Block = 64 << 10
	lz4Plain = 1 << 31 // a block that is not compressed
)

func (z *compressor) lz4(dst []byte) ([]byte, error) {
	dst = append(dst, lz4Header[:]...)
	for raw := z.raw; len(raw) > 0; {
		block := raw[:min(lz4Block, len(raw))]
		raw = raw[len(block):]
		dst = reserve(dst, 4+lz4.CompressBlockBound(len(block)))
		at := len(dst) + 4
		n, err := z.block(block, dst[at:cap(dst)])
		if err != nil {
			return dst, err
		}
		size := uint32(n)
		if n == 0 || n >= len(block) {
			n = copy(dst[at:cap(dst)], block)
			size = uint32(n) | lz4Plain
		}
		dst = binary.LittleEndian.AppendUint32(dst, size)
		dst = dst[:at+n]
	}
	return binary.LittleEndian.AppendUint32(dst, 0), nil
}

func (z *compressor) block(src, dst []byte) (int, error) {
	if z.level == sarama.CompressionLevelDefault {
		if z.fast == nil {
			z.fast = new(lz4Table)
		}
		return z.fast.compress(dst, src), nil
	}
	if z.high == nil {
		// lz4's levels 1 to 9 are search depths of 2^9 to 2^17.
		z.high = &lz4.CompressorHC{Level: lz4.CompressionLevel(1 << (8 + min(max(z.level, 1), 9)))}
	}
	return z.high.CompressBlock(src, dst)
}

// reserve makes room for n bytes behind dst.
func reserve(dst []byte, n int) []byte {
	if cap(dst)-len(dst) >= n {
		return dst
	}
	grown := make([]byte, len(dst), max(len(dst)+n, cap(dst)+cap(dst)/4))
	copy(grown, dst)
	return grown
}

// appender is a writer to the end of a slice.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}
