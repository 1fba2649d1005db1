package gateway

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts requests by route and status. Both labels are bounded: routes
// are patterns, and requests that match none share one label.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	routes   sync.Map // pattern -> *series
}

// series holds the counters of one pattern, so that a request looks none up.
type series struct {
	name    string
	vec     *prometheus.CounterVec
	seconds prometheus.Observer
	codes   [500]atomic.Pointer[prometheus.Counter] // by status - 100
}

const unmatched = "unmatched"

func newMetrics() *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headrace_http_requests_total", Help: "HTTP requests answered, by route and status code.",
		}, []string{"route", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "headrace_http_request_duration_seconds", Help: "Time from the headers of a request to the end of its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route"}),
	}
}

func (m *metrics) route(pattern string) *series {
	if pattern == "" {
		pattern = unmatched
	}
	if rt, ok := m.routes.Load(pattern); ok {
		return rt.(*series)
	}
	rt, _ := m.routes.LoadOrStore(pattern, &series{name: pattern, vec: m.requests, seconds: m.duration.WithLabelValues(pattern)})
	return rt.(*series)
}

func (m *metrics) observe(pattern string, code int, d time.Duration) {
	rt := m.route(pattern)
	if code == 0 {
		code = http.StatusOK // net/http sends it when the handler sent nothing
	}
	rt.counter(code).Inc()
	rt.seconds.Observe(d.Seconds())
}

func (rt *series) counter(code int) prometheus.Counter {
	i := code - 100
	if i < 0 || i >= len(rt.codes) {
		return rt.vec.WithLabelValues(rt.name, "other")
	}
	if c := rt.codes[i].Load(); c != nil {
		return *c
	}
	c := rt.vec.WithLabelValues(rt.name, strconv.Itoa(code))
	rt.codes[i].Store(&c)
	return c
}

// Describe implements prometheus.Collector.
func (s *Server) Describe(ch chan<- *prometheus.Desc) {
	s.metrics.requests.Describe(ch)
	s.metrics.duration.Describe(ch)
}

// Collect implements prometheus.Collector.
func (s *Server) Collect(ch chan<- prometheus.Metric) {
	s.metrics.requests.Collect(ch)
	s.metrics.duration.Collect(ch)
}
