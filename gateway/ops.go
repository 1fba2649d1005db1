package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
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
