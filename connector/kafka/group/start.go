package group

import (
	"context"
	"log/slog"
	"strconv"
	"strings"

	"github.com/headrace/headrace/connector/kafka/broker"
)

// start finds where the partitions of the session are read from, and stores
// each position that is a new one before anything is read: a start that lives
// only in memory is another one after every restart.
func (s *session) start(ctx context.Context) (map[broker.TP]*claim, error) {
	r := s.r
	var all []broker.TP // of the topics, others' too: they tell whether the group has started
	for topic, n := range s.now.Counts {
		for p := range n {
			all = append(all, broker.TP{Topic: topic, Partition: int32(p)})
		}
	}
	for _, tp := range s.now.Partitions {
		if int(tp.Partition) >= s.now.Counts[tp.Topic] {
			all = append(all, tp)
		}
	}
	stored, err := r.group.Committed(ctx, all)
	if err != nil {
		return nil, err
	}
	begin, err := r.conns.OffsetsAt(ctx, s.now.Partitions, broker.Earliest, false)
	if err != nil {
		return nil, err
	}
	end, err := r.conns.OffsetsAt(ctx, s.now.Partitions, broker.Latest, false)
	if err != nil {
		return nil, err
	}
	latest := r.ends // what came since a bounded run began is for the next one
	if latest == nil {
		if latest, err = r.conns.OffsetsAt(ctx, s.now.Partitions, broker.Latest, !r.cfg.Uncommitted); err != nil {
			return nil, err
		}
	}
	first := firstStarts(stored)
	claims, changed := map[broker.TP]*claim{}, map[broker.TP]Committed{}
	for _, tp := range s.now.Partitions {
		c := &claim{s: s, tp: tp, end: -1, stored: stored[tp].Offset, next: stored[tp].Offset}
		began, known := first[tp.Topic]
		if !known && !r.began(tp.Topic) {
			began = max(s.now.Counts[tp.Topic], int(tp.Partition)+1)
		}
		c.metadata = startText(began)
		if r.ends != nil {
			c.end = r.ends[tp] // 0, the end, for a partition that is newer than the run
		}
		switch {
		case c.stored < 0 && (known && int(tp.Partition) >= began || s.later(tp.Topic, first)):
			c.next = begin[tp]
			c.log().Info("a partition that came later is read from its beginning", "offset", c.next)
		case c.stored < 0 && r.cfg.Initial == OffsetEarliest:
			c.next = begin[tp]
		case c.stored < 0:
			c.next = max(latest[tp], begin[tp])
			c.log().Info("a new group begins at the end of the partition", "offset", c.next, "not_read", c.next-begin[tp])
		case c.stored < begin[tp] || c.stored > end[tp]:
			c.move(begin[tp], end[tp])
		}
		if c.next != c.stored {
			changed[tp] = Committed{Offset: c.next, Metadata: c.metadata}
		}
		claims[tp] = c
	}
	if err := r.group.Commit(ctx, s.now.Identity, changed); err != nil {
		return nil, err
	}
	for tp, at := range changed {
		claims[tp].stored = at.Offset
	}
	r.begun(s.now.Partitions)
	return claims, nil
}

// later reports whether a topic without any position came after the group's
// first start, so that its records are all new: it matches the pattern since, or
// it was made anew, and the brokers forgot the positions with the old one.
func (s *session) later(topic string, first map[string]int) bool {
	if _, known := first[topic]; known {
		return false
	}
	return s.r.began(topic) || s.r.cfg.Pattern != nil && len(first) > 0
}

// began reports whether this run stored positions in a topic.
func (r *run) began(topic string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.started[topic]
}

func (r *run) begun(tps []broker.TP) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started == nil {
		r.started = map[string]bool{}
	}
	for _, tp := range tps {
		r.started[tp.Topic] = true
	}
}

func (c *claim) log() *slog.Logger {
	return c.s.r.cfg.Log.With("group", c.s.r.cfg.Group, "topic", c.tp.Topic, "partition", c.tp.Partition)
}

// move takes a position that is outside of the log to the log's beginning, so
// that nothing is skipped but what is gone, and says so.
func (c *claim) move(begin, end int64) {
	from, m := c.next, c.s.r.metrics
	if from < begin {
		c.log().Warn("records were deleted before they were read; the group goes on at the first that is left",
			"from", from, "to", begin, "lost", begin-from)
		m.lost.Add(float64(begin - from))
	} else {
		c.log().Warn("the group stopped behind the end of the partition, so the topic was made anew; it is read from its beginning",
			"from", from, "to", begin, "end", end, "read", end-begin)
		m.resets.Inc()
	}
	c.next = begin
}

// outOfRange moves a claim whose position left the log while it was read. The
// new position is stored at once.
func (c *claim) outOfRange(ctx context.Context) error {
	tps := []broker.TP{c.tp}
	begin, err := c.s.r.conns.OffsetsAt(ctx, tps, broker.Earliest, false)
	if err != nil {
		return err
	}
	end, err := c.s.r.conns.OffsetsAt(ctx, tps, broker.Latest, false)
	if err != nil {
		return err
	}
	if c.next >= begin[c.tp] && c.next <= end[c.tp] {
		return nil // the log has grown up to it meanwhile
	}
	c.move(begin[c.tp], end[c.tp])
	if c.end > end[c.tp] {
		c.end = end[c.tp]
	}
	c.mark.Done(c.mark.Begin(c.next))
	return c.s.commit(ctx)
}

// startText is kept beside each committed offset: how many partitions the topic
// had when the group first started. What is added later is read from its
// beginning.
func startText(partitions int) string { return startPrefix + strconv.Itoa(partitions) }

const startPrefix = "headrace/1 partitions="

// firstStarts says of each topic with a stored position how many partitions it
// had when the group first started there. It is 0 where only other programs
// committed: what has no position came later, as far as anybody knows.
func firstStarts(stored map[broker.TP]Committed) map[string]int {
	first := map[string]int{}
	for tp, c := range stored {
		if c.Offset < 0 {
			continue
		}
		n := 0
		if text, ok := strings.CutPrefix(c.Metadata, startPrefix); ok {
			if v, err := strconv.Atoi(text); err == nil && v > 0 {
				n = v
			}
		}
		first[tp.Topic] = max(first[tp.Topic], n)
	}
	return first
}
