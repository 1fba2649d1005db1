// Package app is a whole Headrace in one process: it loads settings, starts
// pipelines and the HTTP server on them, takes other settings while it runs,
// and stops in order. Commands turn flags into its options and its errors into
// exit codes; tests start it without a binary.
package app

import (
	"context"
	"io"
	"log/slog"

	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/state"
	"github.com/headrace/headrace/pipelines"
)

// Env is what a process gives to what it runs.
type Env struct {
	Log     *slog.Logger
	Stdin   io.Reader
	Stdout  io.Writer
	Version string // that the description of the API shows
	// Hard ends every drain: what is not delivered then is not waited for.
	Hard context.Context
}

// BadConfig is an error of the settings that shows only when they are used.
type BadConfig struct{ Err error }

// Error implements error.
func (e *BadConfig) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *BadConfig) Unwrap() error { return e.Err }

// supervisor returns a Supervisor for the project, and its state, which is opened
// when a pipeline needs it.
func supervisor(p *pipelines.Project, env Env) (*pipelines.Supervisor, *state.File) {
	store := state.New(p.StateDir(), env.Log)
	return &pipelines.Supervisor{
		Plugin: block.Env{Log: env.Log, Dir: p.Dir, Stdin: env.Stdin, Stdout: env.Stdout},
		Log:    env.Log, State: store, Hard: env.Hard,
	}, store
}
