package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/headrace/headrace/gateway/route"
)

// readyTimeout bounds one readiness check.
const readyTimeout = 5 * time.Second

// Status is the answer to a health check.
type Status struct {
	Status string `json:"status"`
}

// Failure is the body of the server's own errors.
type Failure struct {
	Code    int    `json:"error_code" doc:"the status"`
	Message string `json:"message" doc:"what is wrong"`
}

// openAPIRoute is the place of the description among the server's own routes:
// its handler comes when all tables are known.
const openAPIRoute = 0

// ops are the server's own paths. They are under /-/ so that no topic or API
// can have their name.
func (s *Server) ops() route.Table {
	ok := []route.Response{{Status: http.StatusOK, Value: Status{}}}
	var open any
	get := func(path, id, name, summary string, h http.HandlerFunc, answers []route.Response) route.Route {
		// Probes ask for anything: there is nothing to choose from.
		return route.Route{Method: http.MethodGet, Path: "/-/" + path, ID: id, Name: "ops." + name, Tag: "Operations", Summary: summary,
			Responses: answers, OwnTypes: true, Handler: h}
	}
	routes := []route.Route{
		openAPIRoute: get("openapi.json", "getOpenAPI", "openapi", "This document", nil, []route.Response{{Status: http.StatusOK, Value: &open}}),
		get("health", "getHealth", "health", "Whether the process is alive", func(w http.ResponseWriter, r *http.Request) { answerState(w, r, nil) }, ok),
		get("ready", "getReady", "ready", "Whether the process can do its work", s.ready, ok),
	}
	if s.Gatherer != nil {
		h := promhttp.HandlerFor(s.Gatherer, promhttp.HandlerOpts{DisableCompression: true})
		routes = append(routes, get("metrics", "getMetrics", "metrics", "Prometheus metrics", h.ServeHTTP,
			[]route.Response{{Status: http.StatusOK, Value: "", Types: []string{"text/plain"}}}))
	}
	return route.Table{Routes: routes, Refuse: refuse, Error: route.Response{Value: Failure{}}}
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	select {
	case <-s.stopping:
		refuse(w, r, http.StatusServiceUnavailable, "stopping")
		return
	default:
	}
	var err error
	if s.Ready != nil {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		err = s.Ready(ctx)
	}
	answerState(w, r, err)
}

func answerState(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		refuse(w, r, http.StatusServiceUnavailable, err.Error())
		return
	}
	w.Header().Set("Content-Type", route.JSON)
	_, _ = w.Write([]byte(`{"status":"ok"}`)) // the client may be gone
}
