//go:build !linux

package kerberos

import (
	"fmt"
	"os"
	"path/filepath"
)

// memfile is a file for this user alone, removed at the end, for a library that
// takes names of files and not their content. Its content is replaced at once.
type memfile struct{ dir string }

func newMemfile() *memfile { return &memfile{} }

func (m *memfile) path() string { return filepath.Join(m.dir, "now") }

func (m *memfile) write(content []byte) error {
	if m.dir == "" {
		dir, err := os.MkdirTemp("", "headrace-krb5-")
		if err != nil {
			return fmt.Errorf("keeping the Kerberos settings: %w", err)
		}
		m.dir = dir
	}
	next := filepath.Join(m.dir, "next")
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return fmt.Errorf("keeping the Kerberos settings: %w", err)
	}
	return os.Rename(next, m.path())
}

func (m *memfile) close() {
	if m.dir != "" {
		_ = os.RemoveAll(m.dir)
		m.dir = ""
	}
}
