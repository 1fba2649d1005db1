package kerberos

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jcmturner/gokrb5/v8/credentials"

	"github.com/headrace/headrace/internal/redact"
)

const maxCCache = 4 << 20

// CCache is the file of a credential cache as the settings name it, with the FILE:
// of klist or without. Caches that are no files cannot be read.
func CCache(name string) (string, error) {
	kind, path, given := strings.Cut(name, ":")
	if !given {
		return name, nil
	}
	switch kind {
	case "FILE":
		return path, nil
	case "KEYRING", "KCM", "DIR", "API", "MEMORY", "MSLSA":
		return "", fmt.Errorf("is a cache of the kind %s, which is not a file and cannot be read; let kinit write one with -c FILE:/path, or use a keytab", kind)
	}
	return name, nil
}

// readCCache reads a cache that the Kerberos library can read: it believes every
// length in the file, and panics where one is wrong.
func readCCache(path string) (b []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w; check the path and the rights, and run kinit", redact.File(err))
	}
	defer func() { _ = file.Close() }()
	if b, err = io.ReadAll(io.LimitReader(file, maxCCache+1)); err != nil {
		return nil, fmt.Errorf("%w; check the path and the rights", redact.File(err))
	}
	damaged := errors.New(redact.Path(path) + " is not a credential cache as kinit writes it; give the file that klist names")
	if len(b) < 4 || len(b) > maxCCache || b[0] != 5 {
		return nil, damaged
	}
	defer func() {
		if recover() != nil {
			b, err = nil, damaged
		}
	}()
	if new(credentials.CCache).Unmarshal(b) != nil {
		return nil, damaged
	}
	return b, nil
}
