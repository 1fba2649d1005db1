package group

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/broker"
	"github.com/headrace/headrace/internal/backoff"
)

// rosterProtocol is the protocol type of a roster's group, so that no consumer
// takes it for one of its own.
const rosterProtocol = "headrace"

// rosterSettle bounds how long Members waits while the group changes: then the
// broker does not tell what its members said.
const rosterSettle = 8 * time.Second

// Roster is a list of processes that find each other through Kafka: each one
// is a member of a group that reads nothing, and says in its membership what
// the others have to know. A process that ends, or loses Kafka, disappears
// from it. It is safe for concurrent use.
type Roster struct {
	group Group
	log   *slog.Logger

	mu     sync.Mutex
	cancel context.CancelFunc
	done   chan struct{}
	asked  chan struct{} // closed when the broker knows of the process
	closed bool
	seen   sync.Once
}

// NewRoster returns the roster of a group. It needs no network.
func NewRoster(conns *broker.Conns, id string, log *slog.Logger) *Roster {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Roster{group: New(conns, id, ""), log: log, asked: make(chan struct{})}
}

// Join adds the process with what it says, once, and keeps it there until
// Close. It returns when the broker was told, or after ctx; then it goes on in
// the background.
func (x *Roster) Join(ctx context.Context, says string) {
	x.mu.Lock()
	if x.closed {
		x.mu.Unlock()
		return
	}
	if x.cancel == nil {
		run, cancel := context.WithCancel(context.WithoutCancel(ctx))
		x.cancel, x.done = cancel, make(chan struct{})
		go func() {
			defer close(x.done)
			x.run(run, says)
		}()
	}
	x.mu.Unlock()
	select {
	case <-x.asked:
	case <-ctx.Done():
		return
	}
	x.seen.Do(func() { x.await(ctx) })
}

// await returns when the broker counts the process, or perhaps another one,
// as a member: from then on Members of any process waits for the rest.
func (x *Roster) await(ctx context.Context) {
	for {
		if d, err := x.describe(ctx); err != nil || d.State != "Empty" && d.State != "Dead" {
			return
		}
		if !backoff.Sleep(ctx, broker.RetryBackoff) {
			return
		}
	}
}

// Close leaves the group.
func (x *Roster) Close() {
	x.mu.Lock()
	cancel, done := x.cancel, x.done
	x.closed = true
	x.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

func (x *Roster) run(ctx context.Context, says string) {
	m := Nobody
	var once sync.Once
	told := func() { once.Do(func() { close(x.asked) }) }
	defer told()
	for failures := 0; ctx.Err() == nil; {
		err := x.enter(ctx, &m, says, told)
		if err == nil {
			failures = 0
			err = x.stay(ctx, &m)
		}
		if err == nil || errors.Is(err, sarama.ErrRebalanceInProgress) || ctx.Err() != nil {
			continue
		}
		if errors.Is(err, sarama.ErrUnknownMemberId) || errors.Is(err, sarama.ErrIllegalGeneration) {
			m.Member = ""
		}
		x.log.Debug("this process is not in the list of gateways", "group", x.group.id, "error", err)
		failures++
		backoff.Sleep(ctx, backoff.Step(100*time.Millisecond, 30*time.Second, failures))
	}
	if m.Member == "" {
		return
	}
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
	defer cancel()
	if err := x.group.leave(leave, m.Member); err != nil {
		x.log.Debug("leaving the list of gateways failed; the session will expire", "group", x.group.id, "error", err)
	}
}

// enter joins the group; the assignment of each member is empty.
func (x *Roster) enter(ctx context.Context, m *Identity, says string, told func()) error {
	var answer *sarama.JoinGroupResponse
	for {
		req := sarama.NewJoinGroupRequest(sarama.MaxVersion)
		req.GroupId, req.MemberId, req.ProtocolType = x.group.id, m.Member, rosterProtocol
		req.SessionTimeout = int32(sessionTimeout / time.Millisecond)
		req.RebalanceTimeout = int32(rebalanceTimeout / time.Millisecond)
		req.AddGroupProtocol(rosterProtocol, []byte(says))
		var err error
		answer, err = toCoordinator(ctx, x.group, rebalanceTimeout+broker.AnswerTimeout, func(b *sarama.Broker) (*sarama.JoinGroupResponse, sarama.KError, error) {
			res, err := b.JoinGroup(req)
			if err != nil {
				return nil, 0, err
			}
			return res, res.Err, nil
		})
		if err != nil {
			return err
		}
		m.Member = answer.MemberId
		told() // the next request only waits for the others
		if !errors.Is(answer.Err, sarama.ErrMemberIdRequired) {
			break
		}
	}
	if err := x.group.refused("joining", answer.Err); err != nil {
		return err
	}
	m.Generation = answer.GenerationId
	kind, protocol := rosterProtocol, answer.GroupProtocol
	req := &sarama.SyncGroupRequest{Version: 5, GroupId: x.group.id, MemberId: m.Member, GenerationId: m.Generation, ProtocolType: &kind, ProtocolName: &protocol}
	if answer.LeaderId == answer.MemberId {
		for _, member := range answer.Members {
			req.AddGroupAssignment(member.MemberId, []byte{})
		}
	}
	res, err := toCoordinator(ctx, x.group, rebalanceTimeout+broker.AnswerTimeout, func(b *sarama.Broker) (*sarama.SyncGroupResponse, sarama.KError, error) {
		res, err := b.SyncGroup(req)
		if err != nil {
			return nil, 0, err
		}
		return res, res.Err, nil
	})
	if err != nil {
		return err
	}
	return x.group.refused("joining", res.Err)
}

func (x *Roster) stay(ctx context.Context, m *Identity) error {
	beat := time.NewTicker(heartbeatEvery)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
		}
		if err := x.group.heartbeat(ctx, *m); err != nil && connector.KindOf(err) != connector.Unavailable || errors.Is(err, sarama.ErrRebalanceInProgress) {
			return err
		}
	}
}

// Members returns what the processes of the roster say, sorted, this one's
// among it. While the group changes it waits for some seconds.
func (x *Roster) Members(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, rosterSettle)
	defer cancel()
	for {
		d, err := x.describe(ctx)
		if err != nil {
			return nil, err
		}
		switch d.State {
		case "Stable":
			var says []string
			for _, m := range d.Members {
				if d.ProtocolType == rosterProtocol {
					says = append(says, string(m.MemberMetadata))
				}
			}
			slices.Sort(says)
			return slices.Compact(says), nil
		case "Empty", "Dead", "":
			return nil, nil
		}
		if !backoff.Sleep(ctx, 4*broker.RetryBackoff) {
			return nil, connector.Errorf(connector.Unavailable, "asking who is in the group %s: it does not come to rest: %w", x.group.id, ctx.Err())
		}
	}
}

func (x *Roster) describe(ctx context.Context) (*sarama.GroupDescription, error) {
	req := &sarama.DescribeGroupsRequest{Version: 4, Groups: []string{x.group.id}}
	res, err := toCoordinator(ctx, x.group, broker.AnswerTimeout, func(b *sarama.Broker) (*sarama.DescribeGroupsResponse, sarama.KError, error) {
		res, err := b.DescribeGroups(req)
		if err != nil || len(res.Groups) == 0 {
			return res, 0, err
		}
		return res, res.Groups[0].Err, nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(res.Groups) != 1:
		return nil, connector.Errorf(connector.Unavailable, "asking who is in the group %s: the broker left it out of its answer", x.group.id)
	}
	if err := broker.Refused("asking who is in the group "+x.group.id, res.Groups[0].Err); err != nil && !errors.Is(err, sarama.ErrGroupIDNotFound) {
		return nil, err
	}
	return res.Groups[0], nil
}
