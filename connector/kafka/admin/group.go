package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/IBM/sarama"
)

// Group is a consumer group.
type Group struct {
	ID          string
	State       string // such as STABLE, EMPTY, PREPARING_REBALANCE
	Type        string // CLASSIC, CONSUMER (KIP-848), UNKNOWN where brokers do not say
	Simple      bool   // it only stores offsets: nobody joined it
	Mixed       bool   // members of the classic protocol in a group of the new one
	Assignor    string // "" while there is none
	Coordinator int32
	Members     []Member // sorted by id
}

// Member is a consumer in a group.
type Member struct {
	ID         string
	InstanceID *string // of static membership (KIP-345)
	ClientID   string
	Assigned   []TopicPartition // sorted
}

// groupStates are the names by what brokers send.
var groupStates = map[string]string{
	"PreparingRebalance": "PREPARING_REBALANCE", "CompletingRebalance": "COMPLETING_REBALANCE",
	"Assigning": "ASSIGNING", "Reconciling": "RECONCILING",
	"Stable": "STABLE", "Dead": "DEAD", "Empty": "EMPTY",
}

func named(names map[string]string, sent string) string {
	if known, ok := names[sent]; ok {
		return known
	}
	return "UNKNOWN"
}

// Groups returns the consumer groups, sorted by id. Those that this identity
// may not see, that died meanwhile or that no consumer can join are left out.
func (a *Admin) Groups(ctx context.Context) ([]Group, error) {
	return call(ctx, a, "listing consumer groups", func(c sarama.Client) ([]Group, error) {
		groups := []Group{}
		var unreachable error
		answered := 0
		for _, b := range c.Brokers() {
			_ = b.Open(c.Config()) // an error shows at the request
			coordinated, err := groupsOf(b, &topicNames{client: c})
			if broken(err) {
				unreachable = err // its groups have moved to other brokers
				continue
			}
			if err != nil {
				return nil, err
			}
			answered++
			groups = append(groups, coordinated...)
		}
		if answered == 0 {
			return nil, errors.Join(sarama.ErrOutOfBrokers, unreachable)
		}
		slices.SortFunc(groups, func(x, y Group) int { return cmp.Compare(x.ID, y.ID) })
		return slices.CompactFunc(groups, func(x, y Group) bool { return x.ID == y.ID }), nil
	})
}

func groupsOf(b *sarama.Broker, names *topicNames) ([]Group, error) {
	rsp, err := b.ListGroups(&sarama.ListGroupsRequest{Version: 5})
	if err != nil {
		return nil, err
	}
	if err := refused(rsp.Err, nil); err != nil {
		return nil, err
	}
	var classic, modern []string
	for id, protocol := range rsp.Groups {
		switch kind := rsp.GroupsData[id].GroupType; {
		case protocol != "" && protocol != "consumer": // Connect, share groups …
		case strings.EqualFold(kind, "consumer"):
			modern = append(modern, id)
		default:
			classic = append(classic, id)
		}
	}
	groups, err := describeClassic(b, classic)
	if err != nil {
		return nil, err
	}
	for i := range groups {
		groups[i].Type = "CLASSIC"
	}
	more, err := describeModern(b, names, modern)
	if err != nil {
		return nil, err
	}
	groups = append(groups, more...)
	return slices.DeleteFunc(groups, func(g Group) bool { return g.State == "DEAD" }), nil
}

// describeClassic leaves out what the identity may not see.
func describeClassic(b *sarama.Broker, ids []string) ([]Group, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rsp, err := b.DescribeGroups(&sarama.DescribeGroupsRequest{Version: 5, Groups: ids})
	if err != nil {
		return nil, err
	}
	var groups []Group
	for _, g := range rsp.Groups {
		if g.Err == sarama.ErrGroupAuthorizationFailed || g.Err == sarama.ErrGroupIDNotFound {
			continue
		}
		if err := refused(g.Err, nil); err != nil {
			return nil, err
		}
		groups = append(groups, classicGroup(g, b.ID()))
	}
	return groups, nil
}

func classicGroup(g *sarama.GroupDescription, coordinator int32) Group {
	group := Group{
		ID: g.GroupId, State: named(groupStates, g.State), Type: "UNKNOWN",
		Simple: g.ProtocolType == "", Assignor: g.Protocol, Coordinator: coordinator,
	}
	for _, m := range g.Members {
		member := Member{ID: m.MemberId, InstanceID: m.GroupInstanceId, ClientID: m.ClientId}
		// Where the assignment cannot be read the member is there all the
		// same; only what it was given cannot be known.
		if assignment, err := m.GetMemberAssignment(); err == nil && assignment != nil {
			for topic, partitions := range assignment.Topics {
				for _, p := range partitions {
					member.Assigned = append(member.Assigned, TopicPartition{topic, p})
				}
			}
		}
		sortPartitions(member.Assigned)
		group.Members = append(group.Members, member)
	}
	sortMembers(group.Members)
	return group
}

// Group returns one group; an unknown or dead one is ErrUnknownGroup, one that
// this identity may not see ErrDeniedGroup.
func (a *Admin) Group(ctx context.Context, id string) (Group, error) {
	return call(ctx, a, fmt.Sprintf("describing consumer group %q", id), func(c sarama.Client) (Group, error) {
		return onCoordinator(c, id, func(b *sarama.Broker) (Group, error) { return oneGroup(b, &topicNames{client: c}, id) })
	})
}

// oneGroup asks as a group of the new protocol first, as Kafka's own clients
// do: brokers describe such a group as dead to the classic request.
func oneGroup(b *sarama.Broker, names *topicNames, id string) (Group, error) {
	req := sarama.NewConsumerGroupDescribeRequest(names.client.Config().Version)
	req.GroupIDs = []string{id}
	rsp, unsupported := b.ConsumerGroupDescribe(req)
	modern := unsupported == nil && len(rsp.Groups) == 1 && rsp.Groups[0].ErrorCode != sarama.ErrGroupIDNotFound &&
		rsp.Groups[0].ErrorCode != sarama.ErrUnsupportedVersion
	switch {
	case unsupported != nil && !errors.Is(unsupported, sarama.ErrUnsupportedVersion):
		return Group{}, unsupported
	case modern:
		if err := refused(rsp.Groups[0].ErrorCode, rsp.Groups[0].ErrorMessage); err != nil {
			return Group{}, err
		}
		return modernGroup(&rsp.Groups[0], b.ID(), names)
	}
	old, err := b.DescribeGroups(&sarama.DescribeGroupsRequest{Version: 5, Groups: []string{id}})
	if err != nil {
		return Group{}, err
	}
	if len(old.Groups) != 1 {
		return Group{}, sarama.ErrIncompleteResponse
	}
	g := old.Groups[0]
	if err := refused(g.Err, nil); err != nil {
		return Group{}, err
	}
	joinable := g.ProtocolType == "" || g.ProtocolType == "consumer"
	if g.State == "Dead" || !joinable {
		return Group{}, refused(sarama.ErrGroupIDNotFound, nil)
	}
	group := classicGroup(g, b.ID())
	if unsupported == nil { // a broker that knows both protocols says that this is not the new one
		group.Type = "CLASSIC"
	}
	return group, nil
}

// DeleteGroup deletes a group that nobody is in: ErrGroupNotEmpty otherwise,
// ErrUnknownGroup when there is none.
func (a *Admin) DeleteGroup(ctx context.Context, id string) error {
	return do(ctx, a, fmt.Sprintf("deleting consumer group %q", id), func(c sarama.Client) error {
		_, err := onCoordinator(c, id, func(b *sarama.Broker) (struct{}, error) {
			rsp, err := b.DeleteGroups(&sarama.DeleteGroupsRequest{Version: 2, Groups: []string{id}})
			if err != nil {
				return struct{}{}, err
			}
			code, answered := rsp.GroupErrorCodes[id]
			if !answered {
				return struct{}{}, sarama.ErrIncompleteResponse
			}
			return struct{}{}, refused(code, nil)
		})
		return err
	})
}

func sortPartitions(list []TopicPartition) {
	slices.SortFunc(list, func(x, y TopicPartition) int {
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	})
}

func sortMembers(list []Member) {
	slices.SortFunc(list, func(x, y Member) int { return cmp.Compare(x.ID, y.ID) })
}
