package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/app"
	"github.com/headrace/headrace/internal/embedded"
	"github.com/headrace/headrace/pipelines"
)

func (a *cli) runCommand() *cobra.Command {
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
			o := a.options(paths)
			a.withKafkaRest(&o)
			if embeddedBroker {
				broker, err := embedded.StartBroker(embedded.BrokerConfig{})
				if err != nil {
					return &exit{exitFailed, fmt.Errorf("start the embedded broker: %w", err)}
				}
				defer closeBroker(broker, log)
				o.Bootstrap = []string{broker.Addr()}
			}
			s, err := app.LoadToRun(o, once, log)
			if err != nil {
				return err
			}
			life := watchSignals(cmd.Context(), drain, log)
			defer life.End()
			if once {
				return a.runOnce(life, s.Project, log)
			}
			return a.runDaemon(life, s, o, log)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&once, "once", false, "run every pipeline to its end once, whatever its schedule, then exit")
	flags.BoolVar(&embeddedBroker, "embedded", false, "start an in-process Kafka broker and use it where no bootstrap server is given")
	a.kafkaRestFlag(flags)
	drainFlag(flags, &drain, "longest time to deliver what was accepted after SIGTERM")
	return cmd
}

// env is what the process gives to what it runs.
func (a *cli) env(life *lifecycle, log *slog.Logger) app.Env {
	return app.Env{Log: log, Stdin: a.stdin, Stdout: a.stdout, Version: version, Hard: life.Hard}
}

// runOnce runs every pipeline once and prints a line for each.
func (a *cli) runOnce(life *lifecycle, p *pipelines.Project, log *slog.Logger) error {
	if len(p.Pipelines) == 0 {
		return &exit{exitBadConfig, errors.New("no pipeline found; give a pipeline file or a folder with pipelines/*.yaml")}
	}
	once := app.NewOnce(p, a.env(life, log))
	view := a.newProgress(life.Hard, p, once)
	good := once.Run(life.Soft, view.Finished)
	view.Close()
	if err := once.Close(); err != nil {
		return &exit{exitFailed, err}
	}
	switch {
	case !good:
		return &exit{code: exitFailed} // told line by line already
	case life.Soft.Err() != nil:
		return &exit{exitFailed, errors.New("stopped before the end of the input")}
	}
	for _, c := range once.Counts() {
		if c.DeadLettered > 0 {
			return &exit{code: exitDeadLettered}
		}
	}
	return nil
}

// runDaemon runs schedules, streams and the HTTP server until a signal.
func (a *cli) runDaemon(life *lifecycle, s *app.Settings, o app.Options, log *slog.Logger) error {
	d, err := app.Start(life.Soft, s, a.env(life, log))
	if err != nil {
		return exitOf(err)
	}
	log.Info("running", "pipelines", d.StartPipelines(), "http", d.URL())
	for running := true; running; {
		select {
		case <-life.Soft.Done():
			running = false
		case <-d.Served():
			running = false
		case <-life.reload:
			reload(d, o, log)
		}
	}
	life.stop()
	if err := d.Stop(); err != nil {
		return &exit{exitFailed, err}
	}
	log.Info("drained")
	return nil
}

// exitOf gives an error of a start its exit code.
func exitOf(err error) error {
	var bad *app.BadConfig
	if errors.As(err, &bad) {
		return &exit{exitBadConfig, err}
	}
	return &exit{exitFailed, err}
}

// reload reads everything again and makes it so.
func reload(d *app.Daemon, o app.Options, log *slog.Logger) {
	s, err := app.LoadToRun(o, false, log)
	var c app.Changes
	if err == nil {
		c, err = d.Reload(s)
	}
	if err != nil {
		log.Error("reload failed; everything goes on as before", "error", err)
		return
	}
	attrs := []any{"started", c.Started, "kept", c.Kept, "stopped", c.Stopped}
	if len(c.Clusters) > 0 {
		attrs = append(attrs, "clusters", strings.Join(c.Clusters, ","))
	}
	if c.Door {
		attrs = append(attrs, "rest_proxy", "replaced; its consumers have ended")
	}
	if c.URL != "" {
		attrs = append(attrs, "http", c.URL)
	}
	if len(c.Restart) > 0 {
		attrs = append(attrs, "needs_restart", strings.Join(c.Restart, ","))
	}
	log.Info("reloaded", attrs...)
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
