package pipelines

import (
	"context"
	"errors"
	"sort"
	"strings"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/connector/exporter"
	"github.com/headrace/headrace/pipelines/transform"
)

// part is the inside of a block. settings is decoded into; prepare then fills
// in what the project gives and reports what decoding alone cannot see.
type part interface {
	settings() any
	prepare(p *block.Project) []connector.Fault
	missing(p *block.Project) []connector.Fault
	warnings() []string
	uses() []block.Use
}

// loader, changer and writer are the parts of the three block types.
type (
	loader interface {
		part
		openSource(env block.Env) (connector.Source, error)
		// keepsPositions reports that the state keeps where the source is.
		keepsPositions() bool
	}
	changer interface {
		part
		transform(next connector.Publisher) connector.Publisher
	}
	writer interface {
		part
		openExporter(env block.Env) (*exporter.Exporter, error)
	}
)

// newPart returns an empty part for a connector of the block type.
func newPart(t BlockType, name string, node *config.Node) (part, *config.Problem) {
	table := builtin()[t]
	if build := table[name]; build != nil {
		return build(), nil
	}
	known := make([]string, 0, len(table))
	for k := range table {
		known = append(known, k)
	}
	sort.Strings(known)
	problem := node.Get("connector_type").Problem("unknown connector_type for a %s%s; there are %s",
		t, config.DidYouMean(name, known), strings.Join(known, ", "))
	return nil, &problem
}

// declared is what the configuration of a connector says by what it implements.
type declared struct{ cfg any }

func (d declared) prepare(p *block.Project) (faults []connector.Fault) {
	if c, ok := d.cfg.(block.Preparer); ok {
		faults = c.Prepare(p)
	}
	return faults
}

// missing reports inputs that are not there.
func (d declared) missing(p *block.Project) []connector.Fault {
	if c, ok := d.cfg.(block.FileChecker); ok {
		return c.CheckFiles(p.Dir)
	}
	return nil
}

// describe says in words where a part of the position is.
func (d declared) describe(name string, at []byte) (string, error) {
	if c, ok := d.cfg.(block.Describer); ok {
		return c.Describe(name, at)
	}
	return "", errNoWords
}

func (d declared) keepsPositions() bool {
	_, ok := d.cfg.(block.Describer)
	return ok
}

func (d declared) warnings() []string {
	if c, ok := d.cfg.(block.Warner); ok {
		return c.Warnings()
	}
	return nil
}

func (d declared) uses() []block.Use {
	if c, ok := d.cfg.(block.User); ok {
		return c.Uses()
	}
	return nil
}

// sourcePart is the part of a data_loader.
type sourcePart[C any] struct {
	declared
	cfg  C
	open func(C, block.Env) (connector.Source, error)
}

func source[C any](defaults func() C, open func(C, block.Env) (connector.Source, error)) func() part {
	return func() part {
		s := &sourcePart[C]{cfg: defaults(), open: open}
		s.declared.cfg = &s.cfg
		return s
	}
}

// sure is for sources that can always be opened.
func sure[C any](open func(C, block.Env) connector.Source) func(C, block.Env) (connector.Source, error) {
	return func(cfg C, env block.Env) (connector.Source, error) { return open(cfg, env), nil }
}

func (s *sourcePart[C]) settings() any { return &s.cfg }

func (s *sourcePart[C]) openSource(env block.Env) (connector.Source, error) {
	return s.open(s.cfg, env)
}

// expression is the part of the expression transformer.
type expression struct {
	declared
	cfg      transform.Config
	compiled *transform.Transform
}

func (e *expression) settings() any { return &e.cfg }

func (e *expression) prepare(*block.Project) (faults []connector.Fault) {
	e.compiled, faults = transform.New(e.cfg)
	return faults
}

func (e *expression) transform(next connector.Publisher) connector.Publisher {
	return e.compiled.Publisher(next)
}

// sinkConfig are the keys of an exporter block whose sink has the keys C.
type sinkConfig[C any] struct {
	Sink  C `mapstructure:",squash"`
	stage `mapstructure:",squash"`
}

// Validate asks both halves.
func (c *sinkConfig[C]) Validate() []connector.Fault {
	var faults []connector.Fault
	if v, ok := any(&c.Sink).(connector.Validator); ok {
		faults = v.Validate()
	}
	return append(faults, c.Batching.Validate()...)
}

// sinkPart is the part of a data_exporter.
type sinkPart[C any] struct {
	declared
	cfg      sinkConfig[C]
	open     func(C, block.Env) (connector.Sink, error)
	stateDir string
}

func sink[C any](defaults func() C, open func(C, block.Env) (connector.Sink, error)) func() part {
	return func() part {
		s := &sinkPart[C]{cfg: sinkConfig[C]{Sink: defaults(), stage: defaultStage()}, open: open}
		s.declared.cfg = &s.cfg.Sink
		return s
	}
}

func (s *sinkPart[C]) settings() any { return &s.cfg }

func (s *sinkPart[C]) prepare(p *block.Project) []connector.Fault {
	s.stateDir = p.StateDir
	return append(s.declared.prepare(p), s.cfg.stage.prepare(p, &s.cfg.Sink)...)
}

// uses adds the topic of the dead letters to that of the records.
func (s *sinkPart[C]) uses() []block.Use {
	all := s.declared.uses()
	if dead := s.cfg.DeadLetter.Topic; dead != "" && len(all) > 0 {
		all[0].Topics = append(all[0].Topics, block.Topic{Name: dead, Write: true})
	}
	return all
}

// openExporter puts the exporter stage in front of the sink.
func (s *sinkPart[C]) openExporter(env block.Env) (*exporter.Exporter, error) {
	out, err := s.open(s.cfg.Sink, env)
	if err != nil {
		return nil, err
	}
	letters, err := s.cfg.letters(&s.cfg.Sink, s.stateDir, env)
	if err != nil {
		return nil, errors.Join(err, out.Close(context.Background()))
	}
	if r, ok := any(&s.cfg.Sink).(block.Retrier); ok {
		out = exporter.Retried(out, r.RetryPolicy())
	}
	cfg := exporter.Config{
		BatchSize: s.cfg.BatchSize, Linger: time.Duration(s.cfg.TimeoutMS) * time.Millisecond, MaxBytes: int(s.cfg.MaxInFlightBytes),
		DeadLetter: letters, DeadLetterTopics: s.cfg.DeadLetter.Explicit(), Log: env.Log,
		Origin: exporter.Origin{Pipeline: env.Pipeline, Block: env.Block},
	}
	if t, ok := any(&s.cfg.Sink).(block.Targeter); ok {
		cfg.Origin.Topic = t.Target()
	}
	return exporter.New(out, cfg), nil
}
