package exporter_test

import (
	"context"
	"sync"
	"testing"

	"github.com/headrace/headrace/connector"
)

// memorySink keeps what it is given and answers by a rule; hold delays done.
type memorySink struct {
	mu      sync.Mutex
	batches [][]*connector.Message
	refuse  func(*connector.Message) error
	hold    chan struct{}
	wg      sync.WaitGroup
	closed  int
}

func (s *memorySink) Write(ctx context.Context, batch []*connector.Message, done func([]connector.Result)) {
	results := make([]connector.Result, len(batch))
	s.mu.Lock()
	s.batches = append(s.batches, append([]*connector.Message(nil), batch...))
	for i, m := range batch {
		results[i].Offset = m.Seq
		if s.refuse != nil {
			results[i].Err = s.refuse(m)
		}
	}
	s.mu.Unlock()
	if s.hold == nil {
		done(results)
		return
	}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		select {
		case <-s.hold:
		case <-ctx.Done():
			for i := range results {
				results[i].Err = ctx.Err()
			}
		}
		done(results)
	}()
}

func (s *memorySink) Close(context.Context) error {
	s.wg.Wait()
	s.closed++
	return nil
}

func (s *memorySink) sizes() (out []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.batches {
		out = append(out, len(b))
	}
	return out
}

// acks counts the outcome of each Seq and finds doubles.
type acks struct {
	mu   sync.Mutex
	seen map[int64]connector.Result
	dup  int
}

func (a *acks) ack(m *connector.Message, r connector.Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen == nil {
		a.seen = map[int64]connector.Result{}
	}
	if _, ok := a.seen[m.Seq]; ok {
		a.dup++
	}
	a.seen[m.Seq] = r
}

func (a *acks) counts(t *testing.T) map[connector.Outcome]int {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dup > 0 {
		t.Errorf("%d messages were acknowledged more than once", a.dup)
	}
	out := map[connector.Outcome]int{}
	for _, r := range a.seen {
		out[r.Outcome]++
	}
	return out
}

func messages(a *acks, from, n, size int) []*connector.Message {
	out := make([]*connector.Message, n)
	for i := range out {
		out[i] = &connector.Message{Seq: int64(from + i), Value: make([]byte, size), Partition: connector.AnyPartition, Ack: a.ack}
	}
	return out
}

type nullSink struct{}

func (nullSink) Write(_ context.Context, batch []*connector.Message, done func([]connector.Result)) {
	done(nothing[:len(batch)])
}
func (nullSink) Close(context.Context) error { return nil }
