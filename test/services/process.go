package services

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	pollEvery = 50 * time.Millisecond
	stopGrace = 20 * time.Second
	tailBytes = 3 << 10
)

// process is one running program, the leader of a process group of its own,
// so that stopping it reaches whatever it started, and nothing else.
type process struct {
	name string
	log  string // the file that has its output
	pid  int
	done chan struct{} // closed when the program has ended
	err  error         // how it ended; read after done
}

// spec says what to run. Orphan leaves the program running when this process
// ends; without it the program is killed with this process, even by kill -9.
type spec struct {
	name   string
	dir    string // working directory, and where the log is written
	env    []string
	path   string
	args   []string
	orphan bool
}

// launch starts the program and returns at once.
func launch(s spec) (*process, error) {
	p := &process{name: s.name, log: filepath.Join(s.dir, s.name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	cmd := exec.Command(s.path, s.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, out, out
	cmd.Env = append(os.Environ(), s.env...)
	cmd.SysProcAttr = groupAttr(s.orphan)

	started := make(chan error, 1)
	go func() {
		// The parent-death signal is sent when the starting thread ends, so
		// the thread is kept until the program has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer out.Close()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.pid = cmd.Process.Pid
		started <- nil
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	return p, nil
}

// ended reports whether the program has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// await polls ready until it gives nil, the program ends, or the time is up;
// the error then carries the end of the program's log.
func (p *process) await(ctx context.Context, limit time.Duration, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		last := ready()
		if last == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it was ready (%v); end of its log:\n%s", p.name, p.err, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s not ready after %s (%v); end of its log:\n%s", p.name, limit, last, p.tail())
		case <-tick.C:
		}
	}
}

// signal sends sig to the program's group.
func (p *process) signal(sig syscall.Signal) error {
	if p.ended() {
		return fmt.Errorf("signal %s: it has ended", p.name)
	}
	return syscall.Kill(-p.pid, sig)
}

// stop asks the program to end and kills it when it does not.
func (p *process) stop() {
	if p.ended() {
		return
	}
	_ = syscall.Kill(-p.pid, syscall.SIGTERM)
	_ = syscall.Kill(-p.pid, syscall.SIGCONT) // a paused program cannot end
	select {
	case <-p.done:
	case <-time.After(stopGrace):
		p.kill()
	}
}

// kill ends the program's group at once and waits until it is gone.
func (p *process) kill() {
	if p.ended() {
		return
	}
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	<-p.done
}

// tail returns the end of the log.
func (p *process) tail() string { return tail(p.log) }

// logged reports whether the log has the text.
func (p *process) logged(text string) bool {
	b, err := os.ReadFile(p.log)
	return err == nil && bytes.Contains(b, []byte(text))
}

func tail(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	if len(b) > tailBytes {
		b = b[len(b)-tailBytes:]
	}
	return strings.TrimSpace(string(b))
}
