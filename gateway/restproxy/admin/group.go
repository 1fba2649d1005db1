package admin

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

func newGroup(r *request, g admin.Group) ConsumerGroup {
	self := r.groupLink(g.ID)
	return ConsumerGroup{
		Resource:  r.resource("KafkaConsumerGroup", self, "/consumer-group="+g.ID),
		ClusterID: r.id, ConsumerGroupID: g.ID, IsSimple: g.Simple, PartitionAssignor: g.Assignor,
		State: g.State, Type: g.Type, IsMixed: g.Mixed,
		Coordinator: related(r.brokerLink(g.Coordinator)), Consumers: related(self.At("consumers")), LagSummary: related(self.At("lag-summary")),
	}
}

func newConsumer(r *request, group string, m admin.Member) Consumer {
	self := r.groupLink(group).At("consumers", m.ID)
	return Consumer{
		Resource:  r.resource("KafkaConsumer", self, "/consumer-group="+group+"/consumer="+m.ID),
		ClusterID: r.id, ConsumerGroupID: group, ConsumerID: m.ID, InstanceID: m.InstanceID, ClientID: m.ClientID,
		Assignments: related(self.At("assignments")),
	}
}

func newAssignment(r *request, group, consumer string, p admin.TopicPartition) ConsumerAssignment {
	return ConsumerAssignment{
		Resource: r.resource("KafkaConsumerAssignment",
			r.groupLink(group).At("consumers", consumer, "assignments", p.Topic, "partitions", wire.Number(p.Partition)),
			fmt.Sprintf("/consumer-group=%s/consumer=%s/assignment=%s/partition=%d", group, consumer, p.Topic, p.Partition)),
		ClusterID: r.id, ConsumerGroupID: group, ConsumerID: consumer, TopicName: p.Topic, PartitionID: p.Partition,
		Partition: related(r.partitionLink(p.Topic, p.Partition)),
		Lag:       related(r.groupLink(group).At("lags", p.Topic, "partitions", wire.Number(p.Partition))),
	}
}

func newLag(r *request, group string, l admin.Lag) ConsumerLag {
	return ConsumerLag{
		Resource: r.resource("KafkaConsumerLag",
			r.groupLink(group).At("lags", l.Topic, "partitions", wire.Number(l.Partition)),
			fmt.Sprintf("/consumer-group=%s/lag=%s/partition=%d", group, l.Topic, l.Partition)),
		ClusterID: r.id, ConsumerGroupID: group, TopicName: l.Topic, PartitionID: l.Partition,
		ConsumerID: l.Member.ID, InstanceID: l.Member.InstanceID, ClientID: l.Member.ClientID,
		CurrentOffset: l.Current, LogEndOffset: l.End, Lag: l.Behind(),
	}
}

func (a *api) groups(r *request) (reply, error) {
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	groups, err := c.Groups(r.Context())
	if err != nil {
		return reply{}, err
	}
	out := []ConsumerGroup{}
	for _, g := range groups {
		out = append(out, newGroup(r, g))
	}
	return found(list("KafkaConsumerGroup", r.at("consumer-groups"), out))
}

// oneGroup finds the group of the path.
func oneGroup(r *request) (admin.Group, error) {
	c, err := r.cluster()
	if err != nil {
		return admin.Group{}, err
	}
	id := r.PathValue("consumer_group_id")
	g, err := c.Group(r.Context(), id)
	if errors.Is(err, admin.ErrUnknownGroup) {
		return g, wire.Errorf(http.StatusNotFound, "Consumer Group %s could not be found.", id)
	}
	return g, err
}

func (a *api) group(r *request) (reply, error) {
	g, err := oneGroup(r)
	if err != nil {
		return reply{}, err
	}
	return found(newGroup(r, g))
}

// deleteGroup is beyond the original: DELETE /consumer-groups/{g}.
func (a *api) deleteGroup(r *request) (reply, error) {
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	return noContent, c.DeleteGroup(r.Context(), r.PathValue("consumer_group_id"))
}

func (a *api) consumers(r *request) (reply, error) {
	g, err := oneGroup(r)
	if err != nil {
		return reply{}, err
	}
	out := []Consumer{}
	for _, m := range g.Members {
		out = append(out, newConsumer(r, g.ID, m))
	}
	return found(list("KafkaConsumer", r.groupLink(g.ID).At("consumers"), out))
}

// oneConsumer finds the consumer of the path.
func oneConsumer(r *request) (admin.Group, admin.Member, error) {
	g, err := oneGroup(r)
	if err != nil {
		return g, admin.Member{}, err
	}
	id := r.PathValue("consumer_id")
	for _, m := range g.Members {
		if m.ID == id {
			return g, m, nil
		}
	}
	return g, admin.Member{}, wire.Errorf(http.StatusNotFound, "Consumer %s could not be found.", id)
}

func (a *api) consumer(r *request) (reply, error) {
	g, m, err := oneConsumer(r)
	if err != nil {
		return reply{}, err
	}
	return found(newConsumer(r, g.ID, m))
}

func (a *api) assignments(r *request) (reply, error) {
	g, m, err := oneConsumer(r)
	if err != nil {
		return reply{}, err
	}
	out := []ConsumerAssignment{}
	for _, p := range m.Assigned {
		out = append(out, newAssignment(r, g.ID, m.ID, p))
	}
	return found(list("KafkaConsumerAssignment", r.groupLink(g.ID).At("consumers", m.ID, "assignments"), out))
}

func (a *api) assignment(r *request) (reply, error) {
	id, err := r.number("partition_id")
	if err != nil {
		return reply{}, err
	}
	g, m, err := oneConsumer(r)
	if err != nil {
		return reply{}, err
	}
	for _, p := range m.Assigned {
		if p.Topic == r.PathValue("topic_name") && p.Partition == id {
			return found(newAssignment(r, g.ID, m.ID, p))
		}
	}
	return reply{}, wire.NotFound()
}

// groupLags finds the lags of the group of the path; none is an answer of its
// own.
func groupLags(r *request) (string, []admin.Lag, error) {
	id := r.PathValue("consumer_group_id")
	c, err := r.cluster()
	if err != nil {
		return id, nil, err
	}
	lags, err := c.Lags(r.Context(), id)
	switch {
	case errors.Is(err, admin.ErrUnknownGroup):
		return id, nil, wire.Errorf(http.StatusNotFound, "Consumer Group %s could not be found.", id)
	case err != nil:
		return id, nil, err
	case len(lags) == 0:
		return id, nil, wire.Errorf(http.StatusNotFound, "Consumer group offsets could not be found: the group has committed none yet.")
	}
	return id, lags, nil
}

func (a *api) lags(r *request) (reply, error) {
	id, lags, err := groupLags(r)
	if err != nil {
		return reply{}, err
	}
	out := []ConsumerLag{}
	for _, l := range lags {
		out = append(out, newLag(r, id, l))
	}
	return found(list("KafkaConsumerLag", r.groupLink(id).At("lags"), out))
}

func (a *api) lag(r *request) (reply, error) {
	partition, err := r.number("partition_id")
	if err != nil {
		return reply{}, err
	}
	id, lags, err := groupLags(r)
	if err != nil {
		return reply{}, err
	}
	for _, l := range lags {
		if l.Topic == r.PathValue("topic_name") && l.Partition == partition {
			return found(newLag(r, id, l))
		}
	}
	return reply{}, wire.NotFound()
}

func (a *api) lagSummary(r *request) (reply, error) {
	id, lags, err := groupLags(r)
	if err != nil {
		return reply{}, err
	}
	self := r.groupLink(id)
	worst, total := lags[0], int64(0) // the greatest lag comes first
	for _, l := range lags {
		total += max(l.Behind(), 0)
	}
	return found(LagSummary{
		Resource:  r.resource("KafkaConsumerGroupLagSummary", self.At("lag-summary"), "/consumer-group="+id+"/lag-summary"),
		ClusterID: r.id, ConsumerGroupID: id,
		MaxLagConsumerID: worst.Member.ID, MaxLagInstanceID: worst.Member.InstanceID, MaxLagClientID: worst.Member.ClientID,
		MaxLagTopicName: worst.Topic, MaxLagPartitionID: worst.Partition,
		MaxLag: max(worst.Behind(), 0), TotalLag: total,
		MaxLagConsumer: related(self.At("consumers", worst.Member.ID)), MaxLagPartition: related(r.partitionLink(worst.Topic, worst.Partition)),
	})
}
