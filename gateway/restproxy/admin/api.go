// Package admin serves the administrative half of the Kafka REST Proxy's API:
// everything of v3 but producing, and v2's metadata. Paths, shapes, codes and
// texts are those of Confluent's REST Proxy; docs/rest-proxy.md lists every
// endpoint and the few differences.
package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// Clusters are the clusters that are served, each under its own id. They are
// asked once a request, so that the identity in ctx may decide.
type Clusters interface {
	// All returns every cluster, the default of v2 first.
	All(ctx context.Context) ([]*admin.Admin, error)
}

// Fixed serves the same clusters to everybody.
type Fixed []*admin.Admin

// All returns the clusters.
func (f Fixed) All(context.Context) ([]*admin.Admin, error) { return f, nil }

// Deps is what the endpoints need.
type Deps struct {
	Clusters Clusters
	// Authority is confluent.resource.name.authority, part of resource names.
	Authority string
	Links     wire.LinkOptions
	// Page answers GET / to a browser; nil answers {} to it as well.
	Page http.Handler
}

type api struct{ Deps }

// request is one call of an endpoint of v3.
type request struct {
	*http.Request
	api  *api
	id   string    // the cluster's
	self wire.Link // to the cluster
}

// reply is what an endpoint answers.
type reply struct {
	status   int
	body     any
	location wire.Link
}

func found(body any) (reply, error) { return reply{status: http.StatusOK, body: body}, nil }

var noContent = reply{status: http.StatusNoContent}

// v3 makes a handler of an endpoint.
func (a *api) v3(serve func(*request) (reply, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("cluster_id")
		out, err := serve(&request{Request: r, api: a, id: id, self: clusterLink(r, a.Links, id)})
		if err != nil {
			wire.WriteError(w, r, errorOf(err))
			return
		}
		if out.location != "" {
			w.Header().Set("Location", string(out.location))
		}
		wire.WriteJSON(w, r, out.status, wire.JSON, out.body)
	})
}

// errorOf gives Kafka's refusals the words and codes of the original.
func errorOf(err error) error {
	var own *wire.Error
	if errors.As(err, &own) {
		return err
	}
	if errors.Is(err, admin.ErrUnknownTopic) {
		return &explained{wire.UnknownTopic(), err}
	}
	if errors.Is(err, admin.ErrUnknownGroup) {
		return &explained{wire.Errorf(http.StatusNotFound, "Consumer Group could not be found."), err}
	}
	var refusal *admin.Refusal
	if errors.As(err, &refusal) {
		e := *wire.Of(err)
		e.Message = refusal.Message
		return &explained{&e, err}
	}
	return err
}

// explained keeps the whole story for the log behind the answer's words.
type explained struct {
	answer *wire.Error
	cause  error
}

func (e *explained) Error() string   { return e.cause.Error() }
func (e *explained) Unwrap() []error { return []error{e.answer, e.cause} }

// cluster finds the cluster of the path among those that are served.
func (r *request) cluster() (*admin.Admin, error) {
	all, err := r.api.Clusters.All(r.Context())
	if err != nil {
		return nil, err
	}
	c, err := ByID(r.Context(), all, r.id)
	if unknown := (*wire.Error)(nil); errors.As(err, &unknown) && strings.Contains(r.URL.Path, "/consumer-groups") {
		return nil, wire.Errorf(http.StatusNotFound, "Cluster %s could not be found.", r.id)
	}
	return c, err
}

// number reads an integer of the path; anything else is a path that does not
// exist.
func (r *request) number(name string) (int32, error) {
	n, err := strconv.ParseInt(r.PathValue(name), 10, 32)
	if err != nil {
		return 0, wire.NotFound()
	}
	return int32(n), nil
}

func clusterLink(r *http.Request, opts wire.LinkOptions, id string) wire.Link {
	return wire.Root(r, opts).At("v3", "clusters", id)
}

// at is the link to what is below the cluster.
func (r *request) at(segments ...string) wire.Link { return r.self.At(segments...) }

func (r *request) topicLink(topic string) wire.Link { return r.at("topics", topic) }

func (r *request) partitionLink(topic string, id int32) wire.Link {
	return r.topicLink(topic).At("partitions", wire.Number(id))
}

func (r *request) brokerLink(id int32) wire.Link { return r.at("brokers", wire.Number(id)) }

func (r *request) groupLink(id string) wire.Link { return r.at("consumer-groups", id) }

func related(to wire.Link) Link { return Link{Related: to} }

// resource is the head of a single resource: crn is the tail of its name.
func (r *request) resource(kind string, self wire.Link, crn string) Resource {
	return Resource{Kind: kind, Metadata: Metadata{
		Self:         self,
		ResourceName: "crn://" + r.api.Authority + "/kafka=" + r.id + crn,
	}}
}

// list wraps items in the envelope of lists.
func list[T any](kind string, self wire.Link, items []T) List[T] {
	if items == nil {
		items = []T{}
	}
	return List[T]{Kind: kind + "List", Metadata: ListMetadata{Self: self}, Data: items}
}
