package group

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/broker"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
)

// ErrCannotJoin is in the chain of errors about a group that refuses the
// member for a reason that waiting does not end.
var ErrCannotJoin = errors.New("the group cannot be joined")

// refusals are the answers that stay as they are until somebody changes
// something, with what to change.
var refusals = map[sarama.KError]string{
	sarama.ErrInconsistentGroupProtocol: "its members use no assignment strategy that this one offers; let them share one of partition.assignment.strategy, or use another group",
	sarama.ErrGroupMaxSizeReached:       "it has as many members as group.max.size of the brokers allows",
	sarama.ErrInvalidGroupId:            "the brokers do not take its id",
	sarama.ErrInvalidSessionTimeout:     "the brokers do not take a session timeout of 45 s; look at group.min.session.timeout.ms and group.max.session.timeout.ms",
	sarama.ErrGroupAuthorizationFailed:  "the user may not read in the group; grant READ on it",
	sarama.ErrFencedInstancedId:         "another member took over its group.instance.id; give each member one of its own",
}

// refused turns the answer to a request of membership into an error.
func (g Group) refused(what string, code sarama.KError) error {
	why, forGood := refusals[code]
	if !forGood {
		return broker.Refused(what+" the group "+g.id, code)
	}
	kind := connector.KindOf(kafkaerr.Classify(code))
	if kind == connector.Unknown {
		kind = connector.Invalid
	}
	return connector.Errorf(kind, "%s the group %s: %w: %s (%w)", what, g.id, ErrCannotJoin, why, code)
}

// Generation is what a member holds between two rebalances.
type Generation struct {
	Identity
	Partitions []broker.TP    // assigned, sorted
	Counts     map[string]int // partitions of each subscribed topic, when the member joined

	leader   bool
	protocol string
}

// join enters the group, or enters it again, and returns what was assigned.
// The member's id comes back also with an error.
func (g Group) join(ctx context.Context, before Generation, topics []string, offer []sarama.BalanceStrategy) (Generation, error) {
	now := Generation{Identity: Identity{before.Member, -1}, Counts: g.count(ctx, topics)}
	var answer *sarama.JoinGroupResponse
	for {
		var err error
		if answer, err = g.askToJoin(ctx, now.Member, before, topics, offer); err != nil {
			return now, err
		}
		if !errors.Is(answer.Err, sarama.ErrMemberIdRequired) {
			break
		}
		now.Member = answer.MemberId // KIP-394: known before it is let in
	}
	if err := g.refused("joining", answer.Err); err != nil {
		return now, err
	}
	now.Identity = Identity{answer.MemberId, answer.GenerationId}
	now.leader, now.protocol = answer.LeaderId == answer.MemberId, answer.GroupProtocol
	var plan map[string]*sarama.ConsumerGroupMemberAssignment
	if now.leader {
		var err error
		if plan, err = g.plan(ctx, answer, offer); err != nil {
			return now, err
		}
	}
	var err error
	now.Partitions, err = g.sync(ctx, now, plan)
	return now, err
}

func (g Group) askToJoin(ctx context.Context, member string, before Generation, topics []string, offer []sarama.BalanceStrategy) (*sarama.JoinGroupResponse, error) {
	req := sarama.NewJoinGroupRequest(sarama.MaxVersion)
	req.GroupId, req.MemberId, req.ProtocolType, req.GroupInstanceId = g.id, member, "consumer", g.instance
	req.SessionTimeout = int32(sessionTimeout / time.Millisecond)
	req.RebalanceTimeout = int32(rebalanceTimeout / time.Millisecond)
	for _, s := range offer {
		meta := &sarama.ConsumerGroupMemberMetadata{Version: 1, Topics: topics}
		if s.Name() == sarama.StickyBalanceStrategyName {
			held := map[string][]int32{}
			for _, tp := range before.Partitions {
				held[tp.Topic] = append(held[tp.Topic], tp.Partition)
			}
			var err error
			if meta.UserData, err = s.AssignmentData(member, held, before.Generation); err != nil {
				return nil, fmt.Errorf("joining the group %s: %w", g.id, err)
			}
		}
		if err := req.AddGroupProtocolMetadata(s.Name(), meta); err != nil {
			return nil, fmt.Errorf("joining the group %s: %w", g.id, err)
		}
	}
	return toCoordinator(ctx, g, rebalanceTimeout+broker.AnswerTimeout, func(b *sarama.Broker) (*sarama.JoinGroupResponse, sarama.KError, error) {
		res, err := b.JoinGroup(req)
		if err != nil {
			return nil, 0, err
		}
		return res, res.Err, nil
	})
}

// plan is the leader's work: who reads what. Topics that do not exist are left
// out; they are found when they come.
func (g Group) plan(ctx context.Context, answer *sarama.JoinGroupResponse, offer []sarama.BalanceStrategy) (map[string]*sarama.ConsumerGroupMemberAssignment, error) {
	members, err := answer.GetMembers()
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "planning for the group %s: its members' subscriptions: %w", g.id, err)
	}
	at := slices.IndexFunc(offer, func(s sarama.BalanceStrategy) bool { return s.Name() == answer.GroupProtocol })
	if at < 0 {
		return nil, connector.Errorf(connector.Invalid, "planning for the group %s: the strategy %q was not offered", g.id, answer.GroupProtocol)
	}
	wanted := map[string]bool{}
	for _, m := range members {
		for _, t := range m.Topics {
			wanted[t] = true
		}
	}
	counts := g.count(ctx, slices.Sorted(maps.Keys(wanted)))
	partitions := map[string][]int32{}
	for topic, n := range counts {
		for p := range n {
			partitions[topic] = append(partitions[topic], int32(p))
		}
	}
	for id, m := range members { // a member's unknown topics would fail the plan
		m.Topics = slices.DeleteFunc(slices.Clone(m.Topics), func(t string) bool { return counts[t] == 0 })
		members[id] = m
	}
	shares, err := offer[at].Plan(members, partitions)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "planning for the group %s: %w", g.id, err)
	}
	plan := map[string]*sarama.ConsumerGroupMemberAssignment{}
	for id := range members {
		plan[id] = &sarama.ConsumerGroupMemberAssignment{Version: 1, Topics: shares[id]}
	}
	return plan, nil
}

func (g Group) sync(ctx context.Context, now Generation, plan map[string]*sarama.ConsumerGroupMemberAssignment) ([]broker.TP, error) {
	kind := "consumer"
	req := &sarama.SyncGroupRequest{Version: 5, GroupId: g.id, MemberId: now.Member, GenerationId: now.Generation,
		GroupInstanceId: g.instance, ProtocolType: &kind, ProtocolName: &now.protocol}
	for id, a := range plan {
		if err := req.AddGroupAssignmentMember(id, a); err != nil {
			return nil, fmt.Errorf("joining the group %s: %w", g.id, err)
		}
	}
	res, err := g.askToSync(ctx, req)
	if err != nil || len(res.MemberAssignment) == 0 {
		return nil, err
	}
	a, err := res.GetMemberAssignment()
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "reading what the group %s assigned: %w", g.id, err)
	}
	var tps []broker.TP
	for topic, partitions := range a.Topics {
		for _, p := range partitions {
			tps = append(tps, broker.TP{Topic: topic, Partition: p})
		}
	}
	slices.SortFunc(tps, broker.Compare)
	return tps, nil
}

func (g Group) askToSync(ctx context.Context, req *sarama.SyncGroupRequest) (*sarama.SyncGroupResponse, error) {
	res, err := toCoordinator(ctx, g, rebalanceTimeout+broker.AnswerTimeout, func(b *sarama.Broker) (*sarama.SyncGroupResponse, sarama.KError, error) {
		res, err := b.SyncGroup(req)
		if err != nil {
			return nil, 0, err
		}
		return res, res.Err, nil
	})
	if err != nil {
		return nil, err
	}
	return res, g.refused("joining", res.Err)
}

func (g Group) heartbeat(ctx context.Context, as Identity) error {
	req := &sarama.HeartbeatRequest{Version: 4, GroupId: g.id, MemberId: as.Member, GenerationId: as.Generation, GroupInstanceId: g.instance}
	res, err := toCoordinator(ctx, g, broker.AnswerTimeout, func(b *sarama.Broker) (*sarama.HeartbeatResponse, sarama.KError, error) {
		res, err := b.Heartbeat(req)
		if err != nil {
			return nil, 0, err
		}
		return res, res.Err, nil
	})
	if err != nil {
		return err
	}
	return g.refused("staying in", res.Err)
}

// leave gives the membership up. A static member stays: it is expected back.
func (g Group) leave(ctx context.Context, member string) error {
	if g.instance != nil || member == "" {
		return nil
	}
	reason := "the consumer is being closed"
	req := &sarama.LeaveGroupRequest{Version: 5, GroupId: g.id, MemberId: member,
		Members: []sarama.MemberIdentity{{MemberId: member, Reason: &reason}}}
	_, err := toCoordinator(ctx, g, broker.AnswerTimeout, func(b *sarama.Broker) (*sarama.LeaveGroupResponse, sarama.KError, error) {
		res, err := b.LeaveGroup(req)
		if err != nil {
			return nil, 0, err
		}
		return res, res.Err, nil
	})
	return err
}

// Strategies are the names of partition.assignment.strategy, in the order in
// which they are offered when none is named. Java's class names stand for the
// same.
var Strategies = []string{sarama.RangeBalanceStrategyName, sarama.RoundRobinBalanceStrategyName, sarama.StickyBalanceStrategyName, sarama.CooperativeStickyBalanceStrategyName}

var javaNames = map[string]string{
	"org.apache.kafka.clients.consumer.RangeAssignor":             sarama.RangeBalanceStrategyName,
	"org.apache.kafka.clients.consumer.RoundRobinAssignor":        sarama.RoundRobinBalanceStrategyName,
	"org.apache.kafka.clients.consumer.StickyAssignor":            sarama.StickyBalanceStrategyName,
	"org.apache.kafka.clients.consumer.CooperativeStickyAssignor": sarama.CooperativeStickyBalanceStrategyName,
}

// StrategyNames reads a comma-separated list as partition.assignment.strategy
// has it. Nothing means all.
func StrategyNames(list string) ([]string, error) {
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if java, ok := javaNames[name]; ok {
			name = java
		}
		switch {
		case name == "":
		case !slices.Contains(Strategies, name):
			return nil, connector.Errorf(connector.Invalid, "an assignment strategy is one of %s", strings.Join(Strategies, ", "))
		case !slices.Contains(names, name):
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = Strategies
	}
	return names, nil
}

// strategies returns new strategies: they keep state, and belong to one member.
func strategies(names []string) []sarama.BalanceStrategy {
	if len(names) == 0 {
		names = Strategies
	}
	var out []sarama.BalanceStrategy
	for _, name := range names {
		switch name {
		case sarama.RangeBalanceStrategyName:
			out = append(out, sarama.NewBalanceStrategyRange())
		case sarama.RoundRobinBalanceStrategyName:
			out = append(out, sarama.NewBalanceStrategyRoundRobin())
		case sarama.StickyBalanceStrategyName:
			out = append(out, sarama.NewBalanceStrategySticky())
		case sarama.CooperativeStickyBalanceStrategyName:
			out = append(out, sarama.NewBalanceStrategyCooperativeSticky())
		}
	}
	return out
}
