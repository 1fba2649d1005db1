package pipelines

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/connector"
)

var (
	readDesc = prometheus.NewDesc("headrace_records_read_total",
		"Records that entered, by pipeline.", []string{"pipeline"}, nil)
	recordsDesc = prometheus.NewDesc("headrace_records_total",
		"Records by the one outcome that each ends in.", []string{"pipeline", "outcome"}, nil)
	bytesDesc = prometheus.NewDesc("headrace_bytes_read_total",
		"Bytes of the values that entered, by pipeline.", []string{"pipeline"}, nil)
	inFlightDesc = prometheus.NewDesc("headrace_records_in_flight",
		"Records read whose outcome is not known yet.", []string{"pipeline"}, nil)
)

// Describe implements prometheus.Collector. It names nothing: which metrics the
// connectors have is known when they run.
func (s *Supervisor) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector: the counts of every pipeline that
// ran, and the metrics of the connectors that run now, by pipeline and block.
func (s *Supervisor) Collect(ch chan<- prometheus.Metric) {
	s.registry().Collect(ch)
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for name, c := range s.Counts() {
		counter(readDesc, c.Read, name)
		counter(bytesDesc, c.Bytes, name)
		for outcome, n := range map[connector.Outcome]int64{
			connector.Acknowledged: c.Acknowledged, connector.DeadLettered: c.DeadLettered,
			connector.Filtered: c.Filtered, connector.Failed: c.Failed,
		} {
			counter(recordsDesc, n, name, outcome.String())
		}
		ch <- prometheus.MustNewConstMetric(inFlightDesc, prometheus.GaugeValue, float64(c.InFlight()), name)
	}
}

// registry holds the metrics of running connectors. It is not the one that s is
// registered with: that one has the same metrics of other doors under other
// labels.
func (s *Supervisor) registry() *prometheus.Registry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connectors == nil {
		s.connectors = prometheus.NewRegistry()
	}
	return s.connectors
}

// metricsOf returns where the connectors of a pipeline register theirs.
func (s *Supervisor) metricsOf(pipeline string) func(block string) prometheus.Registerer {
	registry := s.registry()
	return func(block string) prometheus.Registerer {
		return prometheus.WrapRegistererWith(prometheus.Labels{"pipeline": pipeline, "block": block}, registry)
	}
}
