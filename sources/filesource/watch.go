package filesource

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/fsnotify/fsnotify"
)

// maxWatched bounds the folders that the system is asked to watch; changes in
// others are found by looking.
const maxWatched = 512

// quiet is the least time between two looks: a writer of many small lines makes
// many events.
const quiet = 20 * time.Millisecond

// watch tells when it may be worth looking again.
type watch struct {
	log     *slog.Logger
	watcher *fsnotify.Watcher // nil: the system does not tell
	folders map[string]bool
}

func newWatch(log *slog.Logger) *watch {
	w := &watch{log: log, folders: map[string]bool{}}
	var err error
	if w.watcher, err = fsnotify.NewWatcher(); err != nil {
		log.Debug("the system does not tell of changes; files are looked at now and then", "error", err)
	}
	return w
}

func (w *watch) close() {
	if w.watcher != nil {
		_ = w.watcher.Close()
	}
}

// pattern watches the folder in which the search begins.
func (w *watch) pattern(pattern string) {
	if !strings.ContainsAny(pattern, meta) {
		w.folderOf(pattern)
		return
	}
	base, _ := doublestar.SplitPattern(filepath.ToSlash(pattern))
	w.folder(filepath.FromSlash(base))
}

func (w *watch) folderOf(name string) { w.folder(filepath.Dir(name)) }

// folder watches a folder. One that was removed, and made again, is watched
// again: the system forgets it, and so does the map when it says so.
func (w *watch) folder(dir string) {
	if w.watcher == nil || w.folders[dir] || len(w.folders) >= maxWatched {
		return
	}
	if err := w.watcher.Add(dir); err == nil {
		w.folders[dir] = true
	}
}

// wait returns when something may have changed; false when ctx ended. took is
// how long the last look was: looking takes no more than a tenth of the time.
func (w *watch) wait(ctx context.Context, took time.Duration) bool {
	rest := time.NewTimer(max(quiet, took))
	defer rest.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-rest.C:
	}
	poll := time.NewTimer(max(pollEvery, 10*took))
	defer poll.Stop()
	var events chan fsnotify.Event
	var errs chan error
	if w.watcher != nil {
		events, errs = w.watcher.Events, w.watcher.Errors
	}
	select {
	case <-ctx.Done():
		return false
	case <-poll.C:
	case e := <-events:
		w.take(e)
		w.drain()
	case <-errs: // an overflow, most likely: something changed
	}
	return true
}

func (w *watch) take(e fsnotify.Event) {
	if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
		delete(w.folders, e.Name)
	}
}

// drain takes the events that came meanwhile: one look serves them all.
func (w *watch) drain() {
	for {
		select {
		case e := <-w.watcher.Events:
			w.take(e)
		default:
			return
		}
	}
}
