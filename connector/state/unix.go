//go:build unix

package state

import (
	"os"
	"syscall"
)

// posix is set where the modes of files say who may read them.
const posix = true

// unlock lets other processes have a file whose map stays: that keeps the lock
// of a file that is only closed.
func unlock(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
