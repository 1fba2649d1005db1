package producer

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are one set of counters that any number of producers take part in,
// at once and one after the other: those of one cluster. What a producer counted
// stays when it is closed. They are counted by batch and request, never by record.
// It is a prometheus.Collector, which gives nothing before the first producer.
type Metrics struct {
	used     atomic.Bool
	records  *prometheus.CounterVec // by result
	batchRec prometheus.Histogram
	batchLen prometheus.Histogram
	queued   prometheus.Histogram
	latency  prometheus.Histogram
	retries  *prometheus.CounterVec // by reason
	inFlight prometheus.Gauge
	raw      prometheus.Counter
	throttle prometheus.Counter

	stored, failed prometheus.Counter
	byAction       [fatal + 1]prometheus.Counter
}

// NewMetrics returns a set of its own, for Config.Metrics.
func NewMetrics() *Metrics {
	const ns, sub = "headrace", "kafka_producer"
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: ns, Subsystem: sub, Name: name, Help: help, Buckets: buckets})
	}
	times := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	m := &Metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "records_total",
			Help: "Records that ended, by result."}, []string{"result"}),
		batchRec: histogram("batch_records", "Records in a batch.", prometheus.ExponentialBuckets(1, 4, 8)),
		batchLen: histogram("batch_bytes", "Bytes of a batch before compression.", prometheus.ExponentialBuckets(256, 4, 8)),
		queued:   histogram("queue_seconds", "Time from the first record of a batch to its first sending.", times),
		latency:  histogram("request_seconds", "Time from a produce request to its answer.", times),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "retries_total",
			Help: "Batches that were not stored at once, by reason."}, []string{"reason"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: ns, Subsystem: sub, Name: "requests_in_flight",
			Help: "Produce requests without an answer yet."}),
		raw: prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "uncompressed_bytes_total",
			Help: "Bytes of the batches sent, before compression."}),
		throttle: prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: "throttled_seconds_total",
			Help: "Time that brokers asked to wait."}),
	}
	m.stored, m.failed = m.records.WithLabelValues("stored"), m.records.WithLabelValues("failed")
	for a := retry; a <= fatal; a++ {
		m.byAction[a] = m.retries.WithLabelValues(a.String())
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	if !m.used.Load() {
		return // a cluster that is only read has no producer to count
	}
	for _, c := range m.all() {
		c.Collect(ch)
	}
}

func (m *Metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.records, m.batchRec, m.batchLen, m.queued, m.latency, m.retries, m.inFlight, m.raw, m.throttle}
}

func (m *Metrics) sending(r *request, now int64) {
	m.inFlight.Inc()
	for _, b := range r.batches {
		m.raw.Add(float64(b.bytes))
		if b.attempts == 1 {
			m.queued.Observe(seconds(now - b.created))
			m.batchRec.Observe(float64(b.n))
			m.batchLen.Observe(float64(b.bytes))
		}
	}
}

func (m *Metrics) answered(r *request, now int64) {
	m.inFlight.Dec()
	m.latency.Observe(seconds(now - r.sent))
}

func (m *Metrics) retry(a action) { m.byAction[a].Inc() }

func (m *Metrics) throttled(d time.Duration) { m.throttle.Add(d.Seconds()) }

func (m *Metrics) finished(b *batch) {
	if b.failure != nil {
		m.failed.Add(float64(b.n))
		return
	}
	m.stored.Add(float64(b.n))
}

func seconds(ns int64) float64 { return time.Duration(ns).Seconds() }
