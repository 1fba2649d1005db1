package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const ticksPerSecond = 100 // USER_HZ, the unit of /proc/PID/stat

// cpuOf is the CPU time the process has used.
func cpuOf(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+2:]))
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

// residentOf is the memory the process holds now, in MiB.
func residentOf(pid int) float64 { return statusOf(pid, "VmRSS:") }

// peakOf is the most memory the process has held, in MiB. It is read from the
// process and not from its rusage: that of a child starts with its parent's.
func peakOf(pid int) float64 { return statusOf(pid, "VmHWM:") }

func statusOf(pid int, field string) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024
		}
	}
	return 0
}

// forgetPeak makes the peak start again from now.
func forgetPeak(pid int) {
	// Where this is not allowed the peak has the start of the process in it.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0o644)
}
