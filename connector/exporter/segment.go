package exporter

import (
	"context"
	"sync"

	"github.com/headrace/headrace/connector"
)

// segment is one Write on its way: the messages, in order, and the room that
// they occupy. An exporter reuses its segments.
type segment struct {
	exporter *Exporter
	messages []*connector.Message
	room     int64
	done     func([]connector.Result) // s.finish, bound once for the segment's life
}

func (e *Exporter) newSegment() any {
	s := &segment{exporter: e}
	s.done = s.finish
	return s
}

// write hands messages to the sink; the slice is copied. Records that their
// source could not decode go to the dead letters instead.
func (e *Exporter) write(batch []*connector.Message, need int64) {
	s := e.segments.Get().(*segment)
	s.room = need
	var rejected []*connector.Message
	for _, m := range batch {
		if m.Err != nil {
			rejected = append(rejected, m)
		} else {
			s.messages = append(s.messages, m)
		}
	}
	e.flying.add(1)
	if len(rejected) > 0 {
		results := make([]connector.Result, len(rejected))
		for i, m := range rejected {
			results[i].Err = m.Err
			s.room -= e.sizeOf(m)
		}
		e.flying.add(1)
		go e.bury(rejected, results)
	}
	if len(s.messages) == 0 {
		s.release()
		return
	}
	e.sink.Write(e.ctx, s.messages, s.done)
}

// finish acknowledges what the sink stored and passes on what it could not.
func (s *segment) finish(results []connector.Result) {
	var dead []*connector.Message
	var why []connector.Result
	e := s.exporter
	for i, m := range s.messages {
		r := results[i]
		switch {
		case r.Err == nil:
			r.Outcome = connector.Acknowledged
			m.Finish(r)
		case e.deadLetters(r.Err):
			dead, why = append(dead, m), append(why, r)
			s.room -= e.sizeOf(m)
		default:
			e.failed(m, r)
		}
	}
	if len(dead) > 0 {
		e.flying.add(1)
		go e.bury(dead, why) // it may wait, a done function may not
	}
	s.release()
}

func (s *segment) release() {
	e := s.exporter
	e.room.Release(s.room)
	clear(s.messages)
	s.messages = s.messages[:0]
	e.segments.Put(s)
	e.flying.add(-1)
}

// failed acknowledges a record that nobody has. The first one is logged; the
// counts and the giver's own report tell the rest.
func (e *Exporter) failed(m *connector.Message, r connector.Result) {
	if e.first.Load() == nil && e.first.CompareAndSwap(nil, &DeliveryError{Block: e.cfg.Origin.Block, Err: r.Err}) {
		log := e.log
		if block := e.cfg.Origin.Block; block != "" {
			log = log.With("block", block)
		}
		log.Error("a record failed; further ones are only counted", "kind", connector.KindOf(r.Err).String(), "error", r.Err)
	}
	if block := e.cfg.Origin.Block; block != "" && r.Err != nil {
		r.Err = &DeliveryError{Block: block, Err: r.Err}
	}
	r.Outcome = connector.Failed
	m.Finish(r)
}

// Failure is why the first record failed that nobody has, nil while there is
// none.
func (e *Exporter) Failure() error {
	if first := e.first.Load(); first != nil {
		return first
	}
	return nil
}

// flight counts segments on their way and lets one wait for none.
type flight struct {
	mu   sync.Mutex
	n    int64
	idle chan struct{} // closed when n falls to 0; nil while nobody waits
}

func (f *flight) add(d int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n += d
	if f.n == 0 && f.idle != nil {
		close(f.idle)
		f.idle = nil
	}
}

func (f *flight) count() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

func (f *flight) wait(ctx context.Context) error {
	f.mu.Lock()
	if f.n == 0 {
		f.mu.Unlock()
		return nil
	}
	if f.idle == nil {
		f.idle = make(chan struct{})
	}
	idle := f.idle
	f.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// DeliveryError is why a record was not delivered, with the block that could
// not, where there is one. It has the kind of Err.
type DeliveryError struct {
	Block string
	Err   error
}

// Error implements error.
func (e *DeliveryError) Error() string {
	if e.Block == "" {
		return e.Err.Error()
	}
	return "block " + e.Block + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *DeliveryError) Unwrap() error { return e.Err }
