package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/headrace/headrace/gateway/openapi"
)

// readyTimeout bounds one readiness check.
const readyTimeout = 5 * time.Second

// handleOps adds the server's own paths. They are under /-/ so that no topic
// or API can have their name.
func (s *Server) handleOps() {
	s.HandleFunc("GET /-/health", func(w http.ResponseWriter, _ *http.Request) { answerState(w, nil) })
	s.HandleFunc("GET /-/ready", s.ready)
	if s.Gatherer != nil {
		s.Handle("GET /-/metrics", promhttp.HandlerFor(s.Gatherer, promhttp.HandlerOpts{DisableCompression: true}))
	}
	if s.OpenAPI != nil {
		s.Handle("GET /-/openapi.json", s.OpenAPI)
	}
}

// Status is the answer to a health check.
type Status struct {
	Status string `json:"status"`
}

// Routes describes the server's own paths, for the API's description; the
// server mounts them by itself.
func (s *Server) Routes() []openapi.Route {
	ok := []openapi.Response{{Status: http.StatusOK, Value: Status{}}}
	var open any
	routes := []openapi.Route{
		{Method: http.MethodGet, Path: "/-/health", ID: "getHealth", Name: "ops.health", Tag: "Operations", Summary: "Whether the process is alive", Responses: ok},
		{Method: http.MethodGet, Path: "/-/ready", ID: "getReady", Name: "ops.ready", Tag: "Operations", Summary: "Whether the process can do its work", Responses: ok},
		{Method: http.MethodGet, Path: "/-/openapi.json", ID: "getOpenAPI", Name: "ops.openapi", Tag: "Operations", Summary: "This document",
			Responses: []openapi.Response{{Status: http.StatusOK, Value: &open}}},
	}
	if s.Gatherer != nil {
		routes = append(routes, openapi.Route{Method: http.MethodGet, Path: "/-/metrics", ID: "getMetrics", Name: "ops.metrics", Tag: "Operations", Summary: "Prometheus metrics",
			Responses: []openapi.Response{{Status: http.StatusOK, Value: "", Types: []string{"text/plain"}}}})
	}
	return routes
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	select {
	case <-s.draining:
		writeError(w, http.StatusServiceUnavailable, "stopping")
		return
	default:
	}
	var err error
	if s.Ready != nil {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		err = s.Ready(ctx)
	}
	answerState(w, err)
}

func answerState(w http.ResponseWriter, err error) {
	if err != nil {
		writeError(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"status":"ok"}`)) // the client may be gone
}
