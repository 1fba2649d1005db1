//go:build integration

package test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headrace/headrace/test/services"
)

// project is a folder with the files of one test.
type project struct {
	t   *testing.T
	dir string
}

func newProject(t *testing.T, files map[string]string) *project {
	t.Helper()
	p := &project{t: t, dir: t.TempDir()}
	for name, text := range files {
		p.write(name, text)
	}
	return p
}

func (p *project) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// running is a started binary.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{}
	out   services.Output
	err   services.Output
}

// start runs the binary in the project's folder; it is gone when the test ends.
func (p *project) start(args ...string) *running {
	p.t.Helper()
	r := p.prepare(args...)
	r.launch()
	return r
}

func (p *project) prepare(args ...string) *running {
	r := &running{t: p.t, cmd: exec.Command(services.Headrace(p.t), args...), ended: make(chan struct{})}
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = p.dir, &r.out, &r.err
	return r
}

func (r *running) launch() {
	r.t.Helper()
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait() // its exit code is read from the process state
		close(r.ended)
	}()
	r.t.Cleanup(r.kill)
}

// kill ends the program as kill -9 does.
func (r *running) kill() {
	_ = r.cmd.Process.Kill()
	<-r.ended
}

func (r *running) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// exit waits for the program's end and returns its exit code.
func (r *running) exit(limit time.Duration) int {
	r.t.Helper()
	select {
	case <-r.ended:
		return r.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		r.t.Fatalf("still running after %s; standard error:\n%s", limit, tail(r.err.String()))
		return -1
	}
}

// says waits until standard output or error has the text.
func (r *running) says(limit time.Duration, text string) {
	r.t.Helper()
	eventually(r.t, limit, func() error {
		if strings.Contains(r.out.String()+r.err.String(), text) {
			return nil
		}
		select {
		case <-r.ended:
			r.t.Fatalf("ended without saying %q:\n%s", text, tail(r.out.String()+r.err.String()))
		default:
		}
		return errors.New("it has not said " + text + ":\n" + tail(r.out.String()+r.err.String()))
	})
}

// run runs the binary to its end and wants the exit code.
func (p *project) run(limit time.Duration, code int, args ...string) *running {
	p.t.Helper()
	r := p.start(args...)
	if got := r.exit(limit); got != code {
		p.t.Fatalf("headrace %s: exit code %d, want %d:\n%s%s", strings.Join(args, " "), got, code, tail(r.out.String()), tail(r.err.String()))
	}
	return r
}

// eventually polls until check gives nil.
func eventually(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	deadline := time.After(limit)
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("after %s: %v", limit, err)
		case <-poll.C:
		}
	}
}

func tail(s string) string {
	const most = 4000
	if len(s) > most {
		return "… " + s[len(s)-most:]
	}
	return s
}

// startReading is start with a standard input.
func (p *project) startReading(in *os.File, args ...string) *running {
	p.t.Helper()
	r := p.prepare(args...)
	r.cmd.Stdin = in
	r.launch()
	return r
}
