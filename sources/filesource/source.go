package filesource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
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
	Pattern string `json:"pattern"` // the configured path: a place says nothing about other files
	File    string `json:"file"`
	Offset  int64  `json:"offset"`
	Line    int64  `json:"line"`
	// Tail is the checksum of the TailBytes bytes before Offset, so that a new
	// file under the old name starts anew. The file may have grown since.
	Tail      uint32   `json:"tail"`
	TailBytes int      `json:"tail_bytes"`
	Header    []string `json:"header,omitempty"`
	// Ended marks a run that came to the end of everything; only streams keep
	// such a place.
	Ended bool `json:"ended,omitempty"`
}

func (p *place) set(pos records.Position) {
	p.Offset, p.Line, p.Tail, p.TailBytes = pos.Offset, pos.Line, pos.Tail, pos.TailBytes
}

func (s *source) log() *slog.Logger {
	if s.env.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.env.Log
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
	s.env.End()
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
		files = []string{pattern} // a name with characters of a pattern
	}
	var found []string
	for _, name := range files {
		info, err := os.Stat(name)
		switch {
		case err == nil && !info.IsDir():
			found = append(found, name)
		case err == nil && name == pattern:
			return nil, connector.Errorf(connector.Invalid, "read %s: %s", s.cfg.Path, aFolder)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("read %s: %w", s.cfg.Path, err)
		}
	}
	if len(found) == 0 {
		return nil, connector.Errorf(connector.NotFound, "no file matches %s", s.cfg.Path)
	}
	sort.Strings(found)
	return found, nil
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
	if p.Ended && !s.env.Stream || p.Pattern != s.cfg.Path {
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

func (r *reading) readFile(i int, start place, out connector.Publisher) error {
	cfg := r.source.cfg.Config
	if start.Header == nil && cfg.Format == records.CSV && cfg.Header {
		start = place{} // the rows need their header
	}
	in, err := r.openAt(i, &start)
	if err != nil {
		return err
	}
	defer in.close()
	file := r.files[i]
	r.places[i] = place{Pattern: r.source.cfg.Path, File: file, Header: start.Header}
	return cfg.Publish(r.tracker, records.Stream{
		Name: file, Src: in, Fill: true, Header: start.Header,
		Start: records.Position{Input: i, Offset: start.Offset, Line: start.Line, Tail: start.Tail, TailBytes: start.TailBytes},
		Named: func(columns []string) { r.places[i].Header = columns },
		Read:  func(int64) { r.progress.add(file, in.stored.n.Load()) },
	}, out)
}

// openAt opens a file at start, or at its beginning when it is not the one
// that start was in; start is cleared then.
func (r *reading) openAt(i int, start *place) (*input, error) {
	in, err := openInput(r.files[i], r.source.cfg.compressionOf(r.files[i]))
	if err != nil || start.Offset == 0 {
		return in, err
	}
	same, err := in.skip(start)
	if err == nil && same {
		return in, nil
	}
	in.close()
	if err != nil {
		return nil, fmt.Errorf("%s: go to byte %d: %w", r.files[i], start.Offset, err)
	}
	r.source.log().Warn("the file is not the one that the last run stopped in; it is read from its beginning", "file", r.files[i])
	*start = place{}
	return openInput(r.files[i], r.source.cfg.compressionOf(r.files[i]))
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
	p.set(pos)
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
	if !r.source.env.Stream {
		return r.source.env.Checkpoint.Save(context.Background(), nil)
	}
	pos, ok := r.tracker.Position()
	if !ok {
		return nil
	}
	p := r.places[pos.Input]
	p.set(pos)
	p.Ended = true
	return r.store(p)
}
