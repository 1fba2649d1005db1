package filesource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
)

// New returns a Source over the files of cfg, which must be valid. Each file is
// a part of the input with a position of its own.
func New(cfg Config, env block.Env) connector.Source {
	s := &source{cfg: cfg, env: env, log: env.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

type source struct {
	cfg Config
	env block.Env
	log *slog.Logger
}

// Incremental implements connector.Incremental.
func (s *source) Incremental() bool { return s.cfg.Take == TakeNew }

// Run implements connector.Source. Files are read in the order of their names;
// a stream follows them.
func (s *source) Run(ctx context.Context, from connector.Start, out connector.Output) error {
	stored, err := readPlaces(from.Positions, !from.Stream && s.cfg.Take != TakeNew)
	if err != nil {
		return err
	}
	if from.Stream {
		return s.follow(ctx, stored, out)
	}
	files, err := s.files()
	if err != nil && len(files) == 0 {
		return err
	}
	r := &reading{source: s, stored: stored, out: out, progress: newProgress(files, s.env.Progress), taken: map[string]string{}}
	r.note(err)
	for _, file := range files {
		if ctx.Err() != nil {
			return nil
		}
		if err := r.readFile(ctx, file); err != nil {
			var bad *fileError
			if !errors.As(err, &bad) {
				return err
			}
			r.note(err)
		}
	}
	return r.failure()
}

// files returns what there is to read.
func (s *source) files() ([]string, error) {
	pattern := s.env.Path(s.cfg.Path)
	found, err := find(pattern)
	if err != nil {
		err = &fileError{fmt.Errorf("look for %s: %w", s.cfg.Path, err)}
	}
	if len(found) == 0 && err == nil && s.cfg.Take != TakeNew {
		err = connector.Errorf(connector.NotFound, "no file matches %s; looked for %s", s.cfg.Path, absolute(pattern))
	}
	return found, err
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// fileError is what is wrong with one file, or one folder: the others are read
// all the same, and the run fails at its end.
type fileError struct{ err error }

func (e *fileError) Error() string { return e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// reading is one run that ends.
type reading struct {
	source   *source
	stored   places
	out      connector.Output
	progress *progress
	taken    map[string]string // the name under which a part was read
	errs     []error
	bad      int
}

// namedErrors bounds how many files that could not be read are named.
const namedErrors = 10

func (r *reading) note(err error) {
	if err == nil {
		return
	}
	if r.bad++; r.bad <= namedErrors {
		r.errs = append(r.errs, err)
	}
	r.source.log.Error("a file could not be read to its end; the others are", "error", err)
}

// failure is the error of a run that left something unread.
func (r *reading) failure() error {
	if more := r.bad - len(r.errs); more > 0 {
		return fmt.Errorf("%w; and %d more files", errors.Join(r.errs...), more)
	}
	if len(r.errs) == 1 {
		return r.errs[0]
	}
	return errors.Join(r.errs...)
}

// readFile reads what there is of a file behind its place.
func (r *reading) readFile(ctx context.Context, name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return &fileError{fmt.Errorf("read %s: %s; looked for %s", name, reason(err), absolute(name))}
	}
	part := partOf(name, info)
	if other, twice := r.taken[part]; twice {
		r.source.log.Warn("two names of one file; it is read once", "file", name, "read_as", other)
		return nil
	}
	r.taken[part] = name
	start, was := r.stored.of(name, info)
	if start.ended(info) {
		r.progress.add(name, info.Size())
		return nil
	}
	f, err := r.source.open(name, start)
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.renamed(ctx, was, r.out); err != nil {
		return stopped(ctx, err)
	}
	f.progress = r.progress
	if err := f.read(ctx, r.out); err != nil || ctx.Err() != nil {
		return stopped(ctx, err)
	}
	return stopped(ctx, f.end(ctx, r.out, r.source.cfg.Take == TakeNew))
}
