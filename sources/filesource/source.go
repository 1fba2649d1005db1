package filesource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/plugin"
	"github.com/headrace/headrace/connector/records"
)

// saveEvery is how often the position is stored while a file is read: what a
// crash makes come again is at most this much, and what is in flight.
const saveEvery = 200 * time.Millisecond

// New returns a Source over the files of cfg, which must be valid.
func New(cfg Config, env plugin.Env) connector.Source { return &source{cfg: cfg, env: env} }

type source struct {
	cfg Config
	env plugin.Env
}

// place is the stored form of a position.
type place struct {
	File     string   `json:"file"`
	Identity string   `json:"identity"` // of the file, so that a new one under the old name starts anew
	Offset   int64    `json:"offset"`
	Line     int64    `json:"line"`
	Header   []string `json:"header,omitempty"`
	// Ended marks a run that came to the end of everything; only streams keep
	// such a place.
	Ended bool `json:"ended,omitempty"`
}

// Run implements connector.Source. Files are read in the order of their names.
func (s *source) Run(ctx context.Context, out connector.Publisher) error {
	files, err := s.files()
	if err != nil {
		return err
	}
	from, err := s.load(ctx)
	if err != nil {
		return err
	}
	r := &reading{source: s, files: files, places: make([]place, len(files)), tracker: records.NewTracker(ctx), progress: newProgress(files, s.env.Progress)}
	saved := make(chan error, 1)
	stop := make(chan struct{})
	go func() { saved <- r.keepSaving(stop) }()
	err = r.readAll(from, out)
	err = errors.Join(err, r.tracker.Wait())
	close(stop)
	if serr := <-saved; serr != nil {
		return errors.Join(err, serr)
	}
	if err == nil && ctx.Err() == nil {
		err = r.finish()
	}
	return err
}

func (s *source) files() ([]string, error) {
	pattern := s.env.Path(s.cfg.Path)
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "path %s: %w", s.cfg.Path, err)
	}
	if len(files) == 0 {
		if _, err := os.Stat(pattern); err == nil {
			return []string{pattern}, nil // a name with characters of a pattern
		}
		return nil, connector.Errorf(connector.NotFound, "no file matches %s", s.cfg.Path)
	}
	sort.Strings(files)
	return files, nil
}

// load returns the stored place; its File is "" to start at the beginning.
func (s *source) load(ctx context.Context) (place, error) {
	var p place
	if s.env.Checkpoint == nil {
		return p, nil
	}
	text, err := s.env.Checkpoint.Load(ctx)
	if err != nil || text == nil {
		return p, err
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return place{}, fmt.Errorf("the stored position cannot be read: %w", err)
	}
	if p.Ended && !s.env.KeepPosition {
		return place{}, nil
	}
	return p, nil
}

// reading is one Run.
type reading struct {
	source   *source
	files    []string
	places   []place // of each file; set before the first record of it is published
	tracker  *records.Tracker
	progress *progress
	last     records.Position // that was saved
}

func (r *reading) readAll(from place, out connector.Publisher) error {
	for i, file := range r.files {
		if r.tracker.Context().Err() != nil {
			return nil
		}
		if from.File != "" && file < from.File {
			continue
		}
		start := place{}
		if file == from.File {
			start = from
		}
		if err := r.readFile(i, start, out); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) readFile(i int, start place, out connector.Publisher) (err error) {
	file := r.files[i]
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer f.Close()
	identity, same, err := identify(f, start.Identity)
	if err != nil {
		return err
	}
	if !same {
		start = place{}
	}
	r.places[i] = place{File: file, Identity: identity, Header: start.Header}
	counted := &countingReader{src: f}
	src, closeSrc, err := decompress(counted, r.source.cfg.compressionOf(file))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	defer closeSrc()
	header := start.Header
	if r.source.cfg.Format == records.CSV && r.source.cfg.Header && start.Offset > 0 && header == nil {
		start = place{} // a place from before the header was kept
	}
	if err := skip(f, src, counted, start.Offset, r.source.cfg.compressionOf(file)); err != nil {
		return fmt.Errorf("%s: go to byte %d: %w", file, start.Offset, err)
	}
	cfg := r.source.cfg.Config
	return cfg.Publish(r.tracker, records.Stream{
		Name: file, Src: src, Header: header,
		Start: records.Position{Input: i, Offset: start.Offset, Line: start.Line},
		Named: func(columns []string) { r.places[i].Header = columns },
		Read:  func(int64) { r.progress.add(file, counted.n.Load()) },
	}, out)
}

// keepSaving stores the position while records are acknowledged, and once more
// at the end.
func (r *reading) keepSaving(stop <-chan struct{}) error {
	if r.source.env.Checkpoint == nil {
		<-stop
		return nil
	}
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := r.save(); err != nil {
				return err
			}
		case <-stop:
			return r.save()
		}
	}
}

func (r *reading) save() error {
	pos, ok := r.tracker.Position()
	if !ok || pos == r.last {
		return nil
	}
	p := r.places[pos.Input]
	p.Offset, p.Line = pos.Offset, pos.Line
	if err := r.store(p); err != nil {
		return err
	}
	r.last = pos
	return nil
}

func (r *reading) store(p place) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return r.source.env.Checkpoint.Save(context.Background(), text)
}

// finish clears the position of a run that read everything; a stream keeps it.
func (r *reading) finish() error {
	if r.source.env.Checkpoint == nil {
		return nil
	}
	if !r.source.env.KeepPosition {
		return r.source.env.Checkpoint.Save(context.Background(), nil)
	}
	pos, ok := r.tracker.Position()
	if !ok {
		return nil
	}
	p := r.places[pos.Input]
	p.Offset, p.Line, p.Ended = pos.Offset, pos.Line, true
	return r.store(p)
}

// skip moves src to offset: by seeking in a plain file, by reading in a
// compressed one.
func skip(f *os.File, src io.Reader, counted *countingReader, offset int64, compression string) error {
	if offset == 0 {
		return nil
	}
	if compression == "none" {
		counted.n.Store(offset)
		_, err := f.Seek(offset, io.SeekStart)
		return err
	}
	_, err := io.CopyN(io.Discard, src, offset)
	return err
}
