package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// errDamaged is what every damage of the file is; see Damaged.
var errDamaged = errors.New("it is damaged")

// Damaged reports whether err says that the state's file is damaged.
func Damaged(err error) bool { return errors.Is(err, errDamaged) }

// copyName is the copy of the file that is made at each clean stop.
const copyName = FileName + ".copy"

func (f *File) copyPath() string { return filepath.Join(f.dir, copyName) }

// waysOn says what can be done about err, when that is a damage.
func (f *File) waysOn(err error) string {
	if !Damaged(err) {
		return ""
	}
	way := "put a copy of the file in its place"
	if info, err := os.Stat(f.copyPath()); err == nil {
		way = fmt.Sprintf("put the copy of %s in its place (%s)", info.ModTime().UTC().Format(time.RFC3339), f.copyPath())
	}
	return "; either " + way + ", or run headrace state reset, which moves the file aside and says what is read again"
}

// folder makes the state's folder, which is for its owner alone.
func (f *File) folder() error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(f.dir)
	if err != nil {
		return err
	}
	if wide := info.Mode().Perm() &^ 0o700; wide != 0 && posix {
		f.log.Warn("others can look into the state folder, where positions and dead letters are; chmod 700 it",
			"folder", f.dir, "mode", fmt.Sprintf("%04o", info.Mode().Perm()))
	}
	return nil
}

// tellMissing says that there was a state once. Its copy is put aside, so that
// the next one does not take its place.
func (f *File) tellMissing(empty bool) error {
	info, err := os.Stat(f.copyPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	aside, err := moveAside(f.copyPath(), "lost")
	if err != nil {
		return err
	}
	what := "missing"
	if empty {
		what = "empty"
	}
	held := "unknown"
	if list, err := positionsIn(aside); err == nil {
		held = fmt.Sprintf("%d", len(list))
	}
	f.log.Warn("the state is "+what+", although there was one: every position starts anew, and what was delivered is read again; "+
		"to go on where it was, stop headrace and put the copy in its place", "file", f.path, "copy", aside,
		"copied", info.ModTime().UTC().Format(time.RFC3339), "positions", held)
	return nil
}

// keepCopy replaces the copy by what the file holds now.
func (f *File) keepCopy() error {
	if !f.changed {
		return nil
	}
	part := f.copyPath() + ".new"
	if err := guarded(func() error { return f.writeCopy(part) }); err != nil {
		_ = os.Remove(part)
		return err
	}
	if err := os.Rename(part, f.copyPath()); err != nil {
		return err
	}
	syncDir(f.dir)
	f.changed = false
	return nil
}

// writeCopy writes what the file holds to path and looks whether it is good.
func (f *File) writeCopy(path string) error {
	out, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	var n int64
	err = f.db.View(func(tx *bbolt.Tx) error {
		n, err = tx.WriteTo(out)
		return err
	})
	if err == nil {
		err = out.Sync()
	}
	if err == nil {
		_, err = verify(out, n, nil)
	}
	return err
}

// stamp is a time in the name of a file.
const stamp = "20060102T150405Z"

// moveAside gives a file a name with the time, and returns it.
func moveAside(path, why string) (string, error) {
	aside := unused(path + "." + why + "-" + time.Now().UTC().Format(stamp))
	return aside, os.Rename(path, aside)
}

// unused returns a name that no file has.
func unused(path string) string {
	name := path
	for n := 2; ; n++ {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name
		}
		name = fmt.Sprintf("%s-%d", path, n)
	}
}

// positionsIn lists the positions of a file that nobody writes to.
func positionsIn(path string) (list []Held, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	_, err = verify(file, info.Size(), func(h Held) { list = append(list, h) })
	return list, err
}
