package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// lifecycle turns signals into contexts: Soft ends with the first SIGTERM or
// SIGINT, Hard when the drain took too long or a second signal came.
type lifecycle struct {
	Soft, Hard context.Context
	reload     chan os.Signal

	stop   context.CancelFunc
	giveUp context.CancelFunc
	done   chan struct{}
}

// patience is a time to wait as a flag.
type patience time.Duration

func (p *patience) String() string { return time.Duration(*p).String() }

func (p *patience) Type() string { return "duration" }

func (p *patience) Set(text string) error {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return &flagError{"write a time with its unit, as 30s or 2m"}
	case d < 0:
		return &flagError{"a time is not negative; 0s gives up at once"}
	}
	*p = patience(d)
	return nil
}

// drainFlag adds --drain-timeout.
func drainFlag(flags *pflag.FlagSet, d *time.Duration, usage string) {
	*d = 30 * time.Second
	flags.Var((*patience)(d), "drain-timeout", usage)
}

// watchSignals starts a lifecycle; End must be called.
func watchSignals(parent context.Context, drain time.Duration, log *slog.Logger) *lifecycle {
	l := &lifecycle{reload: make(chan os.Signal, 1), done: make(chan struct{})}
	l.Soft, l.stop = context.WithCancel(parent)
	l.Hard, l.giveUp = context.WithCancel(context.WithoutCancel(parent))
	ends := make(chan os.Signal, 2)
	signal.Notify(ends, syscall.SIGTERM, os.Interrupt)
	signal.Notify(l.reload, syscall.SIGHUP)
	// An output whose reader has gone is an error of the pipeline that prints,
	// not the end of the process and of all others. Caught, not ignored: commands
	// that are started would inherit that.
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	go func() {
		defer signal.Stop(ends)
		defer signal.Stop(l.reload)
		defer signal.Stop(pipes)
		select {
		case s := <-ends:
			log.Info("stopping: what was accepted is delivered first", "signal", s.String(), "drain_timeout", drain)
			l.stop()
		case <-l.done:
			return
		}
		select {
		case s := <-ends:
			log.Warn("stopping at once", "signal", s.String())
		case <-time.After(drain):
			log.Warn("the drain took too long; stopping at once", "drain_timeout", drain)
		case <-l.done:
			return
		}
		l.giveUp()
	}()
	return l
}

// End stops watching.
func (l *lifecycle) End() {
	close(l.done)
	l.stop()
	l.giveUp()
}
