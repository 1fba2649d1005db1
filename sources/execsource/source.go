// Package execsource runs a command and reads the records that it prints on
// standard output, so that any language can be a source. Its exit code decides
// whether the run succeeded; its standard error goes into the log.
package execsource

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/formats"
	"github.com/headrace/headrace/internal/redact"
)

// Config are the keys of an exec block.
type Config struct {
	Command        []string          `mapstructure:"command" required:"true" doc:"program and arguments, such as [python3, extract.py]; no shell is involved"`
	WorkingDir     string            `mapstructure:"working_dir" doc:"where the command runs; default the project's folder"`
	Environment    map[string]string `mapstructure:"env" doc:"variables added to the environment"`
	formats.Config `mapstructure:",squash"`
}

// DefaultConfig returns the values of keys that are not written.
func DefaultConfig() Config {
	c := Config{Config: formats.DefaultConfig()}
	c.Format = formats.NDJSON
	return c
}

// Validate reports values that cannot work.
func (c *Config) Validate() []connector.Fault {
	faults := c.Config.Validate()
	if len(c.Command) == 0 || c.Command[0] == "" {
		faults = append(faults, connector.Fault{Path: "command", Message: "needs a program; write it like [python3, extract.py]"})
	}
	return faults
}

// CheckFiles reports a command line that was written as one text. dir is where
// the command runs when nothing else is said.
func (c *Config) CheckFiles(dir string) []connector.Fault {
	if len(c.Command) != 1 || !strings.ContainsAny(c.Command[0], " \t") {
		return nil
	}
	env := block.Env{Dir: dir}
	if c.WorkingDir != "" {
		env.Dir = env.Path(c.WorkingDir)
	}
	path := c.Command[0]
	if strings.ContainsRune(path, filepath.Separator) {
		path = env.Path(path)
	}
	if _, err := exec.LookPath(path); err == nil {
		return nil
	}
	return []connector.Fault{{Path: "command",
		Message: "it is one word with spaces in it, and no program has that name; write each argument by itself, such as [python3, extract.py]"}}
}

// stopWait is how long a command may take to end after it was told to.
const stopWait = 5 * time.Second

// New returns a Source over the command of cfg, which must be valid.
func New(cfg Config, env block.Env) connector.Source {
	return connector.SourceFunc(func(ctx context.Context, _ connector.Start, out connector.Output) error {
		return run(ctx, cfg, env, out)
	})
}

func run(ctx context.Context, cfg Config, env block.Env, out connector.Output) error {
	cmd := exec.CommandContext(ctx, cfg.Command[0], cfg.Command[1:]...)
	cmd.Dir = env.Path(cfg.WorkingDir)
	if cmd.Dir == "" {
		cmd.Dir = env.Dir
	}
	cmd.Env = os.Environ()
	for _, name := range sortedNames(cfg.Environment) {
		cmd.Env = append(cmd.Env, name+"="+cfg.Environment[name])
	}
	ownGroup(cmd)
	cmd.WaitDelay = stopWait
	stderr := &lineLog{env: env}
	cmd.Stderr = stderr
	stdout, err := start(cmd)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return connector.Errorf(connector.NotFound, "start %s: %w", cfg.Command[0], err)
	}
	defer stdout.Close()
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		stdout.commandEnded()
		ended <- err
	}()
	name := "the output of " + cfg.Command[0]
	readErr := cfg.Publish(ctx, formats.Stream{Name: name, Src: stdout, Warn: func(message string) { env.Log.Warn(message, "pipeline", env.Pipeline, "block", env.Block) }}, out)
	if readErr != nil {
		// Nobody reads any more: a command that goes on printing would wait for
		// ever.
		stopGroup(cmd)
		_, _ = io.Copy(io.Discard, stdout)
	}
	err = <-ended
	stderr.flush()
	if stdout.leftOpen() {
		env.Log.Warn("the command has ended, and a process that it started keeps its standard output open and prints nothing; it is not waited for",
			"pipeline", env.Pipeline, "block", env.Block, "waited", stopWait)
	}
	if errors.Is(err, exec.ErrWaitDelay) { // the command itself succeeded
		env.Log.Warn("the command has ended, and a process that it started keeps its standard error open; it is not waited for",
			"pipeline", env.Pipeline, "block", env.Block, "waited", stopWait)
		err = nil
	}
	if readErr != nil {
		return readErr
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("command %s: %w%s", cfg.Command[0], err, stderr.tail())
	}
	return nil
}

func sortedNames(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// The bounds of what is kept of a command's standard error.
const (
	maxErrLine  = 2000
	tailLines   = 5
	maxErrLines = 1000 // logged for each run; further ones are only counted
)

// lineLog logs what is written to it line by line and keeps the end of it.
type lineLog struct {
	env block.Env

	mu    sync.Mutex
	part  []byte
	lines []string
	count int
}

// Write implements io.Writer.
func (l *lineLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	scan := bufio.NewReader(strings.NewReader(string(p)))
	for {
		text, err := scan.ReadString('\n')
		if room := maxErrLine - len(l.part); room > 0 {
			l.part = append(l.part, text[:min(room, len(text))]...)
		}
		if err != nil {
			return len(p), nil
		}
		l.line()
	}
}

func (l *lineLog) line() {
	text := redact.Foreign(string(l.part))
	l.part = l.part[:0]
	l.count++
	if l.count <= maxErrLines {
		l.env.Log.Info("command", "pipeline", l.env.Pipeline, "block", l.env.Block, "stderr", text)
	} else if l.count == maxErrLines+1 {
		l.env.Log.Warn("the command writes a lot to standard error; the rest is not logged", "pipeline", l.env.Pipeline, "block", l.env.Block)
	}
	if l.lines = append(l.lines, text); len(l.lines) > tailLines {
		l.lines = l.lines[1:]
	}
}

func (l *lineLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.part) > 0 {
		l.line()
	}
}

func (l *lineLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 0 {
		return ""
	}
	return "; its last words: " + strings.Join(l.lines, " | ")
}
