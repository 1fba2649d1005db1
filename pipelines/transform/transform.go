package transform

import (
	"context"
	"sync"

	"github.com/expr-lang/expr/vm"

	"github.com/headrace/headrace/connector"
)

// Transform changes messages. It is safe for concurrent use on different
// messages.
type Transform struct {
	programs []*program
	needs    reads
	machines sync.Pool // of *machine
	splits   sync.Pool // of *split
}

// New compiles the expressions of cfg. The Transform is nil when there are
// faults.
func New(cfg Config) (*Transform, []connector.Fault) {
	programs, faults := cfg.compile()
	if len(faults) > 0 {
		return nil, faults
	}
	t := &Transform{programs: programs}
	for _, p := range programs {
		t.needs.look(p.code.Node())
	}
	if t.needs.data != nil {
		t.needs.data.settle()
	}
	t.machines.New = func() any {
		w := &machine{vm: vm.VM{MemoryBudget: maxMemory}, env: make(map[string]any, 4)}
		w.env[budgetName] = &w.budget
		return w
	}
	t.splits.New = func() any { return new(split) }
	return t, nil
}

// Apply changes one message, and reports whether the filter keeps it. On an
// error, of kind Invalid and without the payload, the message is as it was.
func (t *Transform) Apply(m *connector.Message) (keep bool, err error) {
	w := t.machines.Get().(*machine)
	defer t.machines.Put(w)
	return w.apply(t, m)
}

// machine is what one evaluation at a time needs.
type machine struct {
	vm     vm.VM
	env    map[string]any
	budget budget
	record record
	out    output
}

func (w *machine) apply(t *Transform, m *connector.Message) (keep bool, err error) {
	defer w.forget(&t.needs)
	if err := w.fill(&t.needs, m); err != nil {
		return false, err
	}
	out := &w.out
	*out = output{Message: *m, keep: true, was: m, record: &w.record}
	for _, p := range t.programs {
		w.budget.steps = maxSteps
		v, err := p.run(&w.vm, w.env)
		if err != nil {
			return false, connector.Errorf(connector.Invalid, "transform: %s: %w", p.key, err)
		}
		if err := p.set(out, v); err != nil {
			return false, connector.Errorf(connector.Invalid, "transform: %s %w", p.key, err)
		}
		if !out.keep {
			return false, nil // what is dropped needs no new data
		}
	}
	out.finish()
	*m = out.Message
	return true, nil
}

// forget lets go of the record.
func (w *machine) forget(needs *reads) {
	if needs.data != nil {
		w.env["data"] = nil
	}
	if needs.key {
		w.env["key"] = nil
	}
	if needs.metadata {
		w.env["metadata"] = nil
	}
	if needs.source {
		w.env["source"] = nil
	}
	w.record.forget()
	w.out = output{}
}

// fill sets the variables that the expressions read.
func (w *machine) fill(needs *reads, m *connector.Message) error {
	if needs.data != nil {
		data, err := w.record.decode(m.Value, needs.data)
		if err != nil {
			return connector.Errorf(connector.Invalid, "transform: data: %w", err)
		}
		w.env["data"] = data
		w.budget.odd = len(w.record.texts) > 0
	}
	if needs.key {
		w.env["key"] = orNil(m.Key)
	}
	if needs.metadata {
		w.env["metadata"] = metadata(m)
	}
	if needs.source {
		w.env["source"] = source(m.Read)
	}
	return nil
}

func orNil(b []byte) any {
	if b == nil {
		return nil
	}
	return string(b)
}

func metadata(m *connector.Message) map[string]any {
	out := map[string]any{"key": orNil(m.Key), "time": nil, "dest_topic": nil, "partition": nil, "headers": nil}
	if !m.Time.IsZero() {
		out["time"] = int(m.Time.UnixMilli())
	}
	if m.Topic != "" {
		out["dest_topic"] = m.Topic
	}
	if m.Partition >= 0 {
		out["partition"] = int(m.Partition)
	}
	if len(m.Headers) > 0 {
		headers := make(map[string]any, len(m.Headers))
		for _, h := range m.Headers { // the last of a name wins, as in Kafka
			headers[h.Key] = orNil(h.Value)
		}
		out["headers"] = headers
	}
	return out
}

// source is where a broker had the message; all nil for other sources.
func source(r *connector.Read) map[string]any {
	if r == nil {
		return map[string]any{"topic": nil, "partition": nil, "offset": nil, "timestamp": nil}
	}
	out := map[string]any{"topic": r.Topic, "partition": int(r.Partition), "offset": int(r.Offset), "timestamp": nil}
	if !r.Time.IsZero() {
		out["timestamp"] = int(r.Time.UnixMilli())
	}
	return out
}

// Publisher returns a Publisher that changes messages and passes them to next.
// What the filter drops is acknowledged as Filtered once next has taken the
// rest of its batch; a record on which an expression fails is passed on with
// Message.Err set, and so are those that came with one. The messages of a
// batch that next refuses stay changed.
func (t *Transform) Publisher(next connector.Publisher) connector.Publisher {
	return connector.PublisherFunc(func(ctx context.Context, batch []*connector.Message) error {
		s := t.splits.Get().(*split)
		defer func() {
			clear(s.kept)
			clear(s.dropped)
			s.kept, s.dropped = s.kept[:0], s.dropped[:0]
			t.splits.Put(s)
		}()
		w := t.machines.Get().(*machine)
		defer t.machines.Put(w)
		for _, m := range batch {
			keep := true
			if m.Err == nil {
				var err error
				if keep, err = w.apply(t, m); err != nil {
					m.Err, keep = err, true
				}
			}
			if keep {
				s.kept = append(s.kept, m)
			} else {
				s.dropped = append(s.dropped, m)
			}
		}
		if len(s.kept) > 0 {
			if err := next.Publish(ctx, s.kept); err != nil {
				return err
			}
		}
		for _, m := range s.dropped {
			m.Finish(connector.Result{Outcome: connector.Filtered, Offset: -1})
		}
		return nil
	})
}

// split is a batch in two.
type split struct{ kept, dropped []*connector.Message }
