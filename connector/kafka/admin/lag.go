package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/IBM/sarama"
)

// Lag is how far a group is behind on one partition that it has committed an
// offset for. The member is the partition's owner now; its fields are empty
// when nobody is.
type Lag struct {
	TopicPartition
	Member  Member
	Current int64 // the committed offset
	End     int64 // the first offset that a read_committed consumer cannot read yet
}

// Behind is the number of records between the two offsets. It is negative when
// the log was cut after the commit.
func (l Lag) Behind() int64 { return l.End - l.Current }

// Lags returns the lag of each partition with a committed offset, the greatest
// first, then by topic and partition. An unknown group is ErrUnknownGroup;
// partitions that no longer exist are left out.
func (a *Admin) Lags(ctx context.Context, id string) ([]Lag, error) {
	return call(ctx, a, fmt.Sprintf("computing the lag of consumer group %q", id), func(c sarama.Client) ([]Lag, error) {
		group, err := onCoordinator(c, id, func(b *sarama.Broker) (Group, error) { return oneGroup(b, &topicNames{client: c}, id) })
		if err != nil {
			return nil, err
		}
		committed, err := onCoordinator(c, id, func(b *sarama.Broker) (map[TopicPartition]int64, error) {
			return committedOffsets(b, c.Config().Version, id)
		})
		if err != nil {
			return nil, err
		}
		partitions := make([]TopicPartition, 0, len(committed))
		for p := range committed {
			partitions = append(partitions, p)
		}
		ends, err := listOffsets(c, partitions, sarama.OffsetNewest, sarama.ReadCommitted)
		if err != nil {
			return nil, err
		}
		return lags(group, committed, ends), nil
	})
}

func lags(group Group, committed, ends map[TopicPartition]int64) []Lag {
	owners := map[TopicPartition]Member{}
	for _, m := range group.Members {
		for _, p := range m.Assigned {
			owners[p] = m
		}
	}
	list := []Lag{}
	for p, current := range committed {
		if end, exists := ends[p]; exists {
			list = append(list, Lag{TopicPartition: p, Member: owners[p], Current: current, End: end})
		}
	}
	slices.SortFunc(list, func(x, y Lag) int {
		return cmp.Or(cmp.Compare(y.Behind(), x.Behind()), cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	})
	return list
}

// committedOffsets reads all of a group's offsets. A partition without one has
// the offset -1 in the answer.
func committedOffsets(b *sarama.Broker, version sarama.KafkaVersion, id string) (map[TopicPartition]int64, error) {
	rsp, err := b.FetchOffset(sarama.NewOffsetFetchRequest(version, id, nil))
	if err != nil {
		return nil, err
	}
	code, blocks := rsp.Err, rsp.Blocks
	for _, g := range rsp.Groups {
		if g.GroupId == id {
			code, blocks = g.Err, g.Blocks
		}
	}
	if err := refused(code, nil); err != nil {
		return nil, err
	}
	committed := map[TopicPartition]int64{}
	for topic, partitions := range blocks {
		for p, block := range partitions {
			if err := refused(block.Err, nil); err != nil {
				return nil, fmt.Errorf("%s/%d: %w", topic, p, err)
			}
			if block.Offset >= 0 {
				committed[TopicPartition{topic, p}] = block.Offset
			}
		}
	}
	return committed, nil
}
