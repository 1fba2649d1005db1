package admin

import (
	"github.com/IBM/sarama"
)

func describeModern(b *sarama.Broker, names *topicNames, ids []string) ([]Group, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	req := sarama.NewConsumerGroupDescribeRequest(names.client.Config().Version)
	req.GroupIDs = ids
	rsp, err := b.ConsumerGroupDescribe(req)
	if err != nil {
		return nil, err
	}
	var groups []Group
	for i := range rsp.Groups {
		g := &rsp.Groups[i]
		if g.ErrorCode == sarama.ErrGroupAuthorizationFailed || g.ErrorCode == sarama.ErrGroupIDNotFound {
			continue
		}
		if err := refused(g.ErrorCode, g.ErrorMessage); err != nil {
			return nil, err
		}
		group, err := modernGroup(g, b.ID(), names)
		if err != nil {
			return nil, err
		}
		groups = append(groups, group)
	}
	return groups, nil
}

// classicMember is the MemberType of KIP-1099 that makes a group mixed.
const classicMember = 0

func modernGroup(g *sarama.ConsumerGroupDescription, coordinator int32, names *topicNames) (Group, error) {
	group := Group{ID: g.GroupID, State: named(groupStates, g.GroupState), Type: "CONSUMER", Assignor: g.AssignorName, Coordinator: coordinator}
	for _, m := range g.Members {
		member := Member{ID: m.MemberID, InstanceID: m.InstanceID, ClientID: m.ClientID}
		group.Mixed = group.Mixed || m.MemberType == classicMember
		for _, t := range m.Assignment.TopicPartitions {
			topic, err := names.of(t)
			if err != nil {
				return Group{}, err
			}
			for _, p := range t.Partitions {
				member.Assigned = append(member.Assigned, TopicPartition{topic, p})
			}
		}
		sortPartitions(member.Assigned)
		group.Members = append(group.Members, member)
	}
	sortMembers(group.Members)
	return group, nil
}

// topicNames looks up topics where a broker gave only their ids, once for a
// whole answer.
type topicNames struct {
	client sarama.Client
	byID   map[sarama.Uuid]string
}

func (n *topicNames) of(t sarama.ConsumerGroupTopicPartitions) (string, error) {
	if t.TopicName != "" {
		return t.TopicName, nil
	}
	if n.byID == nil {
		m, err := metadata(n.client, nil, false)
		if err != nil {
			return "", err
		}
		n.byID = map[sarama.Uuid]string{}
		for _, known := range m.Topics {
			n.byID[known.Uuid] = known.Name
		}
	}
	return n.byID[t.TopicID], nil // "" when it was deleted meanwhile
}
