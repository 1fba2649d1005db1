package reader

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
)

// Committed is a group's stored position in a partition: the next offset to
// read and a text of the committer's. An Offset below 0 means that there is
// none.
type Committed struct {
	Offset   int64
	Metadata string
}

func compareTP(a, b TP) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return int(a.Partition) - int(b.Partition)
}

// commit stores positions. A member names itself and its generation, so that
// one that was left behind cannot overwrite its successor's.
func (g group) commit(ctx context.Context, member string, generation int32, offsets map[TP]Committed) error {
	if len(offsets) == 0 {
		return nil
	}
	req := &sarama.OffsetCommitRequest{Version: 8, ConsumerGroup: g.id, ConsumerID: member, ConsumerGroupGeneration: generation}
	for tp, c := range offsets {
		req.AddBlockWithLeaderEpoch(tp.Topic, tp.Partition, c.Offset, -1, 0, c.Metadata)
	}
	res, err := toCoordinator(ctx, g, answerTimeout, func(b *sarama.Broker) (*sarama.OffsetCommitResponse, sarama.KError, error) {
		res, err := b.CommitOffset(req)
		if err != nil {
			return nil, 0, err
		}
		for _, partitions := range res.Errors {
			for _, code := range partitions {
				if moved(code) {
					return res, code, nil
				}
			}
		}
		return res, 0, nil
	})
	if err != nil {
		return err
	}
	for topic, partitions := range res.Errors {
		for p, code := range partitions {
			if err := refused(fmt.Sprintf("storing the position of the group %s in %s/%d", g.id, topic, p), code); err != nil {
				return err
			}
		}
	}
	return nil
}

// committed asks for stored positions; each partition has an entry.
func (g group) committed(ctx context.Context, tps []TP) (map[TP]Committed, error) {
	out := make(map[TP]Committed, len(tps))
	if len(tps) == 0 {
		return out, nil
	}
	partitions := map[string][]int32{}
	for _, tp := range tps {
		partitions[tp.Topic] = append(partitions[tp.Topic], tp.Partition)
	}
	req := sarama.NewOffsetFetchRequest(sarama.MaxVersion, g.id, partitions)
	res, err := toCoordinator(ctx, g, answerTimeout, func(b *sarama.Broker) (*sarama.OffsetFetchResponse, sarama.KError, error) {
		res, err := b.FetchOffset(req)
		if err != nil {
			return nil, 0, err
		}
		code := res.Err
		if len(res.Groups) > 0 {
			code = res.Groups[0].Err
		}
		return res, code, nil
	})
	if err != nil {
		return nil, err
	}
	code := res.Err
	if len(res.Groups) > 0 {
		code = res.Groups[0].Err
	}
	if errors.Is(code, sarama.ErrGroupIDNotFound) { // some brokers say so of a group that never committed
		for _, tp := range tps {
			out[tp] = Committed{Offset: unknown}
		}
		return out, nil
	}
	if err := refused("asking for the positions of the group "+g.id, code); err != nil {
		return nil, err
	}
	for _, tp := range tps {
		block := res.GetBlock(tp.Topic, tp.Partition)
		if block == nil {
			return nil, connector.Errorf(connector.Unavailable, "asking for the positions of the group %s: %s/%d is not in the answer", g.id, tp.Topic, tp.Partition)
		}
		if err := refused(fmt.Sprintf("asking for the position of the group %s in %s/%d", g.id, tp.Topic, tp.Partition), block.Err); err != nil {
			return nil, err
		}
		out[tp] = Committed{Offset: block.Offset, Metadata: block.Metadata}
	}
	return out, nil
}
