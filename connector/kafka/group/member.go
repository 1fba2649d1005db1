package group

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/backoff"
)

// MemberConfig says what a member reads, and who is told about it. The
// functions are called by one goroutine, one at a time.
type MemberConfig struct {
	// Topics returns what to subscribe to now. It is asked with each join, and
	// now and then between them.
	Topics func(context.Context) ([]string, error)
	// Strategies are names of Strategies in the order of preference; none means
	// all. Whichever the group chooses, the member gives all partitions back
	// before each rebalance.
	Strategies []string
	// Assigned is told what the member has from now on.
	Assigned func(Generation)
	// Revoked is told that this ends, and returns when the partitions may go to
	// others. lost says that others may have them already.
	Revoked func(ctx context.Context, lost bool)
	// Failed is told why the member is not in the group, and how often in a row
	// that was so; nil: nobody asks.
	Failed func(err error, inRow int)
	Log    *slog.Logger
}

// Member keeps a membership: one goroutine that joins, sends heartbeats, and
// joins again when the group or the subscription changes. It is safe for
// concurrent use.
type Member struct {
	g      Group
	cfg    MemberConfig
	offer  []sarama.BalanceStrategy
	cancel context.CancelFunc
	done   chan struct{}
	rejoin chan struct{}

	mu       sync.Mutex
	topics   []string
	now      Generation
	assigned bool
	err      error // why it is not in the group
}

// Join starts a member of the group. It returns at once.
func Join(g Group, cfg MemberConfig) *Member {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &Member{g: g, cfg: cfg, offer: strategies(cfg.Strategies), cancel: cancel, done: make(chan struct{}), rejoin: make(chan struct{}, 1)}
	m.now.Identity = Nobody
	go func() {
		defer close(m.done)
		m.run(ctx)
	}()
	return m
}

// Again makes the member join with the subscription as it is now.
func (m *Member) Again() {
	select {
	case m.rejoin <- struct{}{}:
	default:
	}
}

// Close gives the partitions back, leaves the group, unless the membership is
// a static one, and returns when that is done.
func (m *Member) Close() {
	m.cancel()
	<-m.done
}

// Identity is what commits are signed with.
func (m *Member) Identity() Identity {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now.Identity
}

// Topics are those that the group was last joined with.
func (m *Member) Topics() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.topics)
}

// Err says why the member is not in its group; nil while it is, or when that
// mends itself.
func (m *Member) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

func (m *Member) run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		select {
		case <-m.rejoin: // the subscription is read below
		default:
		}
		topics, err := m.cfg.Topics(ctx)
		if err == nil {
			err = m.join(ctx, topics)
		}
		if err == nil {
			failures = 0
			err = m.stay(ctx)
		}
		if err != nil && ctx.Err() == nil {
			failures++
			m.failed(ctx, err, failures)
			m.pause(ctx, failures)
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
	defer cancel()
	m.revoke(end, false)
	if err := m.g.leave(end, m.Identity().Member); err != nil {
		m.cfg.Log.Debug("leaving a consumer group failed; the member's session will expire", "group", m.g.id, "error", err)
	}
}

// pause waits longer with each failure in a row, up to five seconds.
func (m *Member) pause(ctx context.Context, failures int) {
	if failures == 1 {
		failures = 0 // a lost membership is taken up again at once
	}
	timer := time.NewTimer(backoff.Step(100*time.Millisecond, 5*time.Second, failures+1))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.rejoin:
	case <-ctx.Done():
	}
}

// failed ends the generation. What heals by itself is only logged in detail;
// a refusal is a warning, once for each reason.
func (m *Member) failed(ctx context.Context, err error, inRow int) {
	m.mu.Lock()
	before := m.err
	switch {
	case errors.Is(err, sarama.ErrUnknownMemberId), errors.Is(err, sarama.ErrIllegalGeneration), errors.Is(err, sarama.ErrFencedInstancedId):
		m.now.Member = ""
	}
	passing := errors.Is(err, sarama.ErrUnknownMemberId) || errors.Is(err, sarama.ErrIllegalGeneration) || errors.Is(err, sarama.ErrRebalanceInProgress)
	if !passing {
		m.err = err
	}
	m.mu.Unlock()
	switch {
	case errors.Is(err, ErrCannotJoin) && (before == nil || before.Error() != err.Error()):
		m.cfg.Log.Warn("a consumer group cannot be joined; it is tried again", "group", m.g.id, "error", err)
	case !passing:
		m.cfg.Log.Debug("a consumer is not in its group", "group", m.g.id, "error", err)
	}
	m.revoke(ctx, true)
	if m.cfg.Failed != nil && !passing {
		m.cfg.Failed(err, inRow)
	}
}

func (m *Member) join(ctx context.Context, topics []string) error {
	m.mu.Lock()
	before := m.now
	m.mu.Unlock()
	now, err := m.g.join(ctx, before, topics, m.offer)
	m.mu.Lock()
	m.now.Member = now.Member
	if err == nil {
		m.now, m.topics, m.err, m.assigned = now, topics, nil, true
	}
	m.mu.Unlock()
	if err == nil {
		m.cfg.Assigned(now)
	}
	return err
}

// revoke ends what was assigned, once.
func (m *Member) revoke(ctx context.Context, lost bool) {
	m.mu.Lock()
	held := m.assigned
	m.assigned = false
	m.mu.Unlock()
	if held {
		m.cfg.Revoked(ctx, lost)
	}
}

// stay sends heartbeats until the group or the subscription changes.
func (m *Member) stay(ctx context.Context) error {
	beat, look := time.NewTicker(heartbeatEvery), time.NewTicker(lookEvery)
	defer beat.Stop()
	defer look.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-m.rejoin:
			m.revoke(ctx, false)
			return nil
		case <-look.C:
			if m.grew(ctx) {
				m.revoke(ctx, false)
				return nil
			}
		case <-beat.C:
			err = m.g.heartbeat(ctx, m.Identity())
		}
		switch {
		case err == nil:
		case errors.Is(err, sarama.ErrRebalanceInProgress):
			m.revoke(ctx, false)
			return nil
		case connector.KindOf(err) == connector.Unavailable && ctx.Err() == nil:
			// The session outlives some heartbeats; reading may go on.
		default:
			return err
		}
	}
}

// grew reports whether topics came or got more partitions.
func (m *Member) grew(ctx context.Context) bool {
	topics, err := m.cfg.Topics(ctx)
	if err != nil {
		return false
	}
	m.mu.Lock()
	before, now := m.topics, m.now
	m.mu.Unlock()
	return !slices.Equal(topics, before) || now.leader && !maps.Equal(m.g.count(ctx, topics), now.Counts)
}
