package reader

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/backoff"
)

// String is topic-partition, as Kafka's own messages have it.
func (tp TP) String() string { return tp.Topic + "-" + strconv.Itoa(int(tp.Partition)) }

// member keeps a consumer in its group: one goroutine that joins, sends
// heartbeats, and joins again when the group or the subscription changes.
// What others read is guarded by the consumer's mu.
type member struct {
	c      *Consumer
	cancel context.CancelFunc
	done   chan struct{}
	rejoin chan struct{}

	topics []string
	now    membership
	err    error // why it is not in the group, when waiting does not help
}

func startMember(c *Consumer) *member {
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{c: c, cancel: cancel, done: make(chan struct{}), rejoin: make(chan struct{}, 1)}
	m.now.generation = -1
	go func() {
		defer close(m.done)
		m.run(ctx)
	}()
	return m
}

// again makes the member join with the subscription as it is now.
func (m *member) again() {
	select {
	case m.rejoin <- struct{}{}:
	default:
	}
}

// stop leaves the group and returns when the goroutine has ended.
func (m *member) stop() {
	m.cancel()
	<-m.done
}

func (m *member) run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		select {
		case <-m.rejoin: // the subscription is read below
		default:
		}
		topics, err := m.subscribed(ctx)
		if err == nil {
			err = m.join(ctx, topics)
		}
		if err == nil {
			failures = 0
			err = m.stay(ctx)
		}
		if err != nil && ctx.Err() == nil {
			m.failed(err)
			failures++
			m.pause(ctx, failures)
		}
	}
	if m.now.member != "" {
		leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if err := m.c.group.leave(leave, m.now.member); err != nil {
			m.c.r.log.Debug("leaving a consumer group failed; the member's session will expire", "group", m.c.group.id, "error", err)
		}
	}
}

// pause waits longer with each failure in a row, up to five seconds.
func (m *member) pause(ctx context.Context, failures int) {
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

// failed notes an error for polls. One that heals by itself is only logged.
func (m *member) failed(err error) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	switch {
	case errors.Is(err, sarama.ErrUnknownMemberId), errors.Is(err, sarama.ErrIllegalGeneration), errors.Is(err, sarama.ErrFencedInstancedId):
		m.now.member, m.now.generation = "", -1
	case errors.Is(err, sarama.ErrRebalanceInProgress):
	default:
		m.err = err
		m.c.r.log.Debug("a consumer is not in its group", "group", m.c.group.id, "error", err)
	}
	m.c.setParts(nil)
}

// subscribed returns the topics to join with.
func (m *member) subscribed(ctx context.Context) ([]string, error) {
	m.c.mu.Lock()
	topics, pattern := m.c.topics, m.c.pattern
	m.c.mu.Unlock()
	if pattern == nil {
		return topics, nil
	}
	client, err := m.c.r.cluster.Client(ctx)
	if err != nil {
		return nil, err
	}
	if err := client.RefreshMetadata(); err != nil {
		return nil, connector.Errorf(connector.Unavailable, "looking for the topics of a pattern: %w", err)
	}
	all, err := client.Topics()
	if err != nil {
		return nil, connector.Errorf(connector.Unavailable, "looking for the topics of a pattern: %w", err)
	}
	slices.Sort(all)
	return slices.DeleteFunc(all, func(t string) bool { return pattern.FindString(t) != t || t == "" }), nil
}

func (m *member) join(ctx context.Context, topics []string) error {
	now, err := m.c.group.join(ctx, m.now.member, topics)
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.now.member = now.member
	if err != nil {
		return err
	}
	m.now, m.topics, m.err = now, topics, nil
	m.c.setParts(now.assigned)
	return nil
}

// stay sends heartbeats until the group or the subscription changes. What was
// read is stored before the partitions are given back.
func (m *member) stay(ctx context.Context) error {
	beat, look := time.NewTicker(heartbeatEvery), time.NewTicker(lookEvery)
	defer beat.Stop()
	defer look.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-m.rejoin:
			m.giveBack(ctx)
			return nil
		case <-look.C:
			if m.grew(ctx) {
				m.giveBack(ctx)
				return nil
			}
		case <-beat.C:
			err = m.c.group.heartbeat(ctx, &m.now)
		}
		switch {
		case err == nil:
		case errors.Is(err, sarama.ErrRebalanceInProgress):
			m.giveBack(ctx)
			return nil
		case connector.KindOf(err) == connector.Unavailable && ctx.Err() == nil:
			// The session outlives some heartbeats; reading may go on.
		default:
			return err
		}
	}
}

// giveBack ends reading before the group is joined again. Positions are asked
// for anew then, as another member may have gone on from them.
func (m *member) giveBack(ctx context.Context) {
	if m.c.cfg.AutoCommit {
		if err := m.c.commitConsumed(ctx); err != nil {
			m.c.r.log.Debug("positions were not stored before a rebalance; records may come again", "group", m.c.group.id, "error", err)
		}
	}
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.c.setParts(nil)
}

// grew reports whether topics came or got more partitions.
func (m *member) grew(ctx context.Context) bool {
	topics, err := m.subscribed(ctx)
	if err != nil {
		return false
	}
	return !slices.Equal(topics, m.topics) || m.now.leader && !maps.Equal(m.c.group.count(ctx, topics), m.now.partitions)
}
