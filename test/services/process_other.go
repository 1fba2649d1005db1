//go:build unix && !linux

package services

import "syscall"

// groupAttr makes the program the leader of its own group. Other systems than
// Linux have no parent-death signal: Main has to stop it.
func groupAttr(bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
