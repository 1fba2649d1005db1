package admin

import (
	"context"
	"fmt"

	"github.com/IBM/sarama"
)

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Offsets are the first offset of a partition and the one after its last.
type Offsets struct{ Earliest, Latest int64 }

// Offsets returns the offsets of one partition of a topic. Latest counts
// records of open transactions too, as the next record comes after them. An
// unknown topic or partition is ErrUnknownTopic.
func (a *Admin) Offsets(ctx context.Context, topic string, partition int32) (Offsets, error) {
	at := TopicPartition{topic, partition}
	return call(ctx, a, fmt.Sprintf("asking for the offsets of %s/%d", topic, partition), func(c sarama.Client) (Offsets, error) {
		first, err := listOffsets(c, []TopicPartition{at}, sarama.OffsetOldest, sarama.ReadUncommitted)
		if err != nil {
			return Offsets{}, err
		}
		last, err := listOffsets(c, []TopicPartition{at}, sarama.OffsetNewest, sarama.ReadUncommitted)
		if err != nil {
			return Offsets{}, err
		}
		for _, found := range []map[TopicPartition]int64{first, last} {
			if _, ok := found[at]; !ok {
				return Offsets{}, refused(sarama.ErrUnknownTopicOrPartition, nil)
			}
		}
		return Offsets{Earliest: first[at], Latest: last[at]}, nil
	})
}

// listOffsets asks each partition's leader. Partitions that do not exist are
// left out of the answer.
func listOffsets(c sarama.Client, partitions []TopicPartition, at int64, isolation sarama.IsolationLevel) (map[TopicPartition]int64, error) {
	leaders, err := leadersOf(c, partitions)
	if err != nil {
		return nil, err
	}
	found := map[TopicPartition]int64{}
	for leader, led := range leaders {
		b, err := leaderBroker(c, leader)
		if err != nil {
			return nil, err
		}
		req := sarama.NewOffsetRequest(c.Config().Version)
		req.IsolationLevel = isolation
		for _, p := range led {
			req.AddBlock(p.Topic, p.Partition, at, 1)
		}
		rsp, err := b.GetAvailableOffsets(req)
		if err != nil {
			return nil, err
		}
		for _, p := range led {
			block := rsp.GetBlock(p.Topic, p.Partition)
			if block == nil {
				return nil, sarama.ErrIncompleteResponse
			}
			if err := refused(block.Err, nil); err != nil {
				return nil, fmt.Errorf("%s/%d: %w", p.Topic, p.Partition, err)
			}
			found[p] = block.Offset
		}
	}
	return found, nil
}

func leadersOf(c sarama.Client, partitions []TopicPartition) (map[int32][]TopicPartition, error) {
	var names []string
	wanted := map[TopicPartition]bool{}
	seen := map[string]bool{}
	for _, p := range partitions {
		wanted[p] = true
		if !seen[p.Topic] {
			seen[p.Topic] = true
			names = append(names, p.Topic)
		}
	}
	leaders := map[int32][]TopicPartition{}
	if len(names) == 0 {
		return leaders, nil
	}
	m, err := metadata(c, names, false)
	if err != nil {
		return nil, err
	}
	for _, t := range m.Topics {
		if t.Err == sarama.ErrTopicAuthorizationFailed {
			return nil, refused(t.Err, nil)
		}
		for _, p := range t.Partitions {
			at := TopicPartition{t.Name, p.ID}
			if wanted[at] {
				leaders[p.Leader] = append(leaders[p.Leader], at)
			}
		}
	}
	return leaders, nil
}
