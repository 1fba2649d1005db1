package exporter

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/headrace/headrace/connector"
)

// DeadLetter are the keys that say where records go that can never be
// delivered. Without a key it is a file in the state folder.
type DeadLetter struct {
	Topic string `mapstructure:"topic" doc:"a Kafka topic on the exporter's cluster"`
	Path  string `mapstructure:"path" doc:"a file, appended to as JSON lines"`
	None  bool   `mapstructure:"none" doc:"no dead letters: such a record fails the run"`
}

// UnmarshalText reads the short form, the word none.
func (d *DeadLetter) UnmarshalText(text []byte) error {
	if !strings.EqualFold(string(text), "none") {
		return errors.New("not a place for dead letters; write none, or a map with topic or path")
	}
	d.None = true
	return nil
}

// Validate reports keys that do not go together.
func (d *DeadLetter) Validate() []connector.Fault {
	set := 0
	for _, used := range []bool{d.Topic != "", d.Path != "", d.None} {
		if used {
			set++
		}
	}
	if set > 1 {
		return []connector.Fault{{Message: "dead_letter: topic, path and none exclude each other; keep one"}}
	}
	return nil
}

// Explicit reports that somebody wrote down where dead letters go.
func (d *DeadLetter) Explicit() bool { return d.Topic != "" || d.Path != "" }

// Letters opens the sink of dead letters, nil for none. What a topic refuses as
// too large goes to the file. Nothing is opened before the first letter, except
// for a topic's client.
func Letters(d DeadLetter, topic func(name string) (connector.Sink, error), file func() (connector.Sink, error)) (connector.Sink, error) {
	if d.None {
		return nil, nil
	}
	lazy := &lazySink{open: file}
	if d.Topic == "" {
		return lazy, nil
	}
	first, err := topic(d.Topic)
	if err != nil {
		return nil, err
	}
	return &fallbackSink{first: first, second: lazy}, nil
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
