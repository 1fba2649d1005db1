package restproxy

import (
	"net/http"

	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

// The bounds of names in paths. Kafka's own for topics; it has none for groups,
// so theirs is what no one would type.
const (
	maxTopicName = 249
	maxName      = 1024
)

// bounded answers a path with a name that cannot be, without asking Kafka: it
// would be sent on, logged and repeated in the answer whole.
func bounded(r route.Route) http.Handler {
	names := route.PathParams(r.Path)
	next := r.Handler
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		for _, name := range names {
			value := req.PathValue(name)
			switch {
			case (name == "topic" || name == "topic_name") && len(value) > maxTopicName:
				wire.WriteError(w, req, wire.UnknownTopic())
				return
			case len(value) > maxName:
				wire.WriteError(w, req, wire.NotFound())
				return
			}
		}
		next.ServeHTTP(w, req)
	})
}
