package pipelines

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/exporter"
	"github.com/headrace/headrace/connector/intake"
)

// Env is what a run is given from outside.
type Env struct {
	Plugin block.Env // Pipeline and Block are set for each block
	// Positions returns where a block keeps its positions; nil keeps none.
	Positions func(*Block) intake.Positions
	Ledger    *connector.Ledger
	// Hard ends what Run's own context only asks to finish: once it is done,
	// records that are not delivered yet fail.
	Hard context.Context
}

// Run runs the pipeline once: until its sources end or ctx is done, and
// everything read has been delivered or has failed. The error says why the run
// is not complete; records in the dead letters are not an error.
func (d *Definition) Run(ctx context.Context, env Env) error {
	r := &run{def: d, env: env, exporters: map[*Block]*exporter.Exporter{}}
	if err := r.open(); err != nil {
		r.abandon()
		return errors.Join(err, r.closeExporters())
	}
	before := env.Ledger.Counts()
	err := r.pump(ctx)
	failed := env.Ledger.Counts().Failed - before.Failed
	if err != nil || failed > 0 || ctx.Err() != nil {
		r.abandon()
	}
	err = errors.Join(err, r.closeExporters())
	if err == nil && failed > 0 {
		err = r.failure(failed)
	}
	return err
}

// failure is the error of a run whose source did not mind that records failed:
// it reads them again in the next run.
func (r *run) failure(n int64) error {
	for _, b := range r.def.Blocks {
		if e := r.exporters[b]; e != nil && e.Failure() != nil {
			return connector.Errorf(connector.KindOf(e.Failure()), "%d records failed: %w", n, e.Failure())
		}
	}
	return connector.Errorf(connector.Unknown, "%d records failed", n)
}

// run is one execution of a definition.
type run struct {
	def       *Definition
	env       Env
	exporters map[*Block]*exporter.Exporter
	sources   []opened
}

type opened struct {
	block  *Block
	source connector.Source
	out    connector.Publisher
}

func (r *run) log() *slog.Logger {
	if r.env.Plugin.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return r.env.Plugin.Log
}

func (r *run) blockEnv(b *Block) block.Env {
	env := r.env.Plugin
	env.Pipeline, env.Block = r.def.Name, b.Name
	return env
}

// open makes exporters, then what leads to them, then the sources.
func (r *run) open() error {
	for _, b := range r.def.Blocks {
		if w, ok := b.part.(writer); ok {
			e, err := w.openExporter(r.blockEnv(b))
			if err != nil {
				return fmt.Errorf("open block %s: %w", b.Name, err)
			}
			r.exporters[b] = e
		}
	}
	inputs := map[*Block]connector.Publisher{}
	for _, b := range r.def.Blocks {
		l, ok := b.part.(loader)
		if !ok {
			continue
		}
		source, err := l.openSource(r.blockEnv(b))
		if err != nil {
			return fmt.Errorf("open block %s: %w", b.Name, err)
		}
		r.sources = append(r.sources, opened{block: b, source: source, out: r.output(b, inputs)})
	}
	return nil
}

// output is where b's messages go: its readers' inputs, made on demand. The
// graph has no cycles.
func (r *run) output(b *Block, inputs map[*Block]connector.Publisher) connector.Publisher {
	var branches []connector.Publisher
	for _, reader := range r.def.readers(b) {
		in, ok := inputs[reader]
		if !ok {
			if c, isChanger := reader.part.(changer); isChanger {
				in = c.transform(r.output(reader, inputs))
			} else {
				in = r.exporters[reader]
			}
			inputs[reader] = in
		}
		branches = append(branches, in)
	}
	return fanOut(branches)
}

// pump runs the sources until all have returned. The first that fails stops
// the others; when the hard context ends, the exporters give up, which lets
// the sources return.
func (r *run) pump(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error, len(r.sources))
	for _, s := range r.sources {
		go func() {
			err := intake.Run(ctx, r.intake(s))
			if err != nil {
				err = inBlock(s.block, err)
				cancel()
			}
			results <- err
		}()
	}
	var errs []error
	hard := r.env.Hard.Done()
	for left := len(r.sources); left > 0; {
		select {
		case err := <-results:
			errs = append(errs, err)
			left--
		case <-hard:
			hard = nil
			r.log().Warn("stopping now; what is not delivered fails", "pipeline", r.def.Name,
				"in_flight", r.env.Ledger.Counts().InFlight())
			r.abandon()
			_ = r.closeExporters() // closed again, for the error, when the sources are back
		}
	}
	return errors.Join(errs...)
}

// inBlock names the block of a source's error, unless it comes from an exporter
// and names that.
func inBlock(b *Block, err error) error {
	var undelivered *exporter.DeliveryError
	if errors.As(err, &undelivered) {
		return err
	}
	return fmt.Errorf("block %s: %w", b.Name, err)
}

// intake is the stage behind one source.
func (r *run) intake(s opened) intake.Config {
	cfg := intake.Config{Source: s.source, Out: s.out, Flush: r.flush, Stream: r.env.Plugin.Stream, Ledger: r.env.Ledger, Log: r.log().With("block", s.block.Name)}
	if r.env.Positions != nil {
		cfg.Positions = r.env.Positions(s.block)
	}
	return cfg
}

// flush lets nothing wait any longer for its batch to fill.
func (r *run) flush() {
	for _, e := range r.exporters {
		e.Flush()
	}
}

// abandon keeps what the run has written so far from being taken for all of it.
func (r *run) abandon() {
	for _, e := range r.exporters {
		e.Abandon()
	}
}

func (r *run) closeExporters() error {
	var errs []error
	for _, b := range r.def.Blocks {
		if e := r.exporters[b]; e != nil {
			if err := e.Close(r.env.Hard); err != nil {
				errs = append(errs, fmt.Errorf("close block %s: %w", b.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}
