//go:build unix

package execsource

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup starts the command in a process group of its own, which is ended as
// a whole when the source is stopped: a shell script's children too.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		stopGroup(cmd)
		return os.ErrProcessDone // Wait reports how the command ended
	}
}

func stopGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
