package admin

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

// Empty is the answer of the root.
type Empty struct{}

// V2Replica is a replica in v2.
type V2Replica struct {
	Broker int32 `json:"broker"`
	Leader bool  `json:"leader"`
	InSync bool  `json:"in_sync"`
}

// V2Partition is a partition in v2.
type V2Partition struct {
	Partition int32       `json:"partition"`
	Leader    int32       `json:"leader" doc:"-1 when there is none"`
	Replicas  []V2Replica `json:"replicas"`
}

// V2Topic is a topic in v2.
type V2Topic struct {
	Name       string             `json:"name"`
	Configs    map[string]*string `json:"configs"`
	Partitions []V2Partition      `json:"partitions"`
}

// V2Offsets are a partition's offsets in v2.
type V2Offsets struct {
	BeginningOffset int64 `json:"beginning_offset"`
	EndOffset       int64 `json:"end_offset"`
}

// V2Brokers are the cluster's brokers in v2.
type V2Brokers struct {
	Brokers []int32 `json:"brokers"`
}

var errNoCluster = errors.New("no cluster is configured")

// v2 makes a handler of an endpoint of v2, on the default cluster.
func (a *api) v2(serve func(*http.Request, *admin.Admin) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := a.onDefault(r, serve)
		if err != nil {
			wire.WriteError(w, r, errorOf(err))
			return
		}
		mediaType, _ := route.Accepts(r, v2Types...) // checked by the route table
		wire.WriteJSON(w, r, http.StatusOK, mediaType, body)
	})
}

func (a *api) onDefault(r *http.Request, serve func(*http.Request, *admin.Admin) (any, error)) (any, error) {
	all, err := a.Clusters.All(r.Context())
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errNoCluster
	}
	return serve(r, all[0])
}

// v2Types are the types of answers. Plain JSON is more than the original's
// current release takes, and what older ones answered.
var v2Types = []string{wire.V2, wire.JSON}

// root answers programs with {}, and a browser with the page.
func (a *api) root() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		types := v2Types
		if a.Page != nil && r.Method != http.MethodPost {
			types = append([]string{wire.V2, wire.JSON}, "text/html")
		}
		mediaType, _ := route.Accepts(r, types...)
		if mediaType == "text/html" {
			a.Page.ServeHTTP(w, r)
			return
		}
		wire.WriteJSON(w, r, http.StatusOK, mediaType, Empty{})
	})
}

func v2Partition(p admin.Partition) V2Partition {
	out := V2Partition{Partition: p.ID, Leader: p.Leader, Replicas: []V2Replica{}}
	for _, id := range p.Replicas {
		out.Replicas = append(out.Replicas, V2Replica{id, id == p.Leader, slices.Contains(p.InSync, id)})
	}
	return out
}

func v2Topics(r *http.Request, c *admin.Admin) (any, error) {
	topics, err := c.Topics(r.Context(), false)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, t := range topics {
		names = append(names, t.Name)
	}
	return names, nil
}

func v2PartitionsOf(r *http.Request, c *admin.Admin) ([]V2Partition, error) {
	t, err := c.Topic(r.Context(), r.PathValue("topic"), false)
	if err != nil {
		return nil, err
	}
	out := []V2Partition{}
	for _, p := range t.Partitions {
		out = append(out, v2Partition(p))
	}
	return out, nil
}

func v2TopicOf(r *http.Request, c *admin.Admin) (any, error) {
	partitions, err := v2PartitionsOf(r, c)
	if err != nil {
		return nil, err
	}
	name := r.PathValue("topic")
	configs, err := c.Configs(r.Context(), admin.TopicConfigs(name))
	if err != nil {
		return nil, err
	}
	out := V2Topic{Name: name, Configs: map[string]*string{}, Partitions: partitions}
	for _, config := range configs[0] {
		out.Configs[config.Name] = config.Value
	}
	return out, nil
}

func v2Partitions(r *http.Request, c *admin.Admin) (any, error) { return v2PartitionsOf(r, c) }

// v2PartitionOf finds the partition of the path. That it does not exist has a
// code of its own in v2.
func v2PartitionOf(r *http.Request, c *admin.Admin) (V2Partition, error) {
	id, err := strconv.ParseInt(r.PathValue("partition"), 10, 32)
	if err != nil {
		return V2Partition{}, wire.NotFound()
	}
	t, err := c.Topic(r.Context(), r.PathValue("topic"), false)
	if err != nil {
		return V2Partition{}, err
	}
	p, ok := t.Partition(int32(id))
	if !ok {
		return V2Partition{}, wire.UnknownPartition()
	}
	return v2Partition(p), nil
}

func v2OnePartition(r *http.Request, c *admin.Admin) (any, error) { return v2PartitionOf(r, c) }

func v2OffsetsOf(r *http.Request, c *admin.Admin) (any, error) {
	p, err := v2PartitionOf(r, c)
	if err != nil {
		return nil, err
	}
	o, err := c.Offsets(r.Context(), r.PathValue("topic"), p.Partition)
	if err != nil {
		return nil, err
	}
	return V2Offsets{BeginningOffset: o.Earliest, EndOffset: o.Latest}, nil
}

func v2BrokersOf(r *http.Request, c *admin.Admin) (any, error) {
	d, err := c.Describe(r.Context())
	if err != nil {
		return nil, err
	}
	out := V2Brokers{Brokers: []int32{}}
	for _, b := range d.Brokers {
		out.Brokers = append(out.Brokers, b.ID)
	}
	return out, nil
}
