package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

func partitionName(topic string, id int32) string {
	return fmt.Sprintf("/topic=%s/partition=%d", topic, id)
}

func newPartition(r *request, topic string, p admin.Partition) Partition {
	self := r.partitionLink(topic, p.ID)
	item := Partition{
		Resource:  r.resource("KafkaPartition", self, partitionName(topic, p.ID)),
		ClusterID: r.id, TopicName: topic, PartitionID: p.ID,
		Replicas: related(self.At("replicas")), Reassignment: related(self.At("reassignment")),
	}
	if p.Leader != admin.NoBroker {
		leader := related(self.At("replicas", wire.Number(p.Leader)))
		item.Leader = &leader
	}
	return item
}

func newReplica(r *request, topic string, p admin.Partition, broker int32) Replica {
	return Replica{
		Resource: r.resource("KafkaReplica", r.partitionLink(topic, p.ID).At("replicas", wire.Number(broker)),
			fmt.Sprintf("%s/replica=%d", partitionName(topic, p.ID), broker)),
		ClusterID: r.id, TopicName: topic, PartitionID: p.ID, BrokerID: broker,
		IsLeader: p.Leader == broker, IsInSync: slices.Contains(p.InSync, broker),
		Broker: related(r.brokerLink(broker)),
	}
}

func (a *api) partitions(r *request) (reply, error) {
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	t, err := c.Topic(r.Context(), r.PathValue("topic_name"), false)
	if err != nil {
		return reply{}, err
	}
	items := []Partition{}
	for _, p := range t.Partitions {
		items = append(items, newPartition(r, t.Name, p))
	}
	return found(list("KafkaPartition", r.topicLink(t.Name).At("partitions"), items))
}

// onePartition finds the partition of the path.
func onePartition(r *request) (*admin.Admin, string, admin.Partition, error) {
	none := admin.Partition{}
	id, err := r.number("partition_id")
	if err != nil {
		return nil, "", none, err
	}
	c, err := r.cluster()
	if err != nil {
		return nil, "", none, err
	}
	t, err := c.Topic(r.Context(), r.PathValue("topic_name"), false)
	if err != nil {
		return nil, "", none, err
	}
	p, ok := t.Partition(id)
	if !ok {
		return nil, "", none, wire.NotFound()
	}
	return c, t.Name, p, nil
}

func (a *api) partition(r *request) (reply, error) {
	_, topic, p, err := onePartition(r)
	if err != nil {
		return reply{}, err
	}
	return found(newPartition(r, topic, p))
}

func (a *api) offsets(r *request) (reply, error) {
	if kind := r.URL.Query().Get("offset_type"); kind != "" && !strings.EqualFold(kind, "earliest_and_latest") {
		return reply{}, wire.Errorf(http.StatusBadRequest, "offset_type:%s is invalid", kind)
	}
	c, topic, p, err := onePartition(r)
	if err != nil {
		return reply{}, err
	}
	return partitionOffsets(r, c, topic, p.ID)
}

func partitionOffsets(r *request, c *admin.Admin, topic string, id int32) (reply, error) {
	o, err := c.Offsets(r.Context(), topic, id)
	if err != nil {
		return reply{}, err
	}
	return found(PartitionOffsets{
		Resource: r.resource("KafkaPartitionWithOffsets", r.partitionLink(topic, id).At("offset"),
			partitionName(topic, id)+"/offset_type=earliest_and_latest"),
		ClusterID: r.id, TopicName: topic, PartitionID: id, EarliestOffset: o.Earliest, LatestOffset: o.Latest,
	})
}

// deleteRecords is beyond the original: DELETE …/partitions/{p}/records.
func (a *api) deleteRecords(r *request) (reply, error) {
	before, err := beforeOffset(r.URL.Query().Get("before_offset"))
	if err != nil {
		return reply{}, err
	}
	c, topic, p, err := onePartition(r)
	if err != nil {
		return reply{}, err
	}
	if _, err := c.DeleteRecords(r.Context(), topic, map[int32]int64{p.ID: before}); err != nil {
		return reply{}, err
	}
	return partitionOffsets(r, c, topic, p.ID)
}

func beforeOffset(text string) (int64, error) {
	if text == "latest" {
		return admin.EndOfPartition, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, wire.Errorf(http.StatusBadRequest, "before_offset must be an offset, or latest")
	}
	return n, nil
}

func (a *api) replicas(r *request) (reply, error) {
	_, topic, p, err := onePartition(r)
	if err != nil {
		return reply{}, err
	}
	items := []Replica{}
	for _, id := range p.Replicas {
		items = append(items, newReplica(r, topic, p, id))
	}
	return found(list("KafkaReplica", r.partitionLink(topic, p.ID).At("replicas"), items))
}

func (a *api) replica(r *request) (reply, error) {
	broker, err := r.number("broker_id")
	if err != nil {
		return reply{}, err
	}
	_, topic, p, err := onePartition(r)
	if err != nil {
		return reply{}, err
	}
	if !slices.Contains(p.Replicas, broker) {
		return reply{}, wire.NotFound()
	}
	return found(newReplica(r, topic, p, broker))
}

// newReassignment ends in the plural inside lists, in the singular on its own,
// as the original does.
func newReassignment(r *request, m admin.Reassignment, tail string) Reassignment {
	self, name := r.partitionLink(m.Topic, m.Partition), partitionName(m.Topic, m.Partition)
	return Reassignment{
		Resource:  r.resource("KafkaReassignment", self.At(tail), name+"/"+tail),
		ClusterID: r.id, TopicName: m.Topic, PartitionID: m.Partition,
		AddingReplicas: orEmpty(m.Adding), RemovingReplicas: orEmpty(m.Removing),
		Replicas: related(self.At("replicas")),
	}
}

func orEmpty(ids []int32) []int32 {
	if ids == nil {
		return []int32{}
	}
	return ids
}

func (a *api) reassignments(r *request) (reply, error) {
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	topic := r.PathValue("topic_name") // "" for all
	moves, err := c.Reassignments(r.Context(), topic)
	if err != nil {
		return reply{}, err
	}
	items := []Reassignment{}
	for _, m := range moves {
		items = append(items, newReassignment(r, m, "reassignments"))
	}
	if topic == "" {
		topic = "-"
	}
	return found(list("KafkaReassignment", r.topicLink(topic).At("partitions", "-", "reassignments"), items))
}

func (a *api) reassignment(r *request) (reply, error) {
	id, err := r.number("partition_id")
	if err != nil {
		return reply{}, err
	}
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	moves, err := c.Reassignments(r.Context(), r.PathValue("topic_name"))
	if err != nil {
		return reply{}, err
	}
	for _, m := range moves {
		if m.Partition == id {
			return found(newReassignment(r, m, "reassignment"))
		}
	}
	return reply{}, wire.NotFound()
}
