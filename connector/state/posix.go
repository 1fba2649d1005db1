package state

import "runtime"

// posix is set where the modes of files say who may read them.
const posix = runtime.GOOS != "windows"
