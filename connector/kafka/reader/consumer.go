package reader

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/broker"
	"github.com/headrace/headrace/connector/kafka/group"
)

// Reset says where a partition is read from that has no stored position.
type Reset string

// The values of auto.offset.reset.
const (
	ResetEarliest Reset = "earliest"
	ResetLatest   Reset = "latest"
	ResetNone     Reset = "none"
)

// ErrIllegalState is in the chain of errors about calls that the consumer's
// state does not allow: subscribing and assigning at once, or moving the
// position of a partition that is not assigned.
var ErrIllegalState = errors.New("illegal state")

// ErrCannotJoin is in the chain of errors about a group that refuses the
// consumer for a reason that waiting does not end.
var ErrCannotJoin = group.ErrCannotJoin

// ErrNothingToRead is in the chain of Poll's error for a consumer that neither
// subscribed nor has assignments.
var ErrNothingToRead = errors.New("the consumer is not subscribed to any topic and has no partition assigned")

// autoCommitEvery is Java's auto.commit.interval.ms.
const autoCommitEvery = 5 * time.Second

// closeTimeout bounds the last commit and the leaving of a group.
const closeTimeout = 5 * time.Second

// ConsumerConfig says how a Consumer reads.
type ConsumerConfig struct {
	Group      string
	Reset      Reset // "" is ResetLatest
	AutoCommit bool  // stores what earlier polls returned, with a poll, a rebalance or Close
	Committed  bool  // leaves out records of transactions that are open or were aborted
}

// Consumer reads with a group's positions, as a member of the group or with
// partitions that it was given. Between two polls it holds positions and no
// records. It is safe for concurrent use; polls wait for each other.
type Consumer struct {
	cfg   ConsumerConfig
	r     *Reader
	group group.Group

	polling chan struct{} // holds a token while nobody polls

	mu          sync.Mutex
	topics      []string       // subscribed
	pattern     *regexp.Regexp // or by pattern
	manual      bool           // partitions were assigned by Assign
	parts       map[TP]*position
	member      *group.Member
	changed     chan struct{} // closed and made anew when the partitions change
	committedAt time.Time
	closed      bool
	turn        int // which partition comes first
}

// position is where the next poll begins. A new one is made when the partition
// is assigned or moved, so that a poll that is under way does not undo that.
type position struct {
	offset   int64 // unknown below 0
	start    int64 // Earliest or Latest when it was asked for, else 0
	consumed bool  // moved by a poll since it was stored
}

const unknown int64 = -1

// NewConsumer returns a consumer without subscription. It needs no network.
func (r *Reader) NewConsumer(cfg ConsumerConfig) *Consumer {
	if cfg.Reset == "" {
		cfg.Reset = ResetLatest
	}
	c := &Consumer{cfg: cfg, r: r, group: group.New(r.conns, cfg.Group, ""), polling: make(chan struct{}, 1), parts: map[TP]*position{},
		changed: make(chan struct{}), committedAt: time.Now()}
	c.polling <- struct{}{}
	return c
}

func illegal(text string) error {
	return connector.Errorf(connector.Invalid, "%w: %s", ErrIllegalState, text)
}

// Subscribe replaces the subscription by topics, or else by a pattern that the
// whole name of a topic has to match. Partitions come some time later.
func (c *Consumer) Subscribe(topics []string, pattern *regexp.Regexp) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.manual {
		return illegal("Subscription to topics, partitions and pattern are mutually exclusive")
	}
	if len(topics) > 0 {
		pattern = nil
	}
	c.topics, c.pattern = slices.Compact(slices.Sorted(slices.Values(topics))), pattern
	if c.member == nil {
		c.member = c.join()
	} else {
		c.member.Again()
	}
	return nil
}

// join starts the membership of a subscribed consumer.
func (c *Consumer) join() *group.Member {
	return group.Join(c.group, group.MemberConfig{
		Topics:   c.subscribed,
		Assigned: func(now group.Generation) { c.assigned(now.Partitions) },
		Revoked:  c.revoked,
		Log:      c.r.log,
	})
}

// subscribed returns the topics to join with.
func (c *Consumer) subscribed(ctx context.Context) ([]string, error) {
	c.mu.Lock()
	topics, pattern := c.topics, c.pattern
	c.mu.Unlock()
	if pattern == nil {
		return topics, nil
	}
	return group.Matching(ctx, c.r.conns, pattern)
}

func (c *Consumer) assigned(tps []TP) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setParts(tps)
}

// revoked ends reading before the group is joined again. Positions are asked
// for anew then, as another member may have gone on from them.
func (c *Consumer) revoked(ctx context.Context, lost bool) {
	if c.cfg.AutoCommit && !lost {
		if err := c.commitConsumed(ctx); err != nil {
			c.r.log.Debug("positions were not stored before a rebalance; records may come again", "group", c.cfg.Group, "error", err)
		}
	}
	c.assigned(nil)
}

// Unsubscribe ends the subscription and clears the assignment. It waits until
// the group was left. With AutoCommit the positions are stored before.
func (c *Consumer) Unsubscribe(ctx context.Context) error {
	c.mu.Lock()
	m := c.member
	c.mu.Unlock()
	var err error
	if c.cfg.AutoCommit {
		err = c.commitConsumed(ctx)
	}
	if m != nil {
		m.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.member, c.topics, c.pattern, c.manual = nil, nil, nil, false
	c.setParts(nil)
	return err
}

// Subscription returns the subscribed topics; those of a pattern are the ones
// that it matched when the group was last joined.
func (c *Consumer) Subscription() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pattern != nil && c.member != nil {
		return c.member.Topics()
	}
	return slices.Clone(c.topics)
}

// Assign replaces the partitions to read, without any group membership. No
// partitions end it.
func (c *Consumer) Assign(tps []TP) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.member != nil {
		return illegal("Subscription to topics, partitions and pattern are mutually exclusive")
	}
	c.manual = len(tps) > 0
	c.setParts(tps)
	return nil
}

// Assignment returns the partitions that are read now, sorted.
func (c *Consumer) Assignment() []TP {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.assignment()
}

func (c *Consumer) assignment() []TP {
	tps := make([]TP, 0, len(c.parts))
	for tp := range c.parts {
		tps = append(tps, tp)
	}
	slices.SortFunc(tps, broker.Compare)
	return tps
}

// setParts replaces the partitions; those that stay keep their position. mu is
// held.
func (c *Consumer) setParts(tps []TP) {
	parts := make(map[TP]*position, len(tps))
	for _, tp := range tps {
		parts[tp] = c.parts[tp]
		if parts[tp] == nil {
			parts[tp] = &position{offset: unknown}
		}
	}
	c.parts = parts
	close(c.changed)
	c.changed = make(chan struct{})
}

// Seek moves positions; all of them or, when a partition is not assigned, none.
// An offset may be Earliest or Latest.
func (c *Consumer) Seek(offsets map[TP]int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for tp := range offsets {
		if c.parts[tp] == nil {
			return illegal("No current assignment for partition " + tp.String())
		}
	}
	for tp, offset := range offsets {
		p := &position{offset: offset, consumed: true}
		if offset < 0 {
			p.offset, p.start = unknown, offset
		}
		c.parts[tp] = p
	}
	return nil
}

// SeekTime moves positions to the first records at or behind a time.
func (c *Consumer) SeekTime(ctx context.Context, times map[TP]time.Time) error {
	offsets := make(map[TP]int64, len(times))
	for tp, t := range times {
		c.mu.Lock()
		assigned := c.parts[tp] != nil
		c.mu.Unlock()
		if !assigned {
			return illegal("No current assignment for partition " + tp.String())
		}
		offset, err := c.r.OffsetAt(ctx, tp, t.UnixMilli())
		if err != nil {
			return err
		}
		offsets[tp] = offset
	}
	return c.Seek(offsets)
}

// Commit stores positions for the group: the next offset to read of each
// partition. Nil stores what polls have returned.
func (c *Consumer) Commit(ctx context.Context, offsets map[TP]Committed) error {
	if offsets == nil {
		return c.commitConsumed(ctx)
	}
	return c.group.Commit(ctx, c.identity(), offsets)
}

// Committed returns the group's stored positions.
func (c *Consumer) Committed(ctx context.Context, tps []TP) (map[TP]Committed, error) {
	return c.group.Committed(ctx, tps)
}

// identity is what commits are signed with: a member's id and generation, or
// nothing for a consumer with partitions of its own choice.
func (c *Consumer) identity() group.Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.member == nil {
		return group.Nobody
	}
	return c.member.Identity()
}

func (c *Consumer) commitConsumed(ctx context.Context) error {
	offsets := map[TP]Committed{}
	moved := map[*position]int64{}
	c.mu.Lock()
	c.committedAt = time.Now()
	for tp, p := range c.parts {
		if p.consumed && p.offset >= 0 {
			offsets[tp] = Committed{Offset: p.offset}
			moved[p] = p.offset
		}
	}
	c.mu.Unlock()
	if err := c.group.Commit(ctx, c.identity(), offsets); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, offset := range moved {
		if p.offset == offset {
			p.consumed = false
		}
	}
	return nil
}

// Close stores what polls returned, if AutoCommit is set, leaves the group and
// ends a poll that is under way. It may be called twice.
func (c *Consumer) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	return c.Unsubscribe(ctx)
}
