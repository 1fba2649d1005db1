package pipelines

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/exporter"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/connector/plugin"
	"github.com/headrace/headrace/sinks/filesink"
	"github.com/headrace/headrace/sinks/kafkasink"
)

// stage are the keys of an exporter block that are about its records rather
// than its sink.
type stage struct {
	DeadLetter DeadLetter `mapstructure:"dead_letter" doc:"where records go that can never be delivered; default a file in the state folder"`
}

// DeadLetter says where records go that can never be delivered. Without a key
// they go to a file in the state folder.
type DeadLetter struct {
	Topic string `mapstructure:"topic" doc:"a Kafka topic on the exporter's cluster"`
	Path  string `mapstructure:"path" doc:"a file, appended to as JSON lines"`
	None  bool   `mapstructure:"none" doc:"no dead letters: such a record fails the run"`
}

func (s *stage) validate() []connector.Fault {
	d, set := s.DeadLetter, 0
	for _, used := range []bool{d.Topic != "", d.Path != "", d.None} {
		if used {
			set++
		}
	}
	if set > 1 {
		return []connector.Fault{{Path: "dead_letter", Message: "topic, path and none exclude each other; keep one"}}
	}
	return nil
}

// deadLetters opens the dead letters of one exporter.
type deadLetters struct {
	cfg     DeadLetter
	dir     string          // of the state, for the default file
	cluster *kafka.Settings // of the exporter, for a topic
}

func (s *stage) prepareDeadLetters(p *Project, cluster *kafka.Settings) (deadLetters, []connector.Fault) {
	d := deadLetters{cfg: s.DeadLetter, dir: p.StateDir(), cluster: cluster}
	if d.cfg.Path != "" {
		d.cfg.Path = p.path(d.cfg.Path)
	}
	if d.cfg.Topic != "" && cluster == nil {
		return d, []connector.Fault{{Path: "dead_letter", Message: "a topic needs a kafka exporter; write a path"}}
	}
	return d, nil
}

// explicit reports that somebody wrote down where dead letters go.
func (d *deadLetters) explicit() bool { return d.cfg.Topic != "" || d.cfg.Path != "" }

// open returns the sink of the dead letters, nil when there are none. Nothing
// is made before the first letter.
func (d *deadLetters) open(env plugin.Env) (connector.Sink, error) {
	if d.cfg.None {
		return nil, nil
	}
	path := d.cfg.Path
	if path == "" {
		path = filepath.Join(d.dir, "dead_letters", letterFile(env.Pipeline, env.Block))
	}
	file := &lazySink{open: func() (connector.Sink, error) {
		cfg := filesink.DefaultConfig()
		cfg.Path, cfg.Append, cfg.Sync, cfg.Format = path, true, true, "json"
		env := env
		env.Dir = "" // the path is complete
		return filesink.NewPrivate(cfg, env)
	}}
	if d.cfg.Topic == "" {
		return file, nil
	}
	cfg := kafkasink.DefaultConfig()
	cfg.Settings, cfg.Topic = *d.cluster, d.cfg.Topic
	name := env.Block + " dead letters"
	topic, err := kafkasink.New(name, cfg, env.Registerer(name), env.Log)
	if err != nil {
		return nil, err
	}
	return &fallbackSink{first: topic, second: file}, nil
}

// letterFile is the default name of the dead letters of a block. Two long names
// would be more than file systems take.
func letterFile(pipeline, block string) string {
	name := pipeline + "." + block
	if len(name) > 200 {
		sum := sha256.Sum256([]byte(name))
		name = fmt.Sprintf("%s-%x", name[:180], sum[:8])
	}
	return name + ".ndjson"
}

// newExporter puts the exporter stage in front of a sink.
func newExporter(out connector.Sink, b exporter.Batching, dead deadLetters, env plugin.Env, topic string) (*exporter.Exporter, error) {
	letters, err := dead.open(env)
	if err != nil {
		return nil, errors.Join(err, out.Close(context.Background()))
	}
	cfg := exporter.Config{
		BatchSize: b.BatchSize, Linger: time.Duration(b.TimeoutMS) * time.Millisecond, MaxBytes: int(b.MaxInFlightBytes),
		DeadLetterTopics: dead.explicit(), Log: env.Log,
		Origin: exporter.Origin{Pipeline: env.Pipeline, Block: env.Block, Topic: topic},
	}
	if letters != nil {
		cfg.DeadLetter = letters
	}
	return exporter.New(out, cfg), nil
}

// lazySink opens its sink at the first Write.
type lazySink struct {
	open func() (connector.Sink, error)

	mu   sync.Mutex
	sink connector.Sink
}

// Write implements connector.Sink.
func (l *lazySink) Write(ctx context.Context, batch []*connector.Message, done func([]connector.Result)) {
	l.mu.Lock()
	var err error
	if l.sink == nil {
		l.sink, err = l.open()
	}
	sink := l.sink
	l.mu.Unlock()
	if err != nil {
		results := make([]connector.Result, len(batch))
		for i := range results {
			results[i] = connector.Result{Offset: -1, Err: err}
		}
		done(results)
		return
	}
	sink.Write(ctx, batch, done)
}

// Close implements connector.Sink.
func (l *lazySink) Close(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sink == nil {
		return nil
	}
	return l.sink.Close(ctx)
}

// fallbackSink gives what the first sink refuses for good to the second: a
// record that is too large for its topic is too large for that of the dead
// letters.
type fallbackSink struct{ first, second connector.Sink }

// Write implements connector.Sink; it waits for the first sink's answer.
func (f *fallbackSink) Write(ctx context.Context, batch []*connector.Message, done func([]connector.Result)) {
	answered := make(chan []connector.Result, 1)
	f.first.Write(ctx, batch, func(r []connector.Result) { answered <- append([]connector.Result(nil), r...) })
	results := <-answered
	var refused []*connector.Message
	var at []int
	for i, r := range results {
		if r.Err != nil && connector.KindOf(r.Err).Permanent() {
			refused, at = append(refused, batch[i]), append(at, i)
		}
	}
	if len(refused) == 0 {
		done(results)
		return
	}
	f.second.Write(ctx, refused, func(second []connector.Result) {
		for n, i := range at {
			results[i] = second[n]
		}
		done(results)
	})
}

// Close implements connector.Sink.
func (f *fallbackSink) Close(ctx context.Context) error {
	return errors.Join(f.first.Close(ctx), f.second.Close(ctx))
}
