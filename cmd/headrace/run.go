package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/connector/state"
	"github.com/headrace/headrace/internal/embedded"
	"github.com/headrace/headrace/pipelines"
)

func (a *app) runCommand() *cobra.Command {
	var once, embeddedBroker bool
	var drain time.Duration
	cmd := &cobra.Command{
		Use: "run [PATH…]", Short: "Run pipelines, schedules and the HTTP server until stopped",
		Long: "Run loads the project file and the pipelines found at the paths (files or folders, default\n" +
			"the current one) and runs schedules, streams and the HTTP server until SIGTERM or SIGINT;\n" +
			"then it delivers what it accepted and exits. SIGHUP loads the files again.\n\n" +
			"Exit codes: 0 drained or all delivered, 1 failed, 2 bad configuration, 3 (--once) finished,\n" +
			"but some records went to the dead letters.",
		RunE: func(cmd *cobra.Command, paths []string) error {
			log, err := a.logger()
			if err != nil {
				return err
			}
			a.takesKafkaRest = true
			var bootstrap []string
			if embeddedBroker {
				broker, err := embedded.StartBroker(embedded.BrokerConfig{})
				if err != nil {
					return &exit{exitFailed, fmt.Errorf("start the embedded broker: %w", err)}
				}
				defer closeBroker(broker, log)
				bootstrap = []string{broker.Addr()}
			}
			load := func() (*pipelines.Project, error) {
				p, problems := a.load(paths, bootstrap)
				problems = tellMissing(log, p, problems)
				if !once {
					problems = setAside(log, p, problems)
				}
				return p, problems.Err()
			}
			p, err := load()
			if err != nil {
				return err
			}
			warn(log, p)
			life := watchSignals(cmd.Context(), drain, log)
			defer life.End()
			if once {
				return a.runOnce(life, p, log)
			}
			return a.runDaemon(life, p, log, load)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&once, "once", false, "run every pipeline to its end once, whatever its schedule, then exit")
	flags.BoolVar(&embeddedBroker, "embedded", false, "start an in-process Kafka broker and use it where no bootstrap server is given")
	a.kafkaRestFlag(flags)
	drainFlag(flags, &drain, "longest time to deliver what was accepted after SIGTERM")
	return cmd
}

// tellMissing reports inputs that are not there: their pipelines' runs fail, and
// nothing else does. It returns what else is wrong.
func tellMissing(log *slog.Logger, p *pipelines.Project, problems config.Problems) config.Problems {
	left, missing := p.Runnable(problems)
	for _, problem := range missing {
		log.Warn("an input is not there; runs of its pipeline fail until it is", "error", problem.Error())
	}
	return left
}

// setAside reports bad schedules and leaves their pipelines out, so that they
// stop nothing else. It returns what else is wrong.
func setAside(log *slog.Logger, p *pipelines.Project, problems config.Problems) config.Problems {
	left, aside := p.SetAside(problems)
	for _, problem := range aside {
		log.Error("a pipeline with a bad schedule is left out", "error", problem.Error())
	}
	return left
}

func warn(log *slog.Logger, p *pipelines.Project) {
	for _, d := range p.Pipelines {
		for _, w := range d.Warnings {
			log.Warn(w)
		}
	}
}

// supervisor returns a Supervisor for the project, and its state, which is opened
// when a pipeline needs it.
func (a *app) supervisor(life *lifecycle, p *pipelines.Project, log *slog.Logger) (*pipelines.Supervisor, *state.File) {
	store := state.New(p.StateDir(), log)
	s := &pipelines.Supervisor{
		Plugin: block.Env{Log: log, Dir: p.Dir, Stdin: a.stdin, Stdout: a.stdout},
		Log:    log, State: store, Hard: life.Hard,
	}
	return s, store
}

// closeState ends the use of the state: one that was lost meanwhile is an error
// of the command.
func closeState(store state.Store, failed error) error {
	err := store.Close()
	switch {
	case err == nil:
		return failed
	case failed != nil && failed.Error() != "":
		err = errors.Join(failed, err)
	}
	return &exit{exitFailed, err}
}

// parallelRuns bounds the pipelines that run --once runs at the same time.
const parallelRuns = 4

// runOnce runs every pipeline once and prints a line for each.
func (a *app) runOnce(life *lifecycle, p *pipelines.Project, log *slog.Logger) error {
	if len(p.Pipelines) == 0 {
		return &exit{exitBadConfig, errors.New("no pipeline found; give a pipeline file or a folder with pipelines/*.yaml")}
	}
	s, store := a.supervisor(life, p, log)
	if !slices.ContainsFunc(p.Pipelines, (*pipelines.Definition).NeedsState) {
		store.DoNotWait() // another process may have it
	}
	view := a.newProgress(life.Hard, p, s)
	defer view.Close()
	failed := make([]error, len(p.Pipelines))
	slots := make(chan struct{}, parallelRuns)
	var wg sync.WaitGroup
	for i, d := range p.Pipelines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			start := time.Now()
			failed[i] = runAttempts(life.Soft, s, d)
			view.Finished(d.Name, time.Since(start), failed[i])
		}()
	}
	wg.Wait()
	return closeState(store, onceResult(life, s, failed))
}

// runAttempts runs d until it succeeds or its retries are used up.
func runAttempts(ctx context.Context, s *pipelines.Supervisor, d *pipelines.Definition) error {
	for attempt := 1; ; attempt++ {
		err := s.Once(ctx, d, time.Time{})
		if pipelines.Delivered(err) || attempt > d.Retry.Attempts || !wait(ctx, d.Retry.Wait(attempt)) {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func onceResult(life *lifecycle, s *pipelines.Supervisor, failed []error) error {
	for _, err := range failed {
		if err != nil {
			return &exit{code: exitFailed} // told line by line already
		}
	}
	if life.Soft.Err() != nil {
		return &exit{exitFailed, errors.New("stopped before the end of the input")}
	}
	for _, c := range s.Counts() {
		if c.DeadLettered > 0 {
			return &exit{code: exitDeadLettered}
		}
	}
	return nil
}

// runDaemon runs schedules, streams and the HTTP server until a signal.
func (a *app) runDaemon(life *lifecycle, p *pipelines.Project, log *slog.Logger, reload func() (*pipelines.Project, error)) (err error) {
	s, store := a.supervisor(life, p, log)
	defer func() { err = closeState(store, err) }()
	if slices.ContainsFunc(p.Pipelines, (*pipelines.Definition).NeedsState) {
		if err := store.Open(); err != nil {
			return &exit{exitFailed, err}
		}
	}
	door, err := a.openDoor(p, s, log)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- door.Run(life.Soft, life.Hard) }()
	started, _, _ := s.Apply(p)
	log.Info("running", "pipelines", started, "http", door.Addr())
	var failure error
	for running := true; running; {
		select {
		case <-life.Soft.Done():
			running = false
		case err := <-served:
			served <- err
			failure = err
			running = false
		case <-life.reload:
			a.reload(s, log, reload)
		}
	}
	life.stop()
	before := s.Counts()
	s.Stop()
	failure = errors.Join(failure, <-served)
	if n := undelivered(s, before); n > 0 {
		failure = errors.Join(failure, fmt.Errorf("%d records were not delivered; their sources still have them", n))
	}
	if failure != nil {
		return &exit{exitFailed, failure}
	}
	log.Info("drained")
	return nil
}

// undelivered counts what a stop at once left over. What failed before the stop
// began was told when it did.
func undelivered(s *pipelines.Supervisor, before map[string]connector.Counts) (n int64) {
	if s.Hard.Err() == nil {
		return 0
	}
	for name, c := range s.Counts() {
		n += c.Failed - before[name].Failed + c.InFlight()
	}
	return n
}

func (a *app) reload(s *pipelines.Supervisor, log *slog.Logger, load func() (*pipelines.Project, error)) {
	p, err := load()
	if err != nil {
		log.Error("reload: the files have errors; everything goes on as before", "error", err)
		return
	}
	warn(log, p)
	started, kept, stopped := s.Apply(p)
	log.Info("reloaded", "started", started, "kept", kept, "stopped", stopped)
}

// summary is the line of a finished run: the ledger adds up.
func summary(name string, c connector.Counts, d time.Duration, failure string) string {
	rate := 0.0
	if d > 0 {
		rate = float64(c.Read) / d.Seconds()
	}
	line := fmt.Sprintf("%s: read %d = acknowledged %d + dead-lettered %d + filtered %d + failed %d (%s in %s, %.0f records/s)",
		name, c.Read, c.Acknowledged, c.DeadLettered, c.Filtered, c.Failed, size(c.Bytes), d.Round(time.Millisecond), rate)
	if failure != "" {
		line += "; failed: " + failure
	}
	return line
}

func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	default:
		return fmt.Sprintf("%d B", n)
	}
}
