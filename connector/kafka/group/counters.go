package group

import "github.com/prometheus/client_golang/prometheus"

// counters count what a source could not read where it stopped.
type counters struct {
	lost, resets prometheus.Counter
}

func newCounters() *counters {
	return &counters{
		lost: prometheus.NewCounter(prometheus.CounterOpts{Name: "headrace_source_records_lost_total",
			Help: "Records that were deleted from their topic before the group had read them."}),
		resets: prometheus.NewCounter(prometheus.CounterOpts{Name: "headrace_source_offset_resets_total",
			Help: "Partitions that are read from their beginning again, because their topic was made anew."}),
	}
}

func (m *counters) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.lost, m.resets}
}
