package filesource

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/headrace/headrace/connector/plugin"
)

// identityBytes of a file's beginning tell it from another of the same name.
const identityBytes = 1024

// identify returns the checksum of the file's beginning and whether the file
// still begins as the one that had the identity known; it may have grown since.
// It goes back to the beginning.
func identify(f *os.File, known string) (identity string, same bool, err error) {
	head := make([]byte, identityBytes)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", false, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", false, fmt.Errorf("%s: only files can be read here, not pipes; use stdin: %w", f.Name(), err)
	}
	var before int
	if _, err := fmt.Sscanf(known, "%d-", &before); err == nil && before <= n {
		same = known == checksum(head[:before])
	}
	return checksum(head[:n]), same, nil
}

func checksum(head []byte) string {
	return fmt.Sprintf("%d-%08x", len(head), crc32.ChecksumIEEE(head))
}

func decompress(src io.Reader, compression string) (io.Reader, func(), error) {
	switch compression {
	case "gzip":
		r, err := gzip.NewReader(src)
		if err != nil {
			return nil, nil, fmt.Errorf("not gzip: %w", err)
		}
		return r, func() { _ = r.Close() }, nil
	case "zstd":
		r, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, nil, fmt.Errorf("not zstd: %w", err)
		}
		return r, r.Close, nil
	default:
		return src, func() {}, nil
	}
}

// countingReader counts what was read of a file as stored.
type countingReader struct {
	src io.Reader
	n   atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// progress adds up what was read of all files and tells it now and then.
type progress struct {
	tell   func(plugin.Progress)
	total  int64
	sizes  map[string]int64
	before int64
	file   string
	last   time.Time
}

func newProgress(files []string, tell func(plugin.Progress)) *progress {
	p := &progress{tell: tell, sizes: map[string]int64{}}
	if tell == nil {
		return p
	}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			p.sizes[f] = info.Size()
			p.total += info.Size()
		}
	}
	return p
}

func (p *progress) add(file string, done int64) {
	if p.tell == nil {
		return
	}
	if file != p.file {
		p.before += p.sizes[p.file]
		p.file = file
	} else if time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last = time.Now()
	p.tell(plugin.Progress{Done: p.before + done, Total: p.total})
}
