package auth

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/connector"
)

// stats are the metrics of one token source.
type stats struct {
	requests *prometheus.CounterVec
	expiry   prometheus.Gauge
	life     prometheus.Gauge

	mu  sync.Mutex
	any bool // a token was issued, so the gauges mean something
}

func newStats(source string) *stats {
	labels := prometheus.Labels{"source": source}
	return &stats{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headrace_oauth_token_requests_total", ConstLabels: labels,
			Help: "Requests for access tokens, by outcome: issued, or the kind of failure.",
		}, []string{"outcome"}),
		expiry: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "headrace_oauth_token_expiry_timestamp_seconds", ConstLabels: labels,
			Help: "When the current access token ends, in seconds since the epoch; 0 when it does not say.",
		}),
		life: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "headrace_oauth_token_lifetime_seconds", ConstLabels: labels,
			Help: "How long the current access token lived when it was issued; 0 when it does not say.",
		}),
	}
}

func (s *stats) issued(t Token) {
	s.mu.Lock()
	s.any = true
	s.mu.Unlock()
	s.requests.WithLabelValues("issued").Inc()
	s.life.Set(t.Life().Seconds())
	if t.Expiry.IsZero() {
		s.expiry.Set(0)
		return
	}
	s.expiry.Set(float64(t.Expiry.Unix()))
}

func (s *stats) failed(err error) {
	s.requests.WithLabelValues(connector.KindOf(err).String()).Inc()
}

// Describe sends the descriptions.
func (s *stats) Describe(ch chan<- *prometheus.Desc) {
	s.requests.Describe(ch)
	s.expiry.Describe(ch)
	s.life.Describe(ch)
}

// Collect sends the metrics.
func (s *stats) Collect(ch chan<- prometheus.Metric) {
	s.requests.Collect(ch)
	s.mu.Lock()
	known := s.any
	s.mu.Unlock()
	if known {
		s.expiry.Collect(ch)
		s.life.Collect(ch)
	}
}
