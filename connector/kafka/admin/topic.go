package admin

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/IBM/sarama"
)

// NoBroker stands for a controller, leader or broker that there is none of.
const NoBroker int32 = -1

// Cluster describes a cluster's members.
type Description struct {
	Controller int32 // NoBroker while there is none
	Brokers    []Broker
}

// Broker is a member of the cluster.
type Broker struct {
	ID   int32
	Host string
	Port int32
	Rack string // "" when it was told none
}

// Topic is a topic with its partitions, in the order of their numbers.
type Topic struct {
	Name       string
	Internal   bool
	Partitions []Partition
	// Operations are what this identity may do with the topic, in the names of
	// ACLs; nil unless they were asked for.
	Operations []string
}

// ReplicationFactor is the number of replicas of the topic's first partition.
func (t *Topic) ReplicationFactor() int {
	if len(t.Partitions) == 0 {
		return 0
	}
	return len(t.Partitions[0].Replicas)
}

// Partition returns the partition of that number.
func (t *Topic) Partition(id int32) (Partition, bool) {
	i, found := slices.BinarySearchFunc(t.Partitions, id, func(p Partition, id int32) int { return cmp.Compare(p.ID, id) })
	if !found {
		return Partition{}, false
	}
	return t.Partitions[i], true
}

// Partition is one partition. The first replica is the preferred leader.
type Partition struct {
	ID       int32
	Leader   int32 // NoBroker while there is none
	Replicas []int32
	InSync   []int32
}

// Describe returns the brokers, in the order of their ids, and the controller.
func (a *Admin) Describe(ctx context.Context) (Description, error) {
	return call(ctx, a, "describing the cluster", func(c sarama.Client) (Description, error) {
		// One topic that cannot exist keeps the answer small: no topic at all
		// would mean all of them.
		m, err := metadata(c, []string{"."}, false)
		if err != nil {
			return Description{}, err
		}
		d := Description{Controller: m.ControllerID}
		for _, b := range m.Brokers {
			d.Brokers = append(d.Brokers, broker(b))
		}
		slices.SortFunc(d.Brokers, func(x, y Broker) int { return cmp.Compare(x.ID, y.ID) })
		return d, nil
	})
}

func broker(b *sarama.Broker) Broker {
	out := Broker{ID: b.ID(), Rack: b.Rack()}
	host, port, err := net.SplitHostPort(b.Addr())
	if err != nil {
		return out
	}
	out.Host = host
	if n, err := strconv.ParseInt(port, 10, 32); err == nil {
		out.Port = int32(n)
	}
	return out
}

// Topics returns every topic that this identity may see, sorted by name.
func (a *Admin) Topics(ctx context.Context, operations bool) ([]Topic, error) {
	return call(ctx, a, "listing topics", func(c sarama.Client) ([]Topic, error) {
		m, err := metadata(c, nil, operations)
		if err != nil {
			return nil, err
		}
		topics := make([]Topic, 0, len(m.Topics))
		for _, t := range m.Topics {
			if t.Err == sarama.ErrNoError || t.Err == sarama.ErrLeaderNotAvailable {
				topics = append(topics, topic(t, operations))
			}
		}
		slices.SortFunc(topics, func(x, y Topic) int { return cmp.Compare(x.Name, y.Name) })
		return topics, nil
	})
}

// Topic returns one topic; an unknown one is ErrUnknownTopic. The topic is not
// created by asking.
func (a *Admin) Topic(ctx context.Context, name string, operations bool) (Topic, error) {
	return call(ctx, a, fmt.Sprintf("describing topic %q", name), func(c sarama.Client) (Topic, error) {
		return oneTopic(c, name, operations)
	})
}

func oneTopic(c sarama.Client, name string, operations bool) (Topic, error) {
	m, err := metadata(c, []string{name}, operations)
	if err != nil {
		return Topic{}, err
	}
	for _, t := range m.Topics {
		if t.Name != name {
			continue
		}
		switch t.Err {
		case sarama.ErrNoError, sarama.ErrLeaderNotAvailable:
			return topic(t, operations), nil
		case sarama.ErrInvalidTopic: // a name that no topic can have
			return Topic{}, refused(sarama.ErrUnknownTopicOrPartition, nil)
		default:
			return Topic{}, refused(t.Err, nil)
		}
	}
	return Topic{}, refused(sarama.ErrUnknownTopicOrPartition, nil)
}

func metadata(c sarama.Client, topics []string, operations bool) (*sarama.MetadataResponse, error) {
	return onAny(c, func(b *sarama.Broker) (*sarama.MetadataResponse, error) {
		req := sarama.NewMetadataRequest(c.Config().Version, topics)
		req.IncludeTopicAuthorizedOperations = operations
		return b.GetMetadata(req)
	})
}

func topic(m *sarama.TopicMetadata, operations bool) Topic {
	t := Topic{Name: m.Name, Internal: m.IsInternal}
	for _, p := range m.Partitions {
		t.Partitions = append(t.Partitions, Partition{ID: p.ID, Leader: p.Leader, Replicas: p.Replicas, InSync: p.Isr})
	}
	slices.SortFunc(t.Partitions, func(x, y Partition) int { return cmp.Compare(x.ID, y.ID) })
	if operations {
		t.Operations = operationNames(m.TopicAuthorizedOperations)
	}
	return t
}

// operationNames reads the bit field of KIP-430: bit n is the operation with
// code n. The smallest number means that the broker left it out.
func operationNames(bits int32) []string {
	names := []string{}
	if bits == -1<<31 {
		return names
	}
	for code, name := range aclOperations {
		if code > 2 && bits&(1<<code) != 0 { // ANY and ALL are not in the field
			names = append(names, name)
		}
	}
	return names
}
