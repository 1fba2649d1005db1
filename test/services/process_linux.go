package services

import "syscall"

// groupAttr makes the program the leader of its own group and, unless it is
// meant to be an orphan, ties its life to ours.
func groupAttr(orphan bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	if !orphan {
		a.Pdeathsig = syscall.SIGKILL
	}
	return a
}
