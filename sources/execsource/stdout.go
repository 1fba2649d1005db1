package execsource

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"time"
)

// output is what the command prints. It ends when nobody can write to it any
// more, as a pipe does, and after a silence once the command itself has ended:
// a process in the background that inherited it would keep it open for ever.
type output struct {
	pipe  *os.File
	ended atomic.Bool // the command
	left  atomic.Bool // somebody kept it open
}

// start starts cmd and returns its standard output.
func start(cmd *exec.Cmd) (*output, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = write
	err = cmd.Start()
	if closeErr := write.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, errors.Join(err, read.Close())
	}
	return &output{pipe: read}, nil
}

// commandEnded begins the wait for what others still print.
func (o *output) commandEnded() {
	o.ended.Store(true)
	o.wait()
}

func (o *output) wait() {
	if err := o.pipe.SetReadDeadline(time.Now().Add(stopWait)); err != nil {
		_ = o.pipe.Close() // a system whose pipes know no deadlines: what is there was read
	}
}

// Read implements io.Reader.
func (o *output) Read(p []byte) (int, error) {
	n, err := o.pipe.Read(p)
	switch {
	case n > 0 && o.ended.Load():
		o.wait()
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, os.ErrClosed):
		o.left.Store(true)
		return n, io.EOF
	}
	return n, err
}

func (o *output) leftOpen() bool { return o.left.Load() }

// Close implements io.Closer.
func (o *output) Close() error { return o.pipe.Close() }
