package reader

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
	"github.com/headrace/headrace/internal/backoff"
)

// The times of group membership, as the Java consumer has them by default,
// but that a member here rejoins by itself and not with its next read.
const (
	sessionTimeout   = 45 * time.Second
	rebalanceTimeout = 60 * time.Second
	heartbeatEvery   = 3 * time.Second
	// lookEvery is how often topics are looked for that came or grew.
	lookEvery = 30 * time.Second
)

// group makes the requests of one group's members.
type group struct {
	r  *Reader
	id string
}

// toCoordinator makes a request to the group's coordinator, again when it moved.
func toCoordinator[T any](ctx context.Context, g group, limit time.Duration, request func(*sarama.Broker) (T, sarama.KError, error)) (T, error) {
	var zero T
	for lives := 3; ; lives-- {
		addr, err := g.coordinator(ctx, lives < 3)
		var answer T
		if err == nil {
			answer, err = ask(ctx, g.r, addr, limit, func(b *sarama.Broker) (T, error) {
				answer, code, err := request(b)
				if err == nil && moved(code) {
					return answer, code
				}
				return answer, err
			})
		}
		if err == nil || lives == 0 || ctx.Err() != nil || connector.KindOf(err) != connector.Unavailable {
			return answer, err
		}
		if !backoff.Sleep(ctx, 5*retryBackoff) {
			return zero, ctx.Err()
		}
	}
}

// moved reports whether an answer means that another broker, or the same a
// little later, has to be asked.
func moved(code sarama.KError) bool {
	return errors.Is(code, sarama.ErrNotCoordinatorForConsumer) || errors.Is(code, sarama.ErrConsumerCoordinatorNotAvailable) ||
		errors.Is(code, sarama.ErrOffsetsLoadInProgress)
}

func (g group) coordinator(ctx context.Context, refresh bool) (string, error) {
	client, err := g.r.cluster.Client(ctx)
	if err != nil {
		return "", err
	}
	if refresh {
		if err := client.RefreshCoordinator(g.id); err != nil {
			return "", kafkaerr.Classify(err)
		}
	}
	b, err := client.Coordinator(g.id)
	if err != nil {
		return "", kafkaerr.Classify(err)
	}
	return b.Addr(), nil
}

// membership is what a member holds between two rebalances.
type membership struct {
	member     string
	generation int32
	leader     bool
	assigned   []TP
	partitions map[string]int // of the subscribed topics, when it joined
}

var strategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange(), sarama.NewBalanceStrategyRoundRobin()}

// join enters the group, or enters it again, and returns what was assigned.
// member is the id from before; it comes back also with an error.
func (g group) join(ctx context.Context, member string, topics []string) (membership, error) {
	m := membership{member: member, partitions: g.count(ctx, topics)}
	var answer *sarama.JoinGroupResponse
	for {
		var err error
		answer, err = g.askToJoin(ctx, m.member, topics)
		if err != nil {
			return m, err
		}
		if !errors.Is(answer.Err, sarama.ErrMemberIdRequired) {
			break
		}
		m.member = answer.MemberId // KIP-394: known before it is let in
	}
	if err := refused("joining the group "+g.id, answer.Err); err != nil {
		return m, err
	}
	m.member, m.generation, m.leader = answer.MemberId, answer.GenerationId, answer.LeaderId == answer.MemberId
	plan := map[string]*sarama.ConsumerGroupMemberAssignment{}
	if m.leader {
		var err error
		if plan, err = g.plan(ctx, answer); err != nil {
			return m, err
		}
	}
	assigned, err := g.sync(ctx, &m, plan, answer.GroupProtocol)
	m.assigned = assigned
	return m, err
}

func (g group) askToJoin(ctx context.Context, member string, topics []string) (*sarama.JoinGroupResponse, error) {
	req := sarama.NewJoinGroupRequest(sarama.MaxVersion)
	req.GroupId, req.MemberId, req.ProtocolType = g.id, member, "consumer"
	req.SessionTimeout = int32(sessionTimeout / time.Millisecond)
	req.RebalanceTimeout = int32(rebalanceTimeout / time.Millisecond)
	for _, s := range strategies {
		if err := req.AddGroupProtocolMetadata(s.Name(), &sarama.ConsumerGroupMemberMetadata{Topics: topics}); err != nil {
			return nil, fmt.Errorf("joining the group %s: %w", g.id, err)
		}
	}
	return toCoordinator(ctx, g, rebalanceTimeout+answerTimeout, func(b *sarama.Broker) (*sarama.JoinGroupResponse, sarama.KError, error) {
		res, err := b.JoinGroup(req)
		if err != nil {
			return nil, 0, err
		}
		return res, res.Err, nil
	})
}

// plan is the leader's work: who reads what. Topics that do not exist are left
// out; they are found when they come.
func (g group) plan(ctx context.Context, answer *sarama.JoinGroupResponse) (map[string]*sarama.ConsumerGroupMemberAssignment, error) {
	members, err := answer.GetMembers()
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "planning for the group %s: its members' subscriptions: %w", g.id, err)
	}
	var strategy sarama.BalanceStrategy
	for _, s := range strategies {
		if s.Name() == answer.GroupProtocol {
			strategy = s
		}
	}
	if strategy == nil {
		return nil, connector.Errorf(connector.Invalid, "planning for the group %s: the assignor %q is not known here", g.id, answer.GroupProtocol)
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
	shares, err := strategy.Plan(members, partitions)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "planning for the group %s: %w", g.id, err)
	}
	plan := map[string]*sarama.ConsumerGroupMemberAssignment{}
	for id := range members {
		plan[id] = &sarama.ConsumerGroupMemberAssignment{Topics: shares[id]}
	}
	return plan, nil
}

// count returns how many partitions each topic has; topics that do not exist,
// or may not be seen, have none.
func (g group) count(ctx context.Context, topics []string) map[string]int {
	counts := make(map[string]int, len(topics))
	client, err := g.r.cluster.Client(ctx)
	if err != nil {
		return counts // the request that follows reports it
	}
	for _, t := range topics {
		_ = client.RefreshMetadata(t) // an unknown topic is no error here
		if ps, err := client.Partitions(t); err == nil {
			counts[t] = len(ps)
		}
	}
	return counts
}

func (g group) sync(ctx context.Context, m *membership, plan map[string]*sarama.ConsumerGroupMemberAssignment, protocol string) ([]TP, error) {
	kind := "consumer"
	req := &sarama.SyncGroupRequest{Version: 5, GroupId: g.id, MemberId: m.member, GenerationId: m.generation, ProtocolType: &kind, ProtocolName: &protocol}
	for id, a := range plan {
		if err := req.AddGroupAssignmentMember(id, a); err != nil {
			return nil, fmt.Errorf("joining the group %s: %w", g.id, err)
		}
	}
	res, err := toCoordinator(ctx, g, rebalanceTimeout+answerTimeout, func(b *sarama.Broker) (*sarama.SyncGroupResponse, sarama.KError, error) {
		res, err := b.SyncGroup(req)
		if err != nil {
			return nil, 0, err
		}
		return res, res.Err, nil
	})
	if err != nil {
		return nil, err
	}
	if err := refused("joining the group "+g.id, res.Err); err != nil {
		return nil, err
	}
	if len(res.MemberAssignment) == 0 {
		return nil, nil
	}
	a, err := res.GetMemberAssignment()
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "reading what the group %s assigned: %w", g.id, err)
	}
	var tps []TP
	for topic, partitions := range a.Topics {
		for _, p := range partitions {
			tps = append(tps, TP{topic, p})
		}
	}
	slices.SortFunc(tps, compareTP)
	return tps, nil
}

func (g group) heartbeat(ctx context.Context, m *membership) error {
	req := &sarama.HeartbeatRequest{Version: 4, GroupId: g.id, MemberId: m.member, GenerationId: m.generation}
	res, err := toCoordinator(ctx, g, answerTimeout, func(b *sarama.Broker) (*sarama.HeartbeatResponse, sarama.KError, error) {
		res, err := b.Heartbeat(req)
		if err != nil {
			return nil, 0, err
		}
		return res, res.Err, nil
	})
	if err != nil {
		return err
	}
	return refused("staying in the group "+g.id, res.Err)
}

func (g group) leave(ctx context.Context, member string) error {
	reason := "the consumer is being closed"
	req := &sarama.LeaveGroupRequest{Version: 5, GroupId: g.id, MemberId: member,
		Members: []sarama.MemberIdentity{{MemberId: member, Reason: &reason}}}
	_, err := toCoordinator(ctx, g, answerTimeout, func(b *sarama.Broker) (*sarama.LeaveGroupResponse, sarama.KError, error) {
		res, err := b.LeaveGroup(req)
		if err != nil {
			return nil, 0, err
		}
		return res, res.Err, nil
	})
	return err
}
