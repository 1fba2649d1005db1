package admin

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

func newTopic(r *request, t admin.Topic) Topic {
	self := r.topicLink(t.Name)
	item := Topic{
		Resource:  r.resource("KafkaTopic", self, "/topic="+t.Name),
		ClusterID: r.id, TopicName: t.Name, IsInternal: t.Internal,
		ReplicationFactor: t.ReplicationFactor(), PartitionsCount: len(t.Partitions),
		Partitions: related(self.At("partitions")), Configs: related(self.At("configs")),
		PartitionReassignments: related(self.At("partitions", "-", "reassignment")),
		AuthorizedOperations:   t.Operations,
	}
	if item.AuthorizedOperations == nil {
		item.AuthorizedOperations = []string{}
	}
	return item
}

func (a *api) topics(r *request) (reply, error) {
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	topics, err := c.Topics(r.Context(), asked(r, "includeAuthorizedOperations"))
	if err != nil {
		return reply{}, err
	}
	items := []Topic{}
	for _, t := range topics {
		items = append(items, newTopic(r, t))
	}
	return found(list("KafkaTopic", r.at("topics"), items))
}

// asked reads a boolean query parameter as Java does: only true is true.
func asked(r *request, name string) bool {
	return strings.EqualFold(r.URL.Query().Get(name), "true")
}

func (a *api) topic(r *request) (reply, error) {
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	t, err := c.Topic(r.Context(), r.PathValue("topic_name"), asked(r, "include_authorized_operations"))
	if err != nil {
		return reply{}, err
	}
	return found(newTopic(r, t))
}

func (a *api) createTopic(r *request) (reply, error) {
	var body CreateTopicRequest
	if err := wire.DecodeBody(r.Request, &body, wire.Payload("Request body is empty. Data is required.")); err != nil {
		return reply{}, err
	}
	wanted, err := body.topic()
	if err != nil {
		return reply{}, err
	}
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	made, err := c.CreateTopic(r.Context(), wanted)
	if errors.Is(err, admin.ErrInvalidTopicName) {
		return reply{}, wire.Payload("Invalid topic name.")
	}
	if err != nil {
		return reply{}, err
	}
	item := newTopic(r, admin.Topic{Name: wanted.Name})
	item.PartitionsCount, item.ReplicationFactor = counts(made, wanted)
	out := reply{status: http.StatusCreated, body: item, location: item.Metadata.Self}
	if wanted.ValidateOnly {
		out.status = http.StatusOK
	}
	return out, nil
}

// counts are the brokers' words, else those of the request, else 0.
func counts(made admin.Created, wanted admin.NewTopic) (partitions, replicas int) {
	partitions, replicas = int(made.Partitions), int(made.ReplicationFactor)
	if partitions == 0 {
		if partitions = max(int(wanted.Partitions), 0); len(wanted.Replicas) > 0 {
			partitions = len(wanted.Replicas)
		}
	}
	if replicas == 0 {
		if replicas = max(int(wanted.ReplicationFactor), 0); len(wanted.Replicas) > 0 {
			replicas = len(wanted.Replicas[0])
		}
	}
	return partitions, replicas
}

// topic checks what the brokers cannot: that the body has a topic's form.
func (b *CreateTopicRequest) topic() (admin.NewTopic, error) {
	if b.TopicName == nil {
		return admin.NewTopic{}, wire.Missing("topic_name")
	}
	t := admin.NewTopic{
		Name: string(*b.TopicName), Partitions: admin.BrokerDefault, ReplicationFactor: admin.BrokerDefault,
		Configs: map[string]*string{}, ValidateOnly: b.ValidateOnly != nil && *b.ValidateOnly,
	}
	if b.PartitionsCount != nil {
		n, err := b.PartitionsCount.Int32("partitions_count")
		if err != nil {
			return t, err
		}
		t.Partitions = n
	}
	if b.ReplicationFactor != nil {
		if *b.ReplicationFactor > math.MaxInt16 || *b.ReplicationFactor < math.MinInt16 {
			return t, wire.Errorf(http.StatusBadRequest, "Bad Request: replication_factor is out of range")
		}
		t.ReplicationFactor = int16(*b.ReplicationFactor)
	}
	for _, c := range b.Configs {
		if c.Name == nil {
			return t, wire.Missing("name")
		}
		t.Configs[string(*c.Name)] = (*string)(c.Value)
	}
	var err error
	t.Replicas, err = assignments(b.ReplicasAssignments)
	return t, err
}

func assignments(body map[string][]wire.Int) (map[int32][]int32, error) {
	if len(body) == 0 {
		return nil, nil
	}
	all := map[int32][]int32{}
	for key, brokers := range body {
		partition, err := strconv.ParseInt(key, 10, 32)
		if err != nil {
			return nil, wire.Errorf(http.StatusBadRequest, "Bad Request: the keys of replicas_assignments are numbers of partitions")
		}
		ids := make([]int32, 0, len(brokers))
		for _, b := range brokers {
			id, err := b.Int32("replicas_assignments")
			if err != nil {
				return nil, err
			}
			ids = append(ids, id)
		}
		all[int32(partition)] = ids
	}
	return all, nil
}

func (a *api) updatePartitions(r *request) (reply, error) {
	var body UpdatePartitionsRequest
	if err := wire.DecodeBody(r.Request, &body, wire.Payload("Request body is empty. Partitions_count is required.")); err != nil {
		return reply{}, err
	}
	if body.PartitionsCount == nil {
		return reply{}, wire.Missing("partitions_count")
	}
	count, err := body.PartitionsCount.Int32("partitions_count")
	if err != nil {
		return reply{}, err
	}
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	name := r.PathValue("topic_name")
	t, err := c.Topic(r.Context(), name, false)
	if err != nil {
		return reply{}, err
	}
	if int(count) <= len(t.Partitions) {
		return reply{}, wire.Errorf(wire.CodeKafkaRefused,
			"Topic currently has %d partitions, which is higher than or equal to the requested %d.", len(t.Partitions), count)
	}
	if err := c.IncreasePartitions(r.Context(), name, count); err != nil {
		return reply{}, err
	}
	item := newTopic(r, t)
	item.PartitionsCount = int(count) // brokers tell of new partitions a moment later
	return found(item)
}

func (a *api) deleteTopic(r *request) (reply, error) {
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	return noContent, c.DeleteTopic(r.Context(), r.PathValue("topic_name"))
}
