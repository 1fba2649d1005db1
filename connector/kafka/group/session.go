package group

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/broker"
	"github.com/headrace/headrace/internal/backoff"
)

// session reads the partitions of one generation.
type session struct {
	r      *run
	now    Generation
	ctx    context.Context // ends when nothing more should be read
	cancel context.CancelFunc
	read   chan struct{} // closed when nothing more is published
	beat   chan struct{} // closed when nothing is stored by itself any more

	storing  sync.Mutex // held while positions are stored
	claims   map[broker.TP]*claim
	pending  pending
	progress atomic.Int64

	mu    sync.Mutex
	cause error                   // of the first record of an attempt that was not delivered
	abort context.CancelCauseFunc // ends the attempt
}

func newSession(r *run, now Generation) *session {
	s := &session{r: r, now: now, read: make(chan struct{}), beat: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	ready := make(chan struct{})
	go s.work(ready)
	go s.store(ready)
	return s
}

// stop ends reading, and returns when nothing more is published.
func (s *session) stop() {
	s.cancel()
	<-s.read
	<-s.beat
}

// work reads until it is told to stop, or everything was read. A failure ends
// an attempt: the next one begins at the stored positions.
func (s *session) work(ready chan struct{}) {
	defer close(s.read)
	once := sync.OnceFunc(func() { close(ready) })
	failures, before := 0, int64(0)
	for s.ctx.Err() == nil {
		err := s.attempt(once)
		if s.ctx.Err() != nil || err == nil {
			return
		}
		s.r.out.Flush()
		s.drain(s.ctx)
		if err := s.commit(s.ctx); err != nil && s.ctx.Err() == nil {
			s.r.cfg.Log.Warn("positions were not stored", "group", s.r.cfg.Group, "error", err)
		}
		if now := s.progress.Load(); now != before {
			failures, before = 0, now
		}
		failures++
		if s.hopeless(err, failures) {
			s.r.end(connector.Errorf(connector.KindOf(err), "reading as the group %s: %w", s.r.cfg.Group, err))
			return
		}
		s.r.cfg.Log.Warn("reading failed; going on at the stored positions", "group", s.r.cfg.Group, "attempt", failures, "error", err)
		backoff.Sleep(s.ctx, backoff.Step(firstFailureWait, maxFailureWait, failures))
	}
}

// hopeless reports whether the run should end. Brokers that are away get more
// attempts than a destination that does not take a record.
func (s *session) hopeless(err error, failures int) bool {
	kind := connector.KindOf(err)
	s.mu.Lock()
	delivering := s.cause != nil
	s.mu.Unlock()
	return kind == connector.Unauthenticated || kind == connector.Denied || failures >= joinFailures ||
		failures >= readFailures && (delivering || !broker.Transient(err))
}

// attempt reads from the stored positions on. It returns nil when it was told
// to stop, and when a bounded run has read everything.
func (s *session) attempt(ready func()) error {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	s.mu.Lock()
	s.cause, s.abort = nil, cancel
	s.mu.Unlock()
	claims, err := s.start(ctx)
	if err != nil {
		return s.relearn(ctx, err)
	}
	s.storing.Lock()
	s.claims = claims // nothing of an attempt before is in flight
	s.storing.Unlock()
	ready()
	err = s.fetch(ctx, claims)
	if s.ctx.Err() != nil {
		return nil
	}
	if err == nil && s.r.ends != nil {
		// The last records may fail yet; they are read again, as any other.
		s.r.out.Flush()
		s.drain(s.ctx)
	}
	s.mu.Lock()
	cause := s.cause
	s.mu.Unlock()
	switch {
	case cause != nil:
		return cause
	case err != nil:
		return s.relearn(ctx, err)
	}
	if s.ctx.Err() == nil {
		s.r.end(nil)
	}
	return nil
}

// fail notes that a record was not delivered, and ends the attempt.
func (s *session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause == nil {
		s.cause = err
		s.abort(err)
	}
}

// relearn asks where the partitions are now when that can help, and returns the
// error.
func (s *session) relearn(ctx context.Context, err error) error {
	if broker.Transient(err) || connector.KindOf(err) == connector.NotFound {
		for topic := range s.now.Counts {
			if ctx.Err() == nil {
				_ = s.r.conns.Relearn(ctx, topic) // the next attempt meets what is wrong
			}
		}
	}
	return err
}

// fetch reads until every claim is at its end, with one reader for each broker.
func (s *session) fetch(ctx context.Context, claims map[broker.TP]*claim) error {
	byLeader, err := s.byLeader(ctx, claims)
	if err != nil {
		return err
	}
	if s.r.ends == nil && len(byLeader) == 0 {
		<-ctx.Done() // a member without partitions waits for the next rebalance
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error, len(byLeader))
	for addr, claims := range byLeader {
		f := &fetcher{s: s, addr: addr, claims: claims}
		go func() { results <- f.run(ctx) }()
	}
	var first error
	for range byLeader {
		if err := <-results; err != nil && first == nil {
			first = err
			cancel() // what the others have in hand was not published, or is acknowledged
		}
	}
	return first
}

func (s *session) byLeader(ctx context.Context, claims map[broker.TP]*claim) (map[string][]*claim, error) {
	var parts []*broker.Part
	for _, tp := range slices.SortedFunc(maps.Keys(claims), broker.Compare) {
		parts = append(parts, &broker.Part{TP: tp})
	}
	led := s.r.conns.ByLeader(ctx, parts)
	for _, p := range parts {
		if p.Err != nil {
			return nil, p.Err
		}
	}
	out := map[string][]*claim{}
	for addr, parts := range led {
		for _, p := range parts {
			out[addr] = append(out[addr], claims[p.TP])
		}
	}
	return out, nil
}

// store keeps the positions while the session lasts.
func (s *session) store(ready chan struct{}) {
	defer close(s.beat)
	select {
	case <-ready:
	case <-s.ctx.Done():
		return
	}
	ticker := time.NewTicker(commitEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		}
		if err := s.commit(s.ctx); err != nil && s.ctx.Err() == nil && !rebalanced(err) {
			s.r.cfg.Log.Warn("positions were not stored; trying again", "group", s.r.cfg.Group, "error", err)
		}
	}
}

// commit stores the positions that moved.
func (s *session) commit(ctx context.Context) error {
	s.storing.Lock()
	defer s.storing.Unlock()
	moved := map[broker.TP]Committed{}
	for tp, c := range s.claims {
		if at, ok := c.mark.Position(); ok && at != c.stored {
			moved[tp] = Committed{Offset: at, Metadata: c.metadata}
		}
	}
	if err := s.r.group.Commit(ctx, s.now.Identity, moved); err != nil {
		return err
	}
	for tp, at := range moved {
		s.claims[tp].stored = at.Offset
	}
	return nil
}

// drain waits until everything published is acknowledged.
func (s *session) drain(ctx context.Context) {
	if left := s.pending.wait(ctx); left > 0 && s.ctx.Err() != nil {
		s.r.cfg.Log.Warn("partitions are given away before all their records were acknowledged; they are delivered again", "group", s.r.cfg.Group, "records", left)
	}
}

// pending counts what is not acknowledged.
type pending struct {
	mu   sync.Mutex
	n    int64
	none chan struct{} // closed when n falls to 0; nil before the first
}

func (p *pending) add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == 0 {
		p.none = make(chan struct{})
	}
	if p.n += n; p.n == 0 {
		close(p.none)
	}
}

// wait returns how many are left: 0, unless ctx ended before.
func (p *pending) wait(ctx context.Context) int64 {
	for {
		p.mu.Lock()
		n, none := p.n, p.none
		p.mu.Unlock()
		if n == 0 {
			return 0
		}
		select {
		case <-none:
		case <-ctx.Done():
			return n
		}
	}
}

// rebalanced reports that the group has moved on: another member reads from
// the positions that were stored before.
func rebalanced(err error) bool {
	return errors.Is(err, sarama.ErrRebalanceInProgress) || errors.Is(err, sarama.ErrIllegalGeneration) || errors.Is(err, sarama.ErrUnknownMemberId)
}
