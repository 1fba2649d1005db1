package admin

import (
	"context"
	"fmt"
	"slices"

	"github.com/IBM/sarama"
)

// BrokerDefault as a count of a NewTopic leaves it to the broker (KIP-464).
const BrokerDefault = -1

// NewTopic says what topic to create.
type NewTopic struct {
	Name string
	// Partitions and ReplicationFactor may be BrokerDefault. They are not used
	// when Replicas is given.
	Partitions        int32
	ReplicationFactor int16
	// Replicas are the brokers of each partition, the preferred leader first.
	Replicas     map[int32][]int32
	Configs      map[string]*string
	ValidateOnly bool
}

// Created says what the brokers made of a NewTopic; 0 where they do not say.
type Created struct {
	Partitions        int32
	ReplicationFactor int16
}

// CreateTopic creates a topic, or with ValidateOnly only checks that it could.
func (a *Admin) CreateTopic(ctx context.Context, t NewTopic) (Created, error) {
	if !validTopicName(t.Name) {
		message := fmt.Sprintf("the topic name %q is not 1 to 249 of a-z A-Z 0-9 . _ - other than . and ..", t.Name)
		return Created{}, explain("creating a topic", refused(sarama.ErrInvalidTopic, &message))
	}
	detail := &sarama.TopicDetail{
		NumPartitions: t.Partitions, ReplicationFactor: t.ReplicationFactor,
		ReplicaAssignment: t.Replicas, ConfigEntries: t.Configs,
	}
	if len(t.Replicas) > 0 {
		detail.NumPartitions, detail.ReplicationFactor = BrokerDefault, BrokerDefault
	}
	return call(ctx, a, fmt.Sprintf("creating topic %q", t.Name), func(c sarama.Client) (Created, error) {
		return onController(c, func(b *sarama.Broker) (Created, error) {
			rsp, err := b.CreateTopics(sarama.NewCreateTopicsRequest(c.Config().Version,
				map[string]*sarama.TopicDetail{t.Name: detail}, a.timeout, t.ValidateOnly))
			if err != nil {
				return Created{}, err
			}
			result := rsp.TopicErrors[t.Name]
			if result == nil {
				return Created{}, sarama.ErrIncompleteResponse
			}
			if err := refused(result.Err, result.ErrMsg); err != nil {
				return Created{}, err
			}
			return created(rsp.TopicResults[t.Name]), nil
		})
	})
}

// validTopicName is the rule of Kafka's own Topic class. Not every broker that
// speaks the protocol checks it.
func validTopicName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > 249 {
		return false
	}
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '_', r == '-':
		default:
			return false
		}
	}
	return true
}

// created leaves out the -1 of an identity that may create a topic but not see
// its configuration.
func created(r *sarama.CreatableTopicResult) Created {
	if r == nil {
		return Created{}
	}
	return Created{Partitions: max(r.NumPartitions, 0), ReplicationFactor: max(r.ReplicationFactor, 0)}
}

// IncreasePartitions gives the topic count partitions, which must be more than
// it has.
func (a *Admin) IncreasePartitions(ctx context.Context, name string, count int32) error {
	return do(ctx, a, fmt.Sprintf("increasing the partitions of topic %q", name), func(c sarama.Client) error {
		_, err := onController(c, func(b *sarama.Broker) (struct{}, error) {
			rsp, err := b.CreatePartitions(&sarama.CreatePartitionsRequest{
				Version:         3,
				TopicPartitions: map[string]*sarama.TopicPartition{name: {Count: count}},
				Timeout:         a.timeout,
			})
			if err != nil {
				return struct{}{}, err
			}
			result := rsp.TopicPartitionErrors[name]
			if result == nil {
				return struct{}{}, sarama.ErrIncompleteResponse
			}
			return struct{}{}, refused(result.Err, result.ErrMsg)
		})
		return err
	})
}

// DeleteTopic deletes a topic; an unknown one is ErrUnknownTopic.
func (a *Admin) DeleteTopic(ctx context.Context, name string) error {
	return do(ctx, a, fmt.Sprintf("deleting topic %q", name), func(c sarama.Client) error {
		_, err := onController(c, func(b *sarama.Broker) (struct{}, error) {
			rsp, err := b.DeleteTopics(sarama.NewDeleteTopicsRequest(c.Config().Version, []string{name}, a.timeout))
			if err != nil {
				return struct{}{}, err
			}
			code, answered := rsp.TopicErrorCodes[name]
			if !answered {
				return struct{}{}, sarama.ErrIncompleteResponse
			}
			if code == sarama.ErrInvalidTopic { // a name that no topic can have
				code = sarama.ErrUnknownTopicOrPartition
			}
			return struct{}{}, refused(code, rsp.TopicErrorMessages[name])
		})
		return err
	})
}

// EndOfPartition as the offset of DeleteRecords deletes everything.
const EndOfPartition int64 = -1

// DeleteRecords deletes the records before the given offset of each partition
// and returns the first offset that each has now. Partitions are on several
// brokers: when one fails, others may have been done.
func (a *Admin) DeleteRecords(ctx context.Context, name string, before map[int32]int64) (map[int32]int64, error) {
	return call(ctx, a, fmt.Sprintf("deleting records of topic %q", name), func(c sarama.Client) (map[int32]int64, error) {
		t, err := oneTopic(c, name, false)
		if err != nil {
			return nil, err
		}
		byLeader := map[int32]map[int32]int64{}
		for id, offset := range before {
			p, ok := t.Partition(id)
			if !ok {
				return nil, refused(sarama.ErrUnknownTopicOrPartition, nil)
			}
			if byLeader[p.Leader] == nil {
				byLeader[p.Leader] = map[int32]int64{}
			}
			byLeader[p.Leader][id] = offset
		}
		first := map[int32]int64{}
		for leader, offsets := range byLeader {
			if err := a.deleteRecords(c, leader, name, offsets, first); err != nil {
				return nil, err
			}
		}
		return first, nil
	})
}

func (a *Admin) deleteRecords(c sarama.Client, leader int32, name string, offsets, first map[int32]int64) error {
	b, err := leaderBroker(c, leader)
	if err != nil {
		return err
	}
	rsp, err := b.DeleteRecords(&sarama.DeleteRecordsRequest{
		Version: 2,
		Topics:  map[string]*sarama.DeleteRecordsRequestTopic{name: {PartitionOffsets: offsets}},
		Timeout: a.timeout,
	})
	if err != nil {
		return err
	}
	answered := rsp.Topics[name]
	if answered == nil {
		return sarama.ErrIncompleteResponse
	}
	for _, id := range sortedKeys(answered.Partitions) {
		p := answered.Partitions[id]
		if err := refused(p.Err, nil); err != nil {
			return fmt.Errorf("partition %d: %w", id, err)
		}
		first[id] = p.LowWatermark
	}
	return nil
}

// leaderBroker finds the broker, once more with fresh metadata when the client
// does not know it yet.
func leaderBroker(c sarama.Client, id int32) (*sarama.Broker, error) {
	if id == NoBroker {
		return nil, sarama.ErrLeaderNotAvailable
	}
	b, err := c.Broker(id)
	if err != nil {
		if _, err := c.RefreshController(); err != nil {
			return nil, err
		}
		b, err = c.Broker(id)
	}
	return b, err
}

func sortedKeys[V any](m map[int32]V) []int32 {
	keys := make([]int32, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
