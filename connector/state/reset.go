package state

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// Reset is what Reset and ResetPipeline put aside.
type Reset struct {
	Aside string // the file that holds it now; "" when there was nothing
	// Lost are the positions in it. Unreadable is set when they were read from the
	// copy of Copied, or, where that is the zero time, not at all.
	Lost       []Held
	Unreadable bool
	Copied     time.Time
}

// Reset moves the file and its copy aside, damaged or not, so that the next use
// begins with an empty state. It fails while another process holds the file.
func (f *File) Reset() (r Reset, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, f.resetCopy(&r)
	case err != nil:
		return r, err
	}
	if info.Size() > 0 {
		if err := f.examine(); err != nil && !Damaged(err) {
			return r, err
		}
	}
	if r.Lost, err = positionsIn(f.path); err != nil {
		r.Lost, r.Unreadable = nil, true
		if list, err := positionsIn(f.copyPath()); err == nil {
			r.Lost = list
			if info, err := os.Stat(f.copyPath()); err == nil {
				r.Copied = info.ModTime()
			}
		}
	}
	if r.Aside, err = moveAside(f.path, "reset"); err != nil {
		return r, err
	}
	return r, f.resetCopy(&r)
}

// resetCopy moves the copy aside: a state that begins anew was not lost.
func (f *File) resetCopy(r *Reset) error {
	list, _ := positionsIn(f.copyPath())
	aside, err := moveAside(f.copyPath(), "reset")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && r.Aside == "" {
		r.Aside, r.Lost = aside, list
	}
	return err
}

// ResetPipeline copies the file aside and removes the positions and the last
// tick of a pipeline. The records of its runs stay.
func (f *File) ResetPipeline(pipeline string) (r Reset, err error) {
	if r.Lost, err = f.ListPositions(pipeline); err != nil {
		return r, err
	}
	tick, err := f.LastTick(pipeline)
	if err != nil || len(r.Lost) == 0 && tick.IsZero() {
		return r, err
	}
	if r.Aside, err = f.copyAside(); err != nil {
		return r, err
	}
	for _, h := range r.Lost {
		if err := f.ClearPositions(h.Pipeline, h.Block); err != nil {
			return r, err
		}
	}
	return r, f.SetLastTick(pipeline, time.Time{})
}

func (f *File) copyAside() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	aside := unused(f.path + ".reset-" + time.Now().UTC().Format(stamp))
	return aside, guarded(func() error { return f.writeCopy(aside) })
}

// Peek lists the positions as they are stored at this moment, also while
// another process holds the state. pipeline "" means all.
func (f *File) Peek(pipeline string) ([]Held, error) {
	f.DoNotWait()
	list, err := f.ListPositions(pipeline)
	if !errors.Is(err, ErrHeld) {
		return list, err
	}
	for range 5 { // the other process may write while it is read
		if list, err = positionsIn(f.path); err == nil {
			break
		}
	}
	var out []Held
	for _, h := range list {
		if pipeline == "" || h.Pipeline == pipeline {
			out = append(out, h)
		}
	}
	return out, err
}

// Exists reports whether there is a state, or a copy of one.
func (f *File) Exists() bool {
	for _, path := range []string{f.path, f.copyPath()} {
		if _, err := os.Lstat(path); err == nil {
			return true
		}
	}
	return false
}
