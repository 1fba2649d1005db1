package admin

import (
	"cmp"
	"context"
	"slices"

	"github.com/IBM/sarama"
)

// Reassignment is a partition whose replicas are on the move (KIP-455).
type Reassignment struct {
	TopicPartition
	Adding, Removing []int32
}

// Reassignments returns the reassignments under way, of all topics or of the
// one that is named, sorted by topic and partition. An unknown topic has none.
func (a *Admin) Reassignments(ctx context.Context, name string) ([]Reassignment, error) {
	return call(ctx, a, "listing reassignments", func(c sarama.Client) ([]Reassignment, error) {
		var names []string
		if name != "" {
			names = []string{name}
		}
		// The client library cannot ask for all, so the topics are named.
		m, err := metadata(c, names, false)
		if err != nil {
			return nil, err
		}
		req := &sarama.ListPartitionReassignmentsRequest{TimeoutMs: int32(a.timeout.Milliseconds())}
		asked := 0
		for _, t := range m.Topics {
			if t.Err == sarama.ErrTopicAuthorizationFailed && name != "" {
				return nil, refused(t.Err, nil)
			}
			if len(t.Partitions) == 0 {
				continue
			}
			var ids []int32
			for _, p := range t.Partitions {
				ids = append(ids, p.ID)
			}
			req.AddBlock(t.Name, ids)
			asked++
		}
		if asked == 0 {
			return []Reassignment{}, nil
		}
		return onController(c, func(b *sarama.Broker) ([]Reassignment, error) {
			rsp, err := b.ListPartitionReassignments(req)
			if err != nil {
				return nil, err
			}
			if err := refused(rsp.ErrorCode, rsp.ErrorMessage); err != nil {
				return nil, err
			}
			return reassignments(rsp), nil
		})
	})
}

func reassignments(rsp *sarama.ListPartitionReassignmentsResponse) []Reassignment {
	found := []Reassignment{}
	for name, partitions := range rsp.TopicStatus {
		for id, p := range partitions {
			if len(p.AddingReplicas) > 0 || len(p.RemovingReplicas) > 0 {
				found = append(found, Reassignment{TopicPartition{name, id}, p.AddingReplicas, p.RemovingReplicas})
			}
		}
	}
	slices.SortFunc(found, func(x, y Reassignment) int {
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	})
	return found
}
