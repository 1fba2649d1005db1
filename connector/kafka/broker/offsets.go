package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
)

// OffsetAt returns the offset of the first record at or behind a time in
// milliseconds since the epoch, or of Earliest or Latest. When no record is
// that young it is the end of the log.
func (c *Conns) OffsetAt(ctx context.Context, tp TP, at int64) (int64, error) {
	found, err := c.OffsetsAt(ctx, []TP{tp}, at, false)
	if err == nil && found[tp] < 0 {
		found, err = c.OffsetsAt(ctx, []TP{tp}, Latest, false)
	}
	return found[tp], err
}

// OffsetsAt is OffsetAt for many partitions, with one request for each broker
// that leads some. Latest, when only committed records are read, is where the
// first open transaction begins. An offset below 0 says that no record is that
// young.
func (c *Conns) OffsetsAt(ctx context.Context, tps []TP, at int64, committed bool) (map[TP]int64, error) {
	found := make(map[TP]int64, len(tps))
	for lives := 3; len(tps) > 0; lives-- {
		again, err := c.offsetsAt(ctx, tps, at, committed, found)
		if err == nil {
			break
		}
		if lives == 0 || !Transient(err) {
			return nil, err
		}
		for _, topic := range topicsOf(again) {
			if err := c.Relearn(ctx, topic); err != nil {
				return nil, err
			}
		}
		tps = again
	}
	return found, nil
}

// offsetsAt asks once, and returns the partitions that have no answer yet with
// the first reason.
func (c *Conns) offsetsAt(ctx context.Context, tps []TP, at int64, committed bool, found map[TP]int64) (again []TP, first error) {
	failed := func(err error, tps ...TP) {
		again = append(again, tps...)
		if first == nil || !Transient(err) {
			first = err
		}
	}
	byLeader := map[string][]TP{}
	for _, tp := range tps {
		addr, err := c.leader(ctx, tp)
		if err != nil {
			failed(fmt.Errorf("finding the leader of %s/%d: %w", tp.Topic, tp.Partition, err), tp)
			continue
		}
		byLeader[addr] = append(byLeader[addr], tp)
	}
	for addr, led := range byLeader {
		req := sarama.NewOffsetRequest(sarama.MaxVersion)
		if committed {
			req.IsolationLevel = sarama.ReadCommitted
		}
		for _, tp := range led {
			req.AddBlock(tp.Topic, tp.Partition, at, 1)
		}
		res, err := Ask(ctx, c, addr, AnswerTimeout, func(b *sarama.Broker) (*sarama.OffsetResponse, error) { return b.GetAvailableOffsets(req) })
		if err != nil {
			failed(fmt.Errorf("asking for offsets of %s: %w", led[0].Topic, err), led...)
			continue
		}
		for _, tp := range led {
			if found[tp], err = offsetIn(res, tp); err != nil {
				failed(err, tp)
			}
		}
	}
	return again, first
}

func offsetIn(res *sarama.OffsetResponse, tp TP) (int64, error) {
	block := res.GetBlock(tp.Topic, tp.Partition)
	if block == nil {
		return 0, connector.Errorf(connector.Unavailable, "the broker left %s/%d out of its answer", tp.Topic, tp.Partition)
	}
	if err := Refused(fmt.Sprintf("asking for an offset of %s/%d", tp.Topic, tp.Partition), block.Err); err != nil {
		return 0, err
	}
	if len(block.Offsets) == 1 {
		return block.Offsets[0], nil
	}
	return block.Offset, nil
}

func topicsOf(tps []TP) []string {
	seen := map[string]bool{}
	var out []string
	for _, tp := range tps {
		if !seen[tp.Topic] {
			seen[tp.Topic] = true
			out = append(out, tp.Topic)
		}
	}
	return out
}

// Transient reports whether newer metadata may help.
func Transient(err error) bool {
	return errors.Is(err, sarama.ErrNotLeaderForPartition) || errors.Is(err, sarama.ErrLeaderNotAvailable) ||
		errors.Is(err, sarama.ErrReplicaNotAvailable) || errors.Is(err, sarama.ErrFencedLeaderEpoch) ||
		errors.Is(err, sarama.ErrUnknownLeaderEpoch) || errors.Is(err, sarama.ErrKafkaStorageError) ||
		connector.KindOf(err) == connector.Unavailable && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}
