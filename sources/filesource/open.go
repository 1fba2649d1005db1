package filesource

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/formats"
)

// input is a file that is read, decompressed.
type input struct {
	io.Reader
	file    *os.File
	info    os.FileInfo // when it was opened
	stored  *countingReader
	packed  bool   // what is read is not what is stored: it is compressed, or in another encoding
	release func() // what the decompression holds
}

func (c *Config) openInput(name string) (*input, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %s; looked for %s", name, reason(err), absolute(name))
	}
	if info.IsDir() {
		return nil, connector.Errorf(connector.Invalid, "read %s: %s", name, aFolder)
	}
	if !info.Mode().IsRegular() {
		return nil, connector.Errorf(connector.Invalid, "open %s: %s", name, notAsFile)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %s", name, reason(err))
	}
	if info, err = f.Stat(); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	in := &input{file: f, info: info, stored: &countingReader{src: f}, packed: c.packed(name)}
	if in.Reader, in.release, err = formats.Decompress(in.stored, c.compressionOf(name)); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in.Reader = c.Decoded(in.Reader)
	return in, nil
}

func (in *input) close() {
	in.release()
	_ = in.file.Close()
}

// skip moves to a stored place: by seeking in a plain file, by reading in a
// compressed one. It reports whether the bytes before the place are those that
// were there when it was stored.
func (in *input) skip(p formats.Position) (same bool, err error) {
	before := p.TailEnd - int64(p.TailBytes)
	if before < 0 || p.TailBytes < 0 || p.TailBytes > 1<<20 || p.Offset < p.TailEnd {
		return false, nil
	}
	if !in.packed {
		in.stored.n.Store(before)
		_, err = in.file.Seek(before, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, in, before)
	}
	tail := make([]byte, p.TailBytes)
	if err == nil {
		_, err = io.ReadFull(in, tail)
	}
	if err == nil {
		_, err = io.CopyN(io.Discard, in, p.Offset-p.TailEnd)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && !in.packed {
		return false, nil // it is shorter now
	}
	return formats.Checksum(tail) == p.Tail, err
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
	tell   func(block.Progress)
	total  int64
	sizes  map[string]int64
	before int64
	file   string
	last   time.Time
}

func newProgress(files []string, tell func(block.Progress)) *progress {
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
	p.tell(block.Progress{Done: p.before + done, Total: p.total})
}
