package admin

import (
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// clusters leaves out those that cannot be reached, unless there is no other.
// All are asked at once, so that a dead one costs its own time only.
func (a *api) clusters(r *request) (reply, error) {
	all, err := a.Clusters.All(r.Context())
	if err != nil {
		return reply{}, err
	}
	described := make([]*Cluster, len(all))
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() { described[i], errs[i] = identify(r, c) })
	}
	wg.Wait()
	items := []Cluster{}
	listed := map[string]bool{} // of entries with the same id the first is served
	for _, item := range described {
		if item != nil && !listed[item.ClusterID] {
			listed[item.ClusterID] = true
			items = append(items, *item)
		}
	}
	if err := errors.Join(errs...); len(items) == 0 && err != nil {
		return reply{}, err
	}
	return found(List[Cluster]{Kind: "KafkaClusterList", Metadata: ListMetadata{Self: wire.Root(r.Request, a.Links).At("v3", "clusters")}, Data: items})
}

// identify describes a cluster whose id is not in the path.
func identify(r *request, c *admin.Admin) (*Cluster, error) {
	id, err := c.ID(r.Context())
	if err != nil {
		return nil, err
	}
	one := *r
	one.id, one.self = id, clusterLink(r.Request, r.api.Links, id)
	item, err := describe(&one, c)
	if err != nil {
		return nil, err
	}
	return &item, nil
}

func (a *api) cluster(r *request) (reply, error) {
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	item, err := describe(r, c)
	if err != nil {
		return reply{}, err
	}
	return found(item)
}

func describe(r *request, c *admin.Admin) (Cluster, error) {
	d, err := c.Describe(r.Context())
	if err != nil {
		return Cluster{}, err
	}
	item := Cluster{
		Resource:  r.resource("KafkaCluster", r.self, ""),
		ClusterID: r.id,
		ACLs:      related(r.at("acls")), Brokers: related(r.at("brokers")), BrokerConfigs: related(r.at("broker-configs")),
		ConsumerGroups: related(r.at("consumer-groups")), Topics: related(r.at("topics")),
		PartitionReassignments: related(r.at("topics", "-", "partitions", "-", "reassignment")),
	}
	if d.Controller != admin.NoBroker {
		controller := related(r.brokerLink(d.Controller))
		item.Controller = &controller
	}
	return item, nil
}

func newBroker(r *request, b admin.Broker) Broker {
	self := r.brokerLink(b.ID)
	item := Broker{
		Resource:  r.resource("KafkaBroker", self, fmt.Sprintf("/broker=%d", b.ID)),
		ClusterID: r.id, BrokerID: b.ID,
		Configs: related(self.At("configs")), PartitionReplicas: related(self.At("partition-replicas")),
	}
	if b.Host != "" {
		item.Host, item.Port = &b.Host, &b.Port
	}
	if b.Rack != "" {
		item.Rack = &b.Rack
	}
	return item
}

func (a *api) brokers(r *request) (reply, error) {
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	d, err := c.Describe(r.Context())
	if err != nil {
		return reply{}, err
	}
	items := []Broker{}
	for _, b := range d.Brokers {
		items = append(items, newBroker(r, b))
	}
	return found(list("KafkaBroker", r.at("brokers"), items))
}

// oneBroker finds the broker of the path.
func oneBroker(r *request) (*admin.Admin, admin.Broker, error) {
	id, err := r.number("broker_id")
	if err != nil {
		return nil, admin.Broker{}, err
	}
	c, err := r.cluster()
	if err != nil {
		return nil, admin.Broker{}, err
	}
	d, err := c.Describe(r.Context())
	if err != nil {
		return nil, admin.Broker{}, err
	}
	for _, b := range d.Brokers {
		if b.ID == id {
			return c, b, nil
		}
	}
	return nil, admin.Broker{}, wire.Errorf(http.StatusNotFound, "Broker %d cannot be found.", id)
}

func (a *api) broker(r *request) (reply, error) {
	_, b, err := oneBroker(r)
	if err != nil {
		return reply{}, err
	}
	return found(newBroker(r, b))
}

func (a *api) brokerReplicas(r *request) (reply, error) {
	c, b, err := oneBroker(r)
	if err != nil {
		return reply{}, err
	}
	topics, err := c.Topics(r.Context(), false)
	if err != nil {
		return reply{}, err
	}
	items := []Replica{}
	for _, t := range topics {
		for _, p := range t.Partitions {
			for _, id := range p.Replicas {
				if id == b.ID {
					items = append(items, newReplica(r, t.Name, p, id))
				}
			}
		}
	}
	return found(list("KafkaReplica", r.brokerLink(b.ID).At("partition-replicas"), items))
}
