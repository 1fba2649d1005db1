package group

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/broker"
)

// Committed is a group's stored position in a partition: the next offset to
// read and a text of the committer's. An Offset below 0 means that there is
// none.
type Committed struct {
	Offset   int64
	Metadata string
}

// Commit stores positions. A member names itself and its generation, so that
// one that was left behind cannot overwrite its successor's.
func (g Group) Commit(ctx context.Context, as Identity, offsets map[broker.TP]Committed) error {
	if len(offsets) == 0 {
		return nil
	}
	req := &sarama.OffsetCommitRequest{Version: 8, ConsumerGroup: g.id, ConsumerID: as.Member, ConsumerGroupGeneration: as.Generation, GroupInstanceId: g.memberInstance(as)}
	for tp, c := range offsets {
		req.AddBlockWithLeaderEpoch(tp.Topic, tp.Partition, c.Offset, -1, 0, c.Metadata)
	}
	res, err := toCoordinator(ctx, g, broker.AnswerTimeout, func(b *sarama.Broker) (*sarama.OffsetCommitResponse, sarama.KError, error) {
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
			if err := broker.Refused(fmt.Sprintf("storing the position of the group %s in %s/%d", g.id, topic, p), code); err != nil {
				return err
			}
		}
	}
	return nil
}

// Committed asks for stored positions; each partition has an entry.
func (g Group) Committed(ctx context.Context, tps []broker.TP) (map[broker.TP]Committed, error) {
	out := make(map[broker.TP]Committed, len(tps))
	if len(tps) == 0 {
		return out, nil
	}
	partitions := map[string][]int32{}
	for _, tp := range tps {
		partitions[tp.Topic] = append(partitions[tp.Topic], tp.Partition)
	}
	req := sarama.NewOffsetFetchRequest(sarama.MaxVersion, g.id, partitions)
	res, err := toCoordinator(ctx, g, broker.AnswerTimeout, func(b *sarama.Broker) (*sarama.OffsetFetchResponse, sarama.KError, error) {
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
			out[tp] = Committed{Offset: -1}
		}
		return out, nil
	}
	if err := broker.Refused("asking for the positions of the group "+g.id, code); err != nil {
		return nil, err
	}
	for _, tp := range tps {
		block := res.GetBlock(tp.Topic, tp.Partition)
		if block == nil {
			return nil, connector.Errorf(connector.Unavailable, "asking for the positions of the group %s: %s/%d is not in the answer", g.id, tp.Topic, tp.Partition)
		}
		if err := broker.Refused(fmt.Sprintf("asking for the position of the group %s in %s/%d", g.id, tp.Topic, tp.Partition), block.Err); err != nil {
			return nil, err
		}
		out[tp] = Committed{Offset: block.Offset, Metadata: block.Metadata}
	}
	return out, nil
}

// memberInstance names the instance of a static member; a client that is no
// member has none.
func (g Group) memberInstance(as Identity) *string {
	if as.Member == "" {
		return nil
	}
	return g.instance
}
