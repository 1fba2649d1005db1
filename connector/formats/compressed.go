package formats

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/headrace/headrace/connector"
)

// The compressions that are read.
const (
	None  = "none"
	Gzip  = "gzip"
	Zstd  = "zstd"
	Bzip2 = "bzip2"
)

// maxWindow is what zstd needs to look back: that of its --long=27.
const maxWindow = 128 << 20

// magics are how compressed content begins.
var magics = []struct{ compression, begin string }{
	{Gzip, "\x1f\x8b\x08"}, {Zstd, "\x28\xb5\x2f\xfd"}, {Bzip2, "BZh"},
}

// MagicBytes is how much of a content Compression needs to see.
const MagicBytes = 4

// Compression tells by its first bytes what a content is compressed with; None
// when it is not.
func Compression(begin []byte) string {
	for _, m := range magics {
		if bytes.HasPrefix(begin, []byte(m.begin)) {
			return m.compression
		}
	}
	return None
}

// undecided reports that more bytes could make begin a magic.
func undecided(begin []byte) bool {
	for _, m := range magics {
		if len(begin) < len(m.begin) && bytes.HasPrefix([]byte(m.begin), begin) {
			return true
		}
	}
	return false
}

// Decompress returns a reader of what src holds. A content without a byte is
// empty, whatever it is compressed with. release frees what the reader holds.
func Decompress(src io.Reader, compression string) (r io.Reader, release func(), err error) {
	release = func() {}
	if compression == None {
		return src, release, nil
	}
	in := bufio.NewReader(src)
	if _, err := in.Peek(1); err == io.EOF {
		return in, release, nil
	}
	switch compression {
	case Gzip:
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, nil, connector.Errorf(connector.Invalid, "not gzip, or cut off: %w", err)
		}
		z.Multistream(false)
		return &gzipReader{in: in, z: z}, func() { _ = z.Close() }, nil
	case Zstd:
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*maxWindow), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, connector.Errorf(connector.Invalid, "not zstd: %w", err)
		}
		return z, z.Close, nil
	default:
		return bzip2.NewReader(in), release, nil
	}
}

// gzipReader reads members one behind the other. Zeros behind the last are the
// padding of a tape or a block device.
type gzipReader struct {
	in *bufio.Reader
	z  *gzip.Reader
}

func (g *gzipReader) Read(p []byte) (int, error) {
	for {
		n, err := g.z.Read(p)
		if err != io.EOF {
			return n, err
		}
		if n > 0 {
			return n, nil
		}
		if err := g.next(); err != nil {
			return 0, err
		}
	}
}

func (g *gzipReader) next() error {
	padded := false
	for {
		b, err := g.in.ReadByte()
		switch {
		case err != nil:
			return err
		case b == 0:
			padded = true
			continue
		case padded:
			return connector.Errorf(connector.Invalid, "something follows the zeros behind the gzip content")
		}
		if err := g.in.UnreadByte(); err != nil {
			return err
		}
		break
	}
	begin, _ := g.in.Peek(len(magics[0].begin))
	if !strings.HasPrefix(magics[0].begin, string(begin)) {
		return connector.Errorf(connector.Invalid, "something that is not gzip follows the gzip content")
	}
	if err := g.z.Reset(g.in); err != nil {
		return io.ErrUnexpectedEOF
	}
	g.z.Multistream(false)
	return nil
}

// opening looks at the first bytes of a stream and reads it decompressed and in
// UTF-8. It waits for no more bytes than it needs.
type opening struct {
	cfg     *Config
	src     io.Reader
	r       io.Reader
	release func()
}

func (o *opening) Read(p []byte) (int, error) {
	if o.r == nil {
		if err := o.open(); err != nil {
			return 0, err
		}
	}
	return o.r.Read(p)
}

func (o *opening) open() error {
	first := make([]byte, 4<<10)
	begin := first[:0]
	var err error
	for err == nil && undecided(begin) {
		var n int
		n, err = o.src.Read(first[len(begin):])
		begin = first[:len(begin)+n]
	}
	if err != nil && err != io.EOF {
		return err
	}
	src := io.MultiReader(bytes.NewReader(begin), o.src)
	if err == io.EOF {
		src = bytes.NewReader(begin)
	}
	r, release, err := Decompress(src, Compression(begin))
	if err != nil {
		return err
	}
	o.r, o.release = o.cfg.Decoded(r), release
	return nil
}

func (o *opening) close() {
	if o.release != nil {
		o.release()
	}
}
