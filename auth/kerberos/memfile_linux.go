package kerberos

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// memfile is a file that is on no disk, for a library that takes names of files
// and not their content. Its content is replaced at once: whoever opens it sees
// one or the other.
type memfile struct{ fd int }

func newMemfile() *memfile { return &memfile{fd: -1} }

func (m *memfile) path() string { return fmt.Sprintf("/proc/self/fd/%d", m.fd) }

func (m *memfile) write(content []byte) error {
	fd, err := unix.MemfdCreate("headrace-krb5", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("keeping the Kerberos settings in memory: %w", err)
	}
	for rest := content; len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		if err != nil {
			_ = unix.Close(fd)
			return fmt.Errorf("keeping the Kerberos settings in memory: %w", err)
		}
		rest = rest[n:]
	}
	if m.fd < 0 {
		m.fd = fd
		return nil
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Dup3(fd, m.fd, unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("keeping the Kerberos settings in memory: %w", err)
	}
	return nil
}

func (m *memfile) close() {
	if m.fd >= 0 {
		_ = unix.Close(m.fd)
		m.fd = -1
	}
}
