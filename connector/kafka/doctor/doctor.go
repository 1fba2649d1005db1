// Package doctor walks a connection step by step, from the name to the rights
// on the topics in use, and says for the first step that fails what to change.
// It changes nothing on the cluster and sends no record.
//
// A broker is walked through the steps settings, name, tcp, tls, protocol,
// mechanisms, token (with its own name, tcp and tls), claims, ticket,
// authentication, metadata, brokers, rights and session; a Schema Registry
// through settings, name, tcp, tls, token, claims and request. Steps that do
// not apply are skipped, and so is everything behind a failed one. No step
// shows a password, a key or a token.
package doctor

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/headrace/headrace/auth/httpclient"
	"github.com/headrace/headrace/connector/kafka"
)

// Target is one thing to connect to: a cluster, or a service over HTTP.
type Target struct {
	Name   string // what the user calls it
	UsedBy []string
	Kafka  *kafka.Settings
	Topics []Topic              // that are read or written
	HTTP   *httpclient.Settings // a Schema Registry; Kafka is nil
}

// Topic is a topic in use, and what for.
type Topic struct {
	Name        string
	Read, Write bool
}

// Options say how to look.
type Options struct {
	Timeout time.Duration // of one connection; 0 means 30s
	Log     *slog.Logger
	// Issuer and Audience are what the broker wants of a token, where the user
	// knows it: brokers do not tell.
	Issuer, Audience string
}

const (
	parallel       = 4
	defaultTimeout = 30 * time.Second
	stepTimeout    = 8 * time.Second
)

// Run walks every address of every target, at most four at a time, and returns
// what it found in the order of the targets. It ends within the time-out of
// each connection, or with ctx.
func Run(ctx context.Context, targets []Target, o Options) Report {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var walks []*walk
	for _, t := range targets {
		walks = append(walks, plan(t, o)...)
	}
	slots := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for _, w := range walks {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			w.run(ctx)
		})
	}
	wg.Wait()
	report := Report{Connections: make([]Connection, len(walks))}
	for i, w := range walks {
		report.Connections[i] = w.found
	}
	return report
}

// plan makes one walk for each address.
func plan(t Target, o Options) []*walk {
	var out []*walk
	add := func(kind, address string, steps func(*walk)) {
		out = append(out, &walk{target: t, options: o, steps: steps,
			found: Connection{Name: t.Name, Kind: kind, Address: address, UsedBy: t.UsedBy}})
	}
	if t.HTTP != nil {
		for _, u := range t.HTTP.URLs() {
			add("schema_registry", u, (*walk).service)
		}
		return out
	}
	for _, addr := range t.Kafka.Servers() {
		add("kafka", addr, (*walk).broker)
	}
	return out
}

// walk is one connection on its way through the steps.
type walk struct {
	target  Target
	options Options
	steps   func(*walk)
	found   Connection
	ctx     context.Context
	failed  string // the step that did

	greeting greeting
}

func (w *walk) run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.options.Timeout)
	defer cancel()
	w.ctx = ctx
	w.steps(w)
	w.found.OK = w.failed == ""
}

// outcome is what a step found. Only a failed one has err and advice.
type outcome struct {
	Step
	err    error
	advice string
}

func ok(detail string) outcome { return outcome{Step: Step{Detail: detail}} }

func failed(err error, advice string) outcome { return outcome{err: err, advice: advice} }

func skipped(why string) outcome { return outcome{Step: Step{Status: Skipped, Detail: why}} }

// step takes one step, unless one before it has failed.
func (w *walk) step(name string, take func(ctx context.Context) outcome) {
	if w.failed != "" {
		w.found.Steps = append(w.found.Steps, Step{Name: name, Status: Skipped, Detail: "after " + w.failed + " failed"})
		return
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(w.ctx, stepTimeout)
	defer cancel()
	got := take(ctx)
	got.Name = name
	got.Milliseconds = time.Since(start).Milliseconds()
	switch {
	case got.err != nil:
		got.Status, got.Error, got.Advice = Failed, oneLine(got.err.Error()), oneLine(got.advice)
		w.failed = name
		w.found.Failed, w.found.Advice = name, got.Advice
	case got.Status == "":
		got.Status = OK
	}
	w.found.Steps = append(w.found.Steps, got.Step)
}
