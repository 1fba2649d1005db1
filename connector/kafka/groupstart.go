package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/backoff"
)

// groupStart finds where the partitions of a session begin, and stores it
// before the first record of them is published: a start that lives in memory
// only is another one after each restart, and what came meanwhile is lost.
type groupStart struct {
	cfg     *GroupConfig
	client  sarama.Client
	metrics *groupMetrics

	mu    sync.Mutex
	texts map[string]string // of each topic, to be stored with every position
}

// text is what is stored beside the positions in a topic.
func (g *groupStart) text(topic string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.texts[topic]
}

func (g *groupStart) setText(topic, text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.texts == nil {
		g.texts = map[string]string{}
	}
	g.texts[topic] = text
}

// maxStartAttempts bounds how often a coordinator that moves is looked for.
const maxStartAttempts = 5

// place is a partition's committed position; offset -1: there is none.
type place struct {
	offset   int64
	metadata string
}

// begin is called when the member was given its partitions.
func (g *groupStart) begin(ctx context.Context, s sarama.ConsumerGroupSession) error {
	for topic, claimed := range s.Claims() {
		all, err := g.client.Partitions(topic)
		if err != nil {
			return connector.Errorf(connector.KindOf(classify(err)), "reading the topic %s: %w", topic, err)
		}
		stored, err := g.stored(ctx, topic, all)
		if err != nil {
			return err
		}
		first := firstStart(stored, len(all))
		if g.text(topic) != "" && first == len(all) && !anyStored(stored) {
			first = 0 // brokers forget the positions in a topic that was deleted: it was made anew
		}
		text := startText(first)
		g.setText(topic, text)
		moved := map[int32]int64{}
		for _, p := range claimed {
			at, err := g.place(topic, p, stored[p], first)
			if err != nil {
				return err
			}
			if at != stored[p].offset {
				moved[p] = at
			}
		}
		if err := g.store(ctx, s, topic, moved, text); err != nil {
			return err
		}
		for _, p := range claimed {
			at, ok := moved[p]
			if !ok {
				continue
			}
			s.MarkOffset(topic, p, at, text) // moves forward only
			s.ResetOffset(topic, p, at, text)
		}
	}
	return nil
}

// startText is kept beside each committed offset: how many partitions the topic
// had when the group first started. What is added later is read from its
// beginning.
func startText(partitions int) string { return "headrace/1 partitions=" + strconv.Itoa(partitions) }

// firstStart returns how many partitions the topic had when the group first
// started: all it has now, for a group that has no position in it. A group that
// other programs committed for was given all that it has positions in.
func firstStart(stored map[int32]place, now int) int {
	known := -1
	for p, at := range stored {
		if at.offset < 0 {
			continue
		}
		if text, ok := strings.CutPrefix(at.metadata, "headrace/1 partitions="); ok {
			if n, err := strconv.Atoi(text); err == nil && n >= 0 {
				return n
			}
		}
		known = max(known, int(p))
	}
	if known < 0 {
		return now
	}
	return 0 // those without a position came later, as far as anybody knows
}

func anyStored(stored map[int32]place) bool {
	for _, at := range stored {
		if at.offset >= 0 {
			return true
		}
	}
	return false
}

// place returns where a partition begins, and says so when that is not where the
// group stopped.
func (g *groupStart) place(topic string, p int32, at place, first int) (int64, error) {
	oldest, newest, err := g.ends(topic, p)
	if err != nil {
		return 0, err
	}
	log := g.cfg.Log.With("group", g.cfg.Group, "topic", topic, "partition", p)
	switch {
	case at.offset < 0 && int(p) >= first:
		log.Info("a partition that came later is read from its beginning", "offset", oldest)
		return oldest, nil
	case at.offset < 0 && g.cfg.Initial == OffsetEarliest:
		return oldest, nil
	case at.offset < 0:
		log.Info("a new group begins at the end of the partition", "offset", newest, "not_read", newest-oldest)
		return newest, nil
	case at.offset < oldest:
		log.Warn("records were deleted before they were read; the group goes on at the first that is left",
			"from", at.offset, "to", oldest, "lost", oldest-at.offset)
		g.metrics.skipped.Add(float64(oldest - at.offset))
		return oldest, nil
	case at.offset > newest && at.offset > g.highest(topic, p, newest):
		log.Warn("the group stopped behind the end of the partition, so the topic was made anew; it is read from its beginning",
			"from", at.offset, "to", oldest, "end", newest, "read", newest-oldest)
		g.metrics.reset.Inc()
		return oldest, nil
	}
	return at.offset, nil
}

// highest is the end of the log with what belongs to transactions that are not
// over: a group that reads everything may have stopped there.
func (g *groupStart) highest(topic string, p int32, stable int64) int64 {
	if end, err := g.client.GetOffset(topic, p, sarama.OffsetNewest); err == nil {
		return end
	}
	return stable
}

// ends returns the first offset of a partition, and the end of what is committed.
func (g *groupStart) ends(topic string, p int32) (oldest, newest int64, err error) {
	if oldest, err = g.client.GetOffset(topic, p, sarama.OffsetOldest); err == nil {
		newest, err = stableEnd(g.client, topic, p)
	}
	if err != nil {
		return 0, 0, connector.Errorf(connector.KindOf(classify(err)), "asking for the ends of %s, partition %d: %w", topic, p, err)
	}
	return oldest, newest, nil
}

// stored asks for the group's positions in all partitions of a topic.
func (g *groupStart) stored(ctx context.Context, topic string, partitions []int32) (map[int32]place, error) {
	what := "asking for the positions of the group " + g.cfg.Group
	req := sarama.NewOffsetFetchRequest(sarama.MaxVersion, g.cfg.Group, map[string][]int32{topic: partitions})
	out := make(map[int32]place, len(partitions))
	err := g.toCoordinator(ctx, what, func(b *sarama.Broker) (sarama.KError, error) {
		res, err := b.FetchOffset(req)
		if err != nil {
			return 0, err
		}
		code := res.Err
		if len(res.Groups) > 0 {
			code = res.Groups[0].Err
		}
		if code != sarama.ErrNoError && code != sarama.ErrGroupIDNotFound { // some brokers say so of a group that never committed
			return code, nil
		}
		for _, p := range partitions {
			out[p] = place{offset: -1}
			block := res.GetBlock(topic, p)
			if block == nil {
				continue
			}
			if block.Err != sarama.ErrNoError {
				return block.Err, nil
			}
			out[p] = place{block.Offset, block.Metadata}
		}
		return sarama.ErrNoError, nil
	})
	return out, err
}

// store commits positions as the member of the session's generation.
func (g *groupStart) store(ctx context.Context, s sarama.ConsumerGroupSession, topic string, at map[int32]int64, text string) error {
	if len(at) == 0 {
		return nil
	}
	req := &sarama.OffsetCommitRequest{Version: 8, ConsumerGroup: g.cfg.Group, ConsumerID: s.MemberID(), ConsumerGroupGeneration: s.GenerationID()}
	for p, offset := range at {
		req.AddBlockWithLeaderEpoch(topic, p, offset, -1, 0, text)
	}
	return g.toCoordinator(ctx, "storing where the group "+g.cfg.Group+" begins in "+topic, func(b *sarama.Broker) (sarama.KError, error) {
		res, err := b.CommitOffset(req)
		if err != nil {
			return 0, err
		}
		for _, partitions := range res.Errors {
			for _, code := range partitions {
				if code != sarama.ErrNoError {
					return code, nil
				}
			}
		}
		return sarama.ErrNoError, nil
	})
}

// toCoordinator asks the group's coordinator, and looks for it again when it
// moved.
func (g *groupStart) toCoordinator(ctx context.Context, what string, call func(*sarama.Broker) (sarama.KError, error)) error {
	for attempt := 1; ; attempt++ {
		b, err := g.client.Coordinator(g.cfg.Group)
		code := sarama.ErrNoError
		if err == nil {
			code, err = call(b)
		}
		if err == nil && code == sarama.ErrNoError {
			return nil
		}
		again := err != nil || errors.Is(code, sarama.ErrNotCoordinatorForConsumer) || errors.Is(code, sarama.ErrOffsetsLoadInProgress) || errors.Is(code, sarama.ErrConsumerCoordinatorNotAvailable)
		if err == nil {
			err = code
		}
		if !again || attempt == maxStartAttempts || !backoff.Sleep(ctx, backoff.Step(100*time.Millisecond, 2*time.Second, attempt)) {
			return connector.Errorf(connector.KindOf(classify(err)), "%s: %w", what, err)
		}
		_ = g.client.RefreshCoordinator(g.cfg.Group) // the next round says what is wrong
	}
}

// stableEnd is the end of what a reader of committed records may see now.
func stableEnd(client sarama.Client, topic string, p int32) (int64, error) {
	leader, err := client.Leader(topic, p)
	if err != nil {
		return 0, err
	}
	req := sarama.NewOffsetRequest(client.Config().Version)
	req.IsolationLevel = sarama.ReadCommitted
	req.AddBlock(topic, p, sarama.OffsetNewest, 1)
	res, err := leader.GetAvailableOffsets(req)
	if err != nil {
		return 0, err
	}
	block := res.GetBlock(topic, p)
	switch {
	case block == nil:
		return 0, fmt.Errorf("the broker left the partition out of its answer")
	case block.Err != sarama.ErrNoError:
		return 0, block.Err
	case len(block.Offsets) == 1:
		return block.Offsets[0], nil
	}
	return block.Offset, nil
}
