package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/state"
	"github.com/headrace/headrace/gateway"
	"github.com/headrace/headrace/gateway/openapi"
	"github.com/headrace/headrace/pipelines"
)

// Daemon runs pipelines and the HTTP server until it is stopped.
type Daemon struct {
	env       Env
	state     *state.File
	pipelines *pipelines.Supervisor
	server    *gateway.Server
	process   *prometheus.Registry // metrics that stay over a reload
	door      atomic.Pointer[door]

	changing sync.Mutex // held by Reload and Stop
	settings *Settings
	leaving  sync.WaitGroup // doors that were replaced and have requests still

	drain  context.CancelFunc // ends the server
	served chan struct{}      // closed when it has ended
	failed error              // of the server, once served is closed
}

// Start serves HTTP by s, which must be usable, and makes the state ready when a
// pipeline needs it. No pipeline runs yet. When ctx ends the server begins to
// drain; Stop must be called.
func Start(ctx context.Context, s *Settings, env Env) (*Daemon, error) {
	d := &Daemon{env: env, settings: s, process: prometheus.NewRegistry(), served: make(chan struct{})}
	d.pipelines, d.state = supervisor(s.Project, env)
	d.server = gateway.New(s.HTTP.Config, env.Log)
	d.server.Info = openapi.Info{Title: "Headrace", Version: env.Version}
	d.server.Ready, d.server.Gatherer = d.ready, prometheus.GathererFunc(d.gather)
	d.process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), d.pipelines, d.server)
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.state.Close())
	}
	ctx, d.drain = context.WithCancel(ctx)
	go func() {
		defer close(d.served)
		d.failed = d.server.Run(ctx)
	}()
	select {
	case <-d.server.Running():
	case <-d.served:
	}
	return d, nil
}

// open does what may fail, and undoes it then.
func (d *Daemon) open() error {
	if err := d.openState(d.settings); err != nil {
		return err
	}
	if err := d.server.Listen(); err != nil {
		return err
	}
	first, err := d.openDoor(d.settings, d.server, nil)
	if err == nil {
		if _, err = d.server.Mount(first.tables()); err == nil {
			d.door.Store(first)
			return nil
		}
		err = errors.Join(&BadConfig{err}, first.close(d.env.Hard, nil))
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	return errors.Join(err, d.server.Run(ended)) // a server that listens ends with a run that is over
}

func (d *Daemon) openState(s *Settings) error {
	if slices.ContainsFunc(s.Project.Pipelines, (*pipelines.Definition).NeedsState) {
		return d.state.Open()
	}
	return nil
}

// StartPipelines runs the pipelines by their schedules, or as streams, and
// returns how many there are.
func (d *Daemon) StartPipelines() int {
	d.changing.Lock()
	defer d.changing.Unlock()
	started, _, _ := d.pipelines.Apply(d.settings.Project)
	return started
}

// Once runs the pipeline of a name once, outside of any schedule.
func (d *Daemon) Once(ctx context.Context, pipeline string) error {
	d.changing.Lock()
	all := d.settings.Project.Pipelines
	d.changing.Unlock()
	for _, def := range all {
		if def.Name == pipeline {
			return d.pipelines.Once(ctx, def, time.Time{})
		}
	}
	return fmt.Errorf("run %s: there is no such pipeline", pipeline)
}

// URL is what the HTTP server is reached at.
func (d *Daemon) URL() string { return d.server.URL() }

// Counts returns the counts of every pipeline that ran, by name, and of HTTP.
func (d *Daemon) Counts() map[string]connector.Counts { return d.pipelines.Counts() }

// Served is closed when the HTTP server has ended, which it does by itself only
// after an error; Stop returns that.
func (d *Daemon) Served() <-chan struct{} { return d.served }

// Stop finishes what was accepted: sources stop reading, requests are answered,
// everything is delivered and acknowledged. The hard context of the Env bounds
// that; what is not delivered then is counted in the error.
func (d *Daemon) Stop() error {
	d.drain()
	d.changing.Lock()
	defer d.changing.Unlock()
	before := d.pipelines.Counts()
	d.pipelines.Stop()
	<-d.served
	err := errors.Join(d.failed, d.door.Load().close(d.env.Hard, nil))
	d.leaving.Wait()
	if n := undelivered(d.pipelines, before); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d records were not delivered; their sources still have them", n))
	}
	return errors.Join(err, d.state.Close())
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

// ready reports whether the default cluster can be reached.
func (d *Daemon) ready(ctx context.Context) error {
	open := d.door.Load()
	if open == nil || len(open.clusters) == 0 {
		return nil
	}
	_, err := open.clusters[0].ID(ctx)
	return err
}

// gather returns the metrics of the process, and those of the clusters that are
// served now.
func (d *Daemon) gather() ([]*dto.MetricFamily, error) {
	all := prometheus.Gatherers{d.process}
	if open := d.door.Load(); open != nil {
		all = append(all, open.metrics()...)
	}
	return all.Gather()
}
