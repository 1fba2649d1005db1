//go:build unix

package filesource

import (
	"io/fs"
	"strconv"
	"syscall"
)

// identity tells a file from others whatever it is called: its device and
// inode. It is "" where there are none.
func identity(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Ino == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(st.Dev), 36) + ":" + strconv.FormatUint(uint64(st.Ino), 36)
}

// links is how many names the file has; 0: it was removed.
func links(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}
