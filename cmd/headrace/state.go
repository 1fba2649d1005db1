package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headrace/headrace/connector/state"
	"github.com/headrace/headrace/pipelines"
)

func (a *cli) stateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "state", Short: "Show where pipelines go on, or let them begin anew",
		Long: "State looks into the state folder of the project (state.path, default .headrace).",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return &exit{exitBadConfig, errors.New("say headrace state show or headrace state reset")}
		},
	}
	cmd.AddCommand(a.stateShowCommand(), a.stateResetCommand())
	return cmd
}

func (a *cli) stateShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show [PIPELINE]", Short: "Print the stored positions in words", Args: cobra.MaximumNArgs(1),
		Long: "Show prints the position of each block that has one, also while headrace runs.",
		RunE: func(_ *cobra.Command, args []string) error {
			p, store, err := a.openState()
			if err != nil {
				return err
			}
			pipeline := strings.Join(args, "")
			var list []state.Held
			if store.Exists() {
				list, err = store.Peek(pipeline)
				if err = errors.Join(err, store.Close()); err != nil {
					return &exit{exitFailed, err}
				}
			}
			if len(list) == 0 {
				fmt.Fprintln(a.stdout, "no position is stored"+of(pipeline))
				return nil
			}
			a.sayPositions(p, list)
			return nil
		},
	}
}

func (a *cli) stateResetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reset [PIPELINE]", Short: "Move the state aside, or what it holds of a pipeline", Args: cobra.MaximumNArgs(1),
		Long: "Reset lets every pipeline, or the one named, begin anew: its inputs are read from their beginning.\n" +
			"Nothing is deleted: what was stored stays in a file whose name is printed. It fails while headrace\n" +
			"runs on the state.",
		RunE: func(_ *cobra.Command, args []string) error {
			p, store, err := a.openState()
			if err != nil {
				return err
			}
			pipeline := strings.Join(args, "")
			var r state.Reset
			switch {
			case !store.Exists():
			case pipeline == "":
				r, err = store.Reset()
			default:
				r, err = store.ResetPipeline(pipeline)
			}
			if err = errors.Join(err, store.Close()); err != nil {
				return &exit{exitFailed, err}
			}
			a.sayReset(p, pipeline, r)
			return nil
		},
	}
}

// openState returns the project of the current folder, or of --project, and its
// state. Pipelines
// with errors are left out, as their positions are there nevertheless.
func (a *cli) openState() (*pipelines.Project, *state.File, error) {
	log, err := a.logger()
	if err != nil {
		return nil, nil, err
	}
	paths := []string{"."}
	if a.projectFile != "" {
		paths[0] = filepath.Dir(a.projectFile)
	}
	o := pipelines.Options{ProjectFile: a.projectFile, Resolver: a.resolver, NoPipelines: true}
	if _, problems := pipelines.Load(paths, o); len(problems) > 0 {
		return nil, nil, problems
	}
	o.NoPipelines = false
	p, _ := pipelines.Load(paths, o)
	return p, state.New(p.StateDir(), log), nil
}

func of(pipeline string) string {
	if pipeline == "" {
		return ""
	}
	return " of the pipeline " + pipeline
}

// sayPositions prints a line for each part of each position.
func (a *cli) sayPositions(p *pipelines.Project, list []state.Held) {
	for _, h := range list {
		fmt.Fprintf(a.stdout, "%s/%s: %s\n", h.Pipeline, h.Block, a.resolver.Masker.Mask(p.Describe(h)))
	}
}

func (a *cli) sayReset(p *pipelines.Project, pipeline string, r state.Reset) {
	if r.Aside == "" {
		fmt.Fprintln(a.stdout, "nothing is stored"+of(pipeline)+"; there is nothing to reset")
		return
	}
	fmt.Fprintf(a.stdout, "what was stored%s is in %s\n", of(pipeline), r.Aside)
	switch {
	case r.Unreadable && r.Copied.IsZero():
		fmt.Fprintln(a.stdout, "it could not be read: every input that had a position is read again from its beginning")
		return
	case r.Unreadable:
		fmt.Fprintf(a.stdout, "it could not be read; by its copy of %s, and what came since then:\n", r.Copied.UTC().Format(time.RFC3339))
	}
	if len(r.Lost) == 0 {
		fmt.Fprintln(a.stdout, "it held no position: nothing is read again")
		return
	}
	fmt.Fprintf(a.stdout, "read again from the beginning, up to where it was (%d positions):\n", len(r.Lost))
	a.sayPositions(p, r.Lost)
}
