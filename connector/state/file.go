package state

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// FileName is the name of the state's file in its folder.
const FileName = "state.db"

// lockWait is how long a File waits for another process to let go.
const lockWait = time.Second

// File is a Store in one bbolt file of a folder. It opens the file when
// something is first asked of it, and holds it until it is closed. A file that
// is damaged, removed or cut, also while it is in use, is an error of what
// needs it and never the end of the process.
type File struct {
	dir, path string
	log       *slog.Logger

	wait time.Duration // for another process to let go

	mu      sync.Mutex // one transaction at a time: a broken one must not leave others waiting
	db      *bbolt.DB  // nil until it is needed
	file    *os.File   // what db reads and writes
	size    int64      // that the file must have at least
	changed bool       // since the copy was made
	broken  error      // why it is of no use any more
	closed  bool
}

// New returns the state in dir, which is not looked at yet. log is told what
// the user should know; nil tells nobody.
func New(dir string, log *slog.Logger) *File {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &File{dir: dir, path: filepath.Join(dir, FileName), log: log, wait: lockWait}
}

// Open is New and Open in one call.
func Open(dir string) (*File, error) {
	f := New(dir, nil)
	if err := f.Open(); err != nil {
		return nil, err
	}
	return f, nil
}

// DoNotWait makes a state that another process holds an error at once. Call it
// before the first use.
func (f *File) DoNotWait() { f.wait = time.Nanosecond } // bbolt takes 0 for ever

// Dir is the state folder.
func (f *File) Dir() string { return f.dir }

// Open opens the state now, making it if need be. It fails when another
// process holds it or when it is damaged.
func (f *File) Open() error {
	return f.view("open", func(*bbolt.Tx) error { return nil })
}

// Close implements Store. After a clean stop a copy of the file stands beside
// it.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.db == nil {
		f.closed = true
		return nil
	}
	f.closed = true
	if f.broken == nil {
		f.broken = f.gone()
	}
	if f.broken != nil {
		err := f.letGo()
		return fmt.Errorf("close the state %s: %w%s", f.path, err, f.waysOn(err))
	}
	if err := f.keepCopy(); err != nil {
		f.log.Warn("the copy of the state could not be made", "file", f.path, "error", err)
	}
	err := f.db.Close()
	f.db = nil
	if err != nil {
		err = fmt.Errorf("close the state %s: %w", f.path, err)
	}
	return err
}

// letGo gives up a broken file. Its memory stays mapped: bbolt's own locks may
// be held for ever, so Close of it is not called.
func (f *File) letGo() error {
	unlock(f.file)
	_ = f.file.Close()
	f.db = nil
	return f.broken
}

func (f *File) view(what string, read func(*bbolt.Tx) error) error {
	return f.do(what, func() error { return f.db.View(read) })
}

func (f *File) update(what string, change func(*bbolt.Tx) error) error {
	return f.do(what, func() error {
		if err := f.db.Update(change); err != nil {
			return err
		}
		f.changed = true
		return f.measure()
	})
}

// do runs one transaction. Faults of the mapped file and bbolt's assertions
// become errors here.
func (f *File) do(what string, transact func() error) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s the state %s: %w%s", what, f.path, err, f.waysOn(err))
		}
	}()
	if f.closed {
		return errors.New("it is closed")
	}
	defer func() {
		if Damaged(err) {
			f.broken = err
		}
	}()
	if f.db == nil && f.broken == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	if f.broken == nil {
		f.broken = f.gone()
	}
	if f.broken != nil {
		return f.broken
	}
	return guarded(transact)
}

// guarded turns panics and faults of memory into a *Damaged.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: a page of it cannot be read", errDamaged)
		}
	}()
	return do()
}

// gone says that the file is not any more what was opened.
func (f *File) gone() error {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("it was removed while it was in use; what was stored since then is lost; start headrace anew")
	}
	if err != nil {
		return err
	}
	mine, err := f.file.Stat()
	switch {
	case err != nil:
		return err
	case !os.SameFile(info, mine):
		return errors.New("it was replaced by another file while it was in use; what was stored since then is lost; start headrace anew")
	case info.Size() < f.size:
		return fmt.Errorf("%w: it was cut to %d bytes while it was in use", errDamaged, info.Size())
	}
	return nil
}

// measure notes how large the file is after a change.
func (f *File) measure() error {
	info, err := f.file.Stat()
	if err == nil {
		f.size = info.Size()
	}
	return err
}

// open opens the file, making it if need be.
func (f *File) open() error {
	if err := f.folder(); err != nil {
		return err
	}
	info, err := os.Stat(f.path)
	fresh := errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
	switch {
	case err != nil && !fresh:
		return err
	case err == nil && !info.Mode().IsRegular():
		return errors.New("it is not a file; give this project another state path, or move it away")
	case fresh:
		if err := f.tellMissing(err == nil); err != nil {
			return err
		}
	default:
		if err := f.examine(); err != nil {
			return err
		}
	}
	db, file, err := openBolt(f.path, false, f.wait)
	if err != nil {
		return err
	}
	f.db, f.file, f.changed = db, file, fresh
	if err := guarded(func() error { return prepare(db) }); err != nil {
		f.broken = err
		return f.letGo()
	}
	if fresh {
		syncDir(f.dir)
	}
	return f.measure()
}

// examine reads the whole file under a lock, before it is mapped for use.
func (f *File) examine() error {
	db, file, err := openBolt(f.path, true, f.wait)
	if err != nil {
		return err
	}
	defer db.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	report, err := verify(file, info.Size(), nil)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errDamaged, err)
	case report.oneMeta:
		f.log.Warn("one of the two headers of the state is damaged; the state before the last change is used", "file", f.path)
	}
	return nil
}

// openBolt opens a bbolt file and returns what it reads and writes, too. To
// read only, it maps the file but looks at nothing of it but its headers.
func openBolt(path string, readOnly bool, wait time.Duration) (db *bbolt.DB, file *os.File, err error) {
	err = guarded(func() (err error) {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: wait, ReadOnly: readOnly,
			OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
				file, err = os.OpenFile(name, flag, mode)
				return file, err
			}})
		return err
	})
	switch {
	case err == nil:
		return db, file, nil
	case errors.Is(err, berrors.ErrTimeout):
		err = ErrHeld
	case !ofTheSystem(err) && !Damaged(err):
		err = fmt.Errorf("%w: its header cannot be read", errDamaged)
	}
	if file != nil { // bbolt has closed it, unless it panicked
		unlock(file)
		_ = file.Close()
	}
	return nil, nil, err
}

// ofTheSystem reports whether err is about opening the file, not about what is
// in it.
func ofTheSystem(err error) bool {
	var path *fs.PathError
	var errno syscall.Errno
	return errors.As(err, &path) || errors.As(err, &errno)
}

// syncDir makes a new name durable where folders can be synced; elsewhere the
// file itself is safe and only its name could be the old one.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
