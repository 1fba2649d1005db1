package filesource

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/headrace/headrace/connector"
)

// The limits of a stream over files.
const (
	pollEvery = 500 * time.Millisecond // where nobody tells of changes; longer when looking takes long
	maxOpen   = 128                    // files kept open; others are opened when they change
)

// follow reads what is added to the files of the pattern, and new files, until
// ctx ends.
func (s *source) follow(ctx context.Context, stored places, out connector.Output) error {
	f := &follower{source: s, stored: stored, out: out, tails: map[string]*tail{}}
	defer f.close()
	w := newWatch(s.log)
	defer w.close()
	for ctx.Err() == nil {
		begun := time.Now()
		if err := f.scan(ctx, w); err != nil {
			return err
		}
		if !w.wait(ctx, time.Since(begun)) {
			break
		}
	}
	return nil
}

// follower knows every file that was read.
type follower struct {
	source *source
	stored places
	out    connector.Output
	tails  map[string]*tail // by part
	open   int
	round  int64
	told   string // the last error of looking for files
}

// scan looks once at everything.
func (f *follower) scan(ctx context.Context, w *watch) error {
	f.round++
	names, err := find(f.source.env.Path(f.source.cfg.Path))
	f.tell(err, len(names))
	w.pattern(f.source.env.Path(f.source.cfg.Path))
	for _, name := range names {
		if ctx.Err() != nil {
			return nil
		}
		info, err := os.Stat(name)
		if err != nil || info.IsDir() {
			continue // it has gone since, or is told by the search
		}
		w.folderOf(name)
		t := f.tail(name, info)
		if t.round == f.round {
			continue // another name of the same file
		}
		t.round, t.outside = f.round, false
		if t.name != name {
			f.source.log.Info("a file that is followed has another name now", "file", t.name, "now", name)
			t.rename(name)
		}
		if err := f.look(ctx, t, info.Size(), info.ModTime().UnixNano()); err != nil {
			return err
		}
	}
	if f.round == 1 {
		f.adopt()
	}
	return f.others(ctx)
}

// tell logs what hinders the search, once until it changes.
func (f *follower) tell(err error, found int) {
	text := ""
	switch {
	case err != nil:
		text = err.Error()
	case found == 0:
		text = "no file matches"
	}
	if text == f.told {
		return
	}
	f.told = text
	switch {
	case err != nil:
		f.source.log.Error("looking for files", "path", f.source.cfg.Path, "error", err)
	case text != "":
		f.source.log.Warn("no file matches yet; waiting for one", "path", f.source.cfg.Path)
	}
}

// tail returns what is known of a file.
func (f *follower) tail(name string, info os.FileInfo) *tail {
	part := partOf(name, info)
	if t := f.tails[part]; t != nil {
		return t
	}
	at, was := f.stored.of(name, info)
	t := &tail{name: name, part: part, at: at, was: was}
	if at.ended(info) {
		t.size, t.changed = at.Size, at.Changed
	}
	f.tails[part] = t
	delete(f.stored.byPart, was)
	return t
}

// adopt takes over files that were read before and that the pattern does not
// name any more: one that was renamed may not have been read to its end.
func (f *follower) adopt() {
	for part, at := range f.stored.byPart {
		f.tails[part] = &tail{name: at.File, part: part, at: at, outside: true}
	}
	f.stored = places{}
}

// others looks at files that the pattern does not name.
func (f *follower) others(ctx context.Context) error {
	for part, t := range f.tails {
		if t.round == f.round {
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		size, changed, state := t.outsider()
		switch {
		case state == unknown:
		case state == gone && t.file == nil:
			f.source.log.Info("a file that was followed has gone", "file", t.name)
			delete(f.tails, part)
			if err := f.out.Publish(ctx, connector.Batch{After: connector.Position{Part: part}}); err != nil {
				return stopped(ctx, err)
			}
		default:
			if err := f.look(ctx, t, size, changed); err != nil {
				return err
			}
			if state == gone && t.file != nil {
				if err := f.last(ctx, t); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// last takes the unfinished last line of a file that was removed: its end does
// not come any more.
func (f *follower) last(ctx context.Context, t *tail) error {
	err := t.file.reader.Finish(ctx, f.out)
	f.shut(t)
	return stopped(ctx, err)
}

// look reads a file if it changed.
func (f *follower) look(ctx context.Context, t *tail, size, changed int64) error {
	if t.size == size && t.changed == changed {
		return nil
	}
	t.size, t.changed = size, changed
	err := f.read(ctx, t)
	var bad *fileError
	if errors.As(err, &bad) {
		f.source.log.Error("a file cannot be read; it is tried again when it changes", "file", t.name, "error", err)
		f.shut(t)
		return nil
	}
	return stopped(ctx, err)
}

func (f *follower) read(ctx context.Context, t *tail) error {
	if t.file != nil {
		if why := t.file.replaced(); why != "" {
			f.source.log.Warn("the content of a file is another one; it is read from its beginning", "file", t.name, "because", why,
				"read_before", t.file.reader.Position().Offset, "not_finished", t.file.reader.Waiting())
			f.shut(t)
			t.at = place{}
		}
	}
	if t.file == nil {
		file, err := f.source.openToFollow(t.name, t.at)
		if err != nil {
			return err
		}
		t.file = file
		f.open++
		if err := file.renamed(ctx, t.was, f.out); err != nil {
			return err
		}
		t.was = ""
	}
	if err := t.file.read(ctx, f.out); err != nil || ctx.Err() != nil {
		return err
	}
	info, err := t.file.in.file.Stat()
	if err != nil {
		return &fileError{err}
	}
	if t.file.reader.Waiting() == 0 {
		if err := t.file.ended(ctx, f.out, info); err != nil {
			return err
		}
	}
	t.file.reader.Rest()
	if f.open > maxOpen || t.file.in.packed {
		f.shut(t)
	}
	return nil
}

// shut closes a file; it goes on behind its last whole record when it changes.
func (f *follower) shut(t *tail) {
	if t.file == nil {
		return
	}
	t.at = t.file.at
	t.at.Position = t.file.reader.Position()
	t.file.close()
	t.file = nil
	f.open--
}

func (f *follower) close() {
	for _, t := range f.tails {
		f.shut(t)
	}
}

// stopped leaves out an error that only says that the run ended.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
