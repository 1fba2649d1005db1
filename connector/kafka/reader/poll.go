package reader

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/broker"
)

// Poll is one read of a Consumer.
type Poll struct {
	MaxBytes int           // of keys and values; one record always passes
	MinBytes int           // returns as soon as so much is there; below 0 waits the whole time
	Wait     time.Duration // the longest wait, also for the group's assignment
}

// Poll returns what comes next in the assigned partitions. Positions move
// behind what is returned, and only then: after an error or the end of ctx the
// same records come again.
func (c *Consumer) Poll(ctx context.Context, p Poll) ([]Record, error) {
	deadline := time.Now().Add(p.Wait)
	select {
	case <-c.polling:
		defer func() { c.polling <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := c.autoCommit(ctx); err != nil {
		return nil, err
	}
	run := &pollRun{c: c, Poll: p, from: map[TP]*position{}, next: map[TP]int64{}}
	for {
		changed, err := run.take(ctx, deadline)
		if err != nil && len(run.records) == 0 {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil || run.enough() || time.Until(deadline) <= 0 {
			return run.finish(), nil
		}
		if len(run.next) > 0 {
			continue
		}
		timer := time.NewTimer(time.Until(deadline))
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

func (c *Consumer) autoCommit(ctx context.Context) error {
	c.mu.Lock()
	due := c.cfg.AutoCommit && time.Since(c.committedAt) >= autoCommitEvery
	c.mu.Unlock()
	if !due {
		return nil
	}
	err := c.commitConsumed(ctx)
	if connector.KindOf(err) == connector.Denied || connector.KindOf(err) == connector.Unauthenticated {
		return err
	}
	return nil // a rebalance or a moving coordinator: the next commit stores it
}

// pollRun is one poll under way. Its positions are its own until finish.
type pollRun struct {
	c *Consumer
	Poll
	from    map[TP]*position // where this poll began
	next    map[TP]int64
	records []Record
	bytes   int
	full    bool
}

func (r *pollRun) enough() bool {
	return r.full || r.MinBytes >= 0 && r.bytes >= r.MinBytes && (len(r.records) > 0 || r.MinBytes == 0)
}

// take fetches once from all partitions. The channel is closed when other
// partitions are assigned.
func (r *pollRun) take(ctx context.Context, deadline time.Time) (<-chan struct{}, error) {
	changed, err := r.begin()
	if err != nil {
		return changed, err
	}
	if err := r.locate(ctx); err != nil || len(r.next) == 0 {
		return changed, err
	}
	var parts []*broker.Part
	for tp, offset := range r.next {
		parts = append(parts, &broker.Part{TP: tp, Offset: offset})
	}
	slices.SortFunc(parts, func(a, b *broker.Part) int { return broker.Compare(a.TP, b.TP) })
	turn := r.c.turn % len(parts)
	r.c.turn++ // so that a full answer does not starve those behind
	parts = append(parts[turn:], parts[:turn]...)
	left := max(r.MaxBytes-r.bytes, 1)
	if err := r.c.r.conns.Fetch(ctx, parts, broker.Fetching{Most: inLog(left), Wait: min(time.Until(deadline), fetchSlice), Committed: r.c.cfg.Committed}); err != nil {
		return changed, r.recover(ctx, parts[0].Topic, err)
	}
	for _, p := range parts {
		if p.Err != nil {
			if err := r.partFailed(ctx, p); err != nil {
				return changed, err
			}
			continue
		}
		r.add(p)
		if r.full {
			break
		}
	}
	return changed, nil
}

// recover learns where the partitions are now, if that can help. A topic that
// does not exist, or not yet, has no records, and is no error.
func (r *pollRun) recover(ctx context.Context, topic string, err error) error {
	if !broker.Transient(err) {
		return err
	}
	if err := r.c.r.conns.Relearn(ctx, topic); connector.KindOf(err) != connector.NotFound {
		return err
	}
	return nil
}

func (r *pollRun) partFailed(ctx context.Context, p *broker.Part) error {
	switch {
	case errors.Is(p.Err, sarama.ErrOffsetOutOfRange):
		offset, err := r.c.reset(ctx, p.TP)
		r.next[p.TP] = offset
		return err
	case connector.KindOf(p.Err) == connector.NotFound, broker.Transient(p.Err):
		return r.recover(ctx, p.Topic, &connector.Error{Kind: connector.Unavailable, Err: p.Err})
	default:
		return fmt.Errorf("reading %s/%d: %w", p.Topic, p.Partition, p.Err)
	}
}

// begin notes partitions that were assigned or moved since, and forgets those
// that are gone.
func (r *pollRun) begin() (<-chan struct{}, error) {
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.member == nil && !c.manual || c.closed {
		return nil, connector.Errorf(connector.Unknown, "reading: %w", ErrNothingToRead)
	}
	if c.member != nil {
		err := c.member.Err()
		if k := connector.KindOf(err); err != nil && (k == connector.Denied || k == connector.Unauthenticated || k == connector.Invalid) {
			return nil, err
		}
	}
	for tp := range r.next {
		if c.parts[tp] != r.from[tp] {
			delete(r.next, tp)
			r.drop(tp)
		}
	}
	for tp, p := range c.parts {
		if _, known := r.next[tp]; !known {
			r.from[tp], r.next[tp] = p, p.offset
		}
	}
	return c.changed, nil
}

// drop takes back the records of a partition that was lost or moved.
func (r *pollRun) drop(tp TP) {
	r.records = slices.DeleteFunc(r.records, func(rec Record) bool {
		if rec.TP == tp {
			r.bytes -= len(rec.Key) + len(rec.Value)
		}
		return rec.TP == tp
	})
}

// locate finds the offsets of partitions whose position is not known yet.
func (r *pollRun) locate(ctx context.Context) error {
	var missing []TP
	for tp, offset := range r.next {
		if offset >= 0 {
			continue
		}
		start := r.from[tp].start
		if start == 0 {
			missing = append(missing, tp)
			continue
		}
		found, err := r.c.r.OffsetAt(ctx, tp, start)
		if err != nil {
			return err
		}
		r.located(tp, found)
	}
	stored, err := r.c.group.Committed(ctx, missing)
	if err != nil {
		return err
	}
	for _, tp := range missing {
		offset := stored[tp].Offset
		if offset < 0 {
			if offset, err = r.c.reset(ctx, tp); err != nil {
				if connector.KindOf(err) == connector.NotFound {
					delete(r.next, tp) // it is looked for again with the next poll
					continue
				}
				return err
			}
		}
		r.located(tp, offset)
	}
	return nil
}

// located also keeps a found position for the next poll: "latest" must not
// mean a later end each time.
func (r *pollRun) located(tp TP, offset int64) {
	r.next[tp] = offset
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if p := r.from[tp]; p.offset < 0 {
		p.offset, p.start = offset, 0
	}
}

func (c *Consumer) reset(ctx context.Context, tp TP) (int64, error) {
	switch c.cfg.Reset {
	case ResetEarliest:
		return c.r.OffsetAt(ctx, tp, Earliest)
	case ResetNone:
		return unknown, connector.Errorf(connector.Unknown, "the group %s has no position within the log of %s, and auto.offset.reset is none", c.cfg.Group, tp)
	default:
		return c.r.OffsetAt(ctx, tp, Latest)
	}
}

// add takes the records of a part until the answer is full.
func (r *pollRun) add(p *broker.Part) {
	for i := range p.Records {
		rec := &p.Records[i]
		size := len(rec.Key) + len(rec.Value)
		if r.bytes+size >= r.MaxBytes && len(r.records) > 0 {
			r.full = true
			return
		}
		r.records = append(r.records, *rec)
		r.bytes += size
		r.next[p.TP] = rec.Offset + 1
		if r.bytes >= r.MaxBytes {
			r.full = true
			return
		}
	}
	r.next[p.TP] = max(r.next[p.TP], p.Next)
}

// finish moves the consumer's positions behind the records and returns those.
func (r *pollRun) finish() []Record {
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for tp, offset := range r.next {
		p := c.parts[tp]
		if p == nil || p != r.from[tp] {
			r.drop(tp)
			continue
		}
		if offset >= 0 && offset != p.offset {
			p.offset, p.consumed = offset, true
		}
	}
	return r.records
}
