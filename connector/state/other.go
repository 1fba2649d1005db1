//go:build !unix

package state

import "os"

const posix = false

func unlock(*os.File) {} // closing the file does it
