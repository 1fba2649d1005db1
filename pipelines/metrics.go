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

// Describe implements prometheus.Collector.
func (s *Supervisor) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readDesc, recordsDesc, bytesDesc, inFlightDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *Supervisor) Collect(ch chan<- prometheus.Metric) {
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
