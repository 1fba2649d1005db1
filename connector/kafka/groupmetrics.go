package kafka

import "github.com/prometheus/client_golang/prometheus"

// groupMetrics count what a group source could not read where it stopped.
type groupMetrics struct {
	skipped, reset prometheus.Counter
}

func newGroupMetrics() *groupMetrics {
	return &groupMetrics{
		skipped: prometheus.NewCounter(prometheus.CounterOpts{Name: "headrace_source_records_lost_total",
			Help: "Records that were deleted from their topic before the group had read them."}),
		reset: prometheus.NewCounter(prometheus.CounterOpts{Name: "headrace_source_offset_resets_total",
			Help: "Partitions that are read from their beginning again, because their topic was made anew."}),
	}
}

func (m *groupMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.skipped, m.reset}
}
