package services

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"
)

// Headrace returns the program under test, built once for the tests of this
// process.
func Headrace(t testing.TB) string {
	t.Helper()
	return must(t, &headrace, func() (string, func(), error) {
		dir, err := os.MkdirTemp("", "headrace-bin-")
		if err != nil {
			return "", nil, err
		}
		binary := filepath.Join(dir, "headrace")
		build := exec.Command("go", "build", "-o", binary, "github.com/headrace/headrace/cmd/headrace")
		if out, err := build.CombinedOutput(); err != nil {
			_ = os.RemoveAll(dir)
			return "", nil, fmt.Errorf("build headrace: %w\n%s", err, out)
		}
		return binary, func() { _ = os.RemoveAll(dir) }, nil
	})
}

// Output is what a program has written so far. It may be read while the program
// runs.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

var serving = regexp.MustCompile(`http=(https?://\S+)`)

// Serve runs headrace with args in dir until the test ends, and returns the URL
// that it serves. The program has to end well on an interrupt.
func Serve(t testing.TB, dir string, args ...string) string {
	t.Helper()
	var log Output
	cmd := exec.Command(Headrace(t), args...)
	cmd.Dir, cmd.Stderr = dir, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // when it has ended already, ended says so
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("headrace ended with %v:\n%s", err, log.String())
			}
		case <-time.After(30 * time.Second):
			t.Errorf("headrace does not stop:\n%s", log.String())
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	late := time.After(30 * time.Second)
	for {
		if m := serving.FindStringSubmatch(log.String()); m != nil {
			return m[1]
		}
		select {
		case <-poll.C:
		case err := <-ended:
			ended <- err
			t.Fatalf("headrace ended with %v:\n%s", err, log.String())
		case <-late:
			t.Fatalf("headrace does not serve:\n%s", log.String())
		}
	}
}
