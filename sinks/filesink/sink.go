package filesink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/line"
	"github.com/headrace/headrace/connector/plugin"
)

// PartialSuffix ends the name of the file while it is written.
const PartialSuffix = ".partial"

// Sink writes to one file. Records are acknowledged when the operating system
// has them, so nothing is lost when the process is killed: what it wrote stays
// in the partial file, and the next run, which starts at the source's
// checkpoint, goes on there. Write may be called concurrently.
type Sink struct {
	cfg     Config
	path    string // the name at the end
	written string // the name until then

	mu        sync.Mutex
	file      *os.File
	size      int64 // of the whole lines in it
	batch     line.Batch
	broken    error // why nothing more can be written
	failed    error // the first write that failed
	abandoned bool
	closed    bool
}

// New opens the file, or its partial form, making its folder if need be. What
// a stream writes has no end at which the file would be complete, and its next
// start goes on where this one stopped: it adds to the file.
func New(cfg Config, env plugin.Env) (connector.Sink, error) {
	cfg.Append = cfg.Append || env.Stream
	s := &Sink{cfg: cfg, path: env.Path(cfg.Path)}
	s.written = s.path
	if !cfg.Append {
		s.written += PartialSuffix
	}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open the file %s to write: %w", cfg.Path, err)
	}
	return s, nil
}

func (s *Sink) open() (err error) {
	if err = os.MkdirAll(filepath.Dir(s.path), 0o755); err != nil {
		return err
	}
	if info, err := os.Stat(s.path); err == nil && !info.Mode().IsRegular() {
		return errors.New("it is not a regular file; use the stdout exporter")
	}
	if s.file, err = os.OpenFile(s.written, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return err
	}
	if err = s.seekEnd(); err != nil {
		return errors.Join(err, s.file.Close())
	}
	return nil
}

// seekEnd goes behind the last whole line. A line that a kill cut off was not
// acknowledged; in a partial file, which is ours alone, it is dropped.
func (s *Sink) seekEnd() error {
	end, err := s.file.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return err
	}
	whole, err := lastLineEnd(s.file, end)
	switch {
	case err != nil:
		return err
	case whole == end:
		s.size = end
		return nil
	case s.cfg.Append:
		n, err := s.file.Write([]byte("\n"))
		s.size = end + int64(n)
		return err
	}
	s.size = whole
	return s.back()
}

// lastLineEnd returns the place behind the last line end before end.
func lastLineEnd(f io.ReaderAt, end int64) (int64, error) {
	block := make([]byte, 64<<10)
	for end > 0 {
		n := min(int64(len(block)), end)
		if _, err := f.ReadAt(block[:n], end-n); err != nil && err != io.EOF {
			return 0, err
		}
		if i := bytes.LastIndexByte(block[:n], '\n'); i >= 0 {
			return end - n + int64(i) + 1, nil
		}
		end -= n
	}
	return 0, nil
}

// back drops what stands behind the last whole line.
func (s *Sink) back() error {
	if err := s.file.Truncate(s.size); err != nil {
		return err
	}
	_, err := s.file.Seek(s.size, io.SeekStart)
	return err
}

// Write appends the batch with one call to the operating system. A record
// that the format cannot hold is refused alone, as Invalid.
func (s *Sink) Write(ctx context.Context, batch []*connector.Message, done func([]connector.Result)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done(s.batch.Write(s.cfg.Format, batch, func(text []byte) error { return s.append(ctx, text) }))
}

// append writes text whole or not at all.
func (s *Sink) append(ctx context.Context, text []byte) error {
	switch {
	case s.closed:
		return connector.Errorf(connector.Unavailable, "write to %s: the file is closed", s.cfg.Path)
	case s.broken != nil:
		return s.broken
	case ctx.Err() != nil:
		return connector.Errorf(connector.Unavailable, "write to %s: %w", s.cfg.Path, ctx.Err())
	}
	n, err := s.file.Write(text)
	if err == nil && s.cfg.Sync {
		err = s.file.Sync()
	}
	if err == nil {
		s.size += int64(n)
		return nil
	}
	err = connector.Errorf(connector.Unavailable, "write to %s: %w", s.cfg.Path, err)
	s.failed = err
	if back := s.back(); back != nil {
		s.broken = fmt.Errorf("%w; nor can it be put back to its last whole line: %w", err, back)
	}
	return err
}

// Abandon makes Close leave the partial file for the next run; see
// plugin.Abandoner.
func (s *Sink) Abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abandoned = true
}

// Close syncs the file and gives it its name, unless the run was abandoned or
// a write failed.
func (s *Sink) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	err := s.file.Sync()
	if cerr := s.file.Close(); err == nil {
		err = cerr
	}
	switch {
	case err != nil:
		return fmt.Errorf("finish %s: %w", s.cfg.Path, err)
	case s.cfg.Append || s.abandoned:
		return nil
	case s.failed != nil:
		return fmt.Errorf("%s is not complete and stays %s: %w", s.cfg.Path, filepath.Base(s.written), s.failed)
	}
	if err := os.Rename(s.written, s.path); err != nil {
		return fmt.Errorf("finish %s: %w", s.cfg.Path, err)
	}
	syncDir(filepath.Dir(s.path))
	return nil
}

// syncDir makes the new name durable where folders can be synced; elsewhere
// the file itself is safe and only its name could be the old one.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
