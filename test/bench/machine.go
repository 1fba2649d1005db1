package main

import (
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/headrace/headrace/test/services"
)

const binaryLimit = 40 << 20

// printMachine says what the numbers were taken on. The load is of one minute
// and before the run: anything but a small number makes the rates worthless.
func printMachine(w io.Writer) {
	fmt.Fprintf(w, "%s, %s/%s, %d cores, load %s; %s, Apache Kafka %s on Java %s, %s\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), loadAverage(), runtime.Version(), services.KafkaVersion, javaVersion(), kcatVersion())
	fmt.Fprintf(w, "\n    go run ./test/bench %s\n", strings.Join(os.Args[1:], " "))
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}

var javaSays = regexp.MustCompile(`version "([^"]+)"`)

func javaVersion() string {
	out, err := exec.Command("java", "-version").CombinedOutput()
	if m := javaSays.FindSubmatch(out); err == nil && m != nil {
		return string(m[1])
	}
	return "of an unknown version"
}

var kcatSays = regexp.MustCompile(`Version (\S+) .*(librdkafka \S+)`)

func kcatVersion() string {
	out, err := exec.Command("kcat", "-V").CombinedOutput()
	if m := kcatSays.FindSubmatch(out); err == nil && m != nil {
		return fmt.Sprintf("kcat %s (%s)", m[1], m[2])
	}
	return "kcat of an unknown version"
}

// printBinary reports the size of the binary and how it was built; the limits
// are the project's own.
func (b *bench) printBinary(w io.Writer) error {
	st, err := os.Stat(b.bin)
	if err != nil {
		return fmt.Errorf("size of the binary: %w; build it with: make build", err)
	}
	info, err := buildinfo.ReadFile(b.bin)
	if err != nil {
		return fmt.Errorf("read how the binary was built: %w", err)
	}
	cgo := "unknown"
	for _, s := range info.Settings {
		if s.Key == "CGO_ENABLED" {
			cgo = s.Value
		}
	}
	fmt.Fprintf(w, "\nBinary: %.1f MiB (limit 40), built by %s with CGO_ENABLED=%s.\n", float64(st.Size())/(1<<20), info.GoVersion, cgo)
	if st.Size() >= binaryLimit || cgo != "0" {
		return fmt.Errorf("the binary has %d bytes and CGO_ENABLED=%s; wanted are less than %d and 0", st.Size(), cgo, binaryLimit)
	}
	return nil
}
