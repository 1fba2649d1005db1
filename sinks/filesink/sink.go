package filesink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/formats/lines"
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
	private bool   // for the eyes of its owner alone

	mu        sync.Mutex
	file      *os.File
	size      int64 // of the whole lines in it
	batch     lines.Batch
	broken    error // why nothing more can be written
	failed    error // the first write that failed
	abandoned bool
	closed    bool
}

// New opens the file, or its partial form, making its folder if need be. What
// a stream writes has no end at which the file would be complete, and its next
// start goes on where this one stopped: it adds to the file.
func New(cfg Config, env block.Env) (connector.Sink, error) {
	return newSink(&Sink{cfg: cfg}, env)
}

// NewPrivate is New for a file that nobody but its owner may read, nor look into
// a folder that is made for it. One that is there and is open to others is
// warned about.
func NewPrivate(cfg Config, env block.Env) (connector.Sink, error) {
	return newSink(&Sink{cfg: cfg, private: true}, env)
}

func newSink(s *Sink, env block.Env) (connector.Sink, error) {
	s.cfg.Append = s.cfg.Append || env.Stream
	s.path = env.Path(s.cfg.Path)
	s.written = s.path
	if !s.cfg.Append {
		s.written += PartialSuffix
	}
	if err := s.open(env.Log); err != nil {
		return nil, fmt.Errorf("open the file %s to write: %w", s.cfg.Path, err)
	}
	return s, nil
}

func (s *Sink) open(log *slog.Logger) (err error) {
	folderMode, fileMode, flags := fs.FileMode(0o755), fs.FileMode(0o644), os.O_RDWR|os.O_CREATE
	if s.private {
		folderMode, fileMode = 0o700, 0o600
	}
	if s.cfg.Append {
		flags |= os.O_APPEND // another process may add to it, too
	}
	if err = os.MkdirAll(filepath.Dir(s.path), folderMode); err != nil {
		return err
	}
	if info, err := os.Stat(s.path); err == nil && !info.Mode().IsRegular() {
		return errors.New("it is not a regular file; use the stdout exporter")
	}
	if s.file, err = os.OpenFile(s.written, flags, fileMode); err != nil {
		return err
	}
	s.warnIfWide(log)
	if err = s.seekEnd(); err != nil {
		return errors.Join(err, s.file.Close())
	}
	return nil
}

// warnIfWide tells when others may read what is private.
func (s *Sink) warnIfWide(log *slog.Logger) {
	info, err := s.file.Stat()
	if !s.private || log == nil || err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return
	}
	log.Warn("others can read this file, which holds records; chmod 600 it", "file", s.written, "mode", fmt.Sprintf("%04o", info.Mode().Perm()))
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
	return s.back(nil)
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

// back drops what stands behind the last whole line: all of torn that was
// written.
func (s *Sink) back(torn []byte) error {
	if s.cfg.Append {
		return s.backShared(torn)
	}
	if err := s.file.Truncate(s.size); err != nil {
		return err
	}
	_, err := s.file.Seek(s.size, io.SeekStart)
	return err
}

// backShared takes torn from the end of a file that others may write to. Where
// one has done so meanwhile, its line is ended instead.
func (s *Sink) backShared(torn []byte) error {
	if len(torn) == 0 {
		return nil
	}
	end, err := s.file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	tail, at := make([]byte, len(torn)), end-int64(len(torn))
	if _, err := s.file.ReadAt(tail, max(at, 0)); err == nil && bytes.Equal(tail, torn) {
		return s.file.Truncate(at)
	}
	_, err = s.file.Write([]byte("\n"))
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
	if back := s.back(text[:n]); back != nil {
		s.broken = fmt.Errorf("%w; nor can it be put back to its last whole line: %w", err, back)
	}
	return err
}

// Abandon makes Close leave the partial file for the next run; see
// connector.Abandoner.
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
