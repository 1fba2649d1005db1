package pipelines_test

import (
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/kafka"
)

// scrape reads a registry as Prometheus does: name{labels}, without quotes.
func scrape(t *testing.T, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(g, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest("GET", "/-/metrics", nil))
	if answer.Code != 200 {
		t.Fatal(answer.Body)
	}
	out := map[string]float64{}
	for line := range strings.Lines(answer.Body.String()) {
		at := strings.LastIndexByte(line, ' ')
		if line[0] == '#' || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.ReplaceAll(line[:at], `"`, "")] = value
	}
	return out
}

// TestMetrics has two pipelines to Kafka beside an HTTP door's producer, which
// has the same metrics under another label; one of them is changed and loaded
// again.
func TestMetrics(t *testing.T) {
	k := broker(t, "orders", "letters")
	text := func(content string) string {
		return fmt.Sprintf("blocks:\n  - {type: data_loader, connector_type: mock, message_interval: 5, message_content: %q}\n"+
			"  - {name: to_kafka, type: data_exporter, connector_type: kafka, bootstrap_server: %q, topic: orders, timeout_ms: 0, max_message_bytes: 1000, dead_letter: {topic: letters}}\n",
			content, k.ListenAddrs()[0])
	}
	files(t, map[string]string{"pipelines/a.yaml": text("a"), "pipelines/b.yaml": text(strings.Repeat("b", 2000))})
	registry := prometheus.NewRegistry()
	cluster, err := kafka.NewCluster("main", kafka.Settings{BootstrapServer: k.ListenAddrs()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	door, err := cluster.NewProducer(kafka.DefaultProducerSettings(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	remove, err := block.Register(prometheus.WrapRegistererWith(prometheus.Labels{"cluster": "main"}, registry), cluster.Collectors())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan connector.Result, 1)
	door.Write(t.Context(), []*connector.Message{{Partition: connector.AnyPartition, Value: []byte("1")}}, func(r []connector.Result) { done <- r[0] })
	if r := <-done; r.Err != nil {
		t.Fatal(r.Err)
	}
	b := newBench(t, t.Context())
	registry.MustRegister(b.Supervisor)
	b.Apply(project(t))

	a, letters := "headrace_kafka_producer_records_total{block=to_kafka,pipeline=a,result=stored}",
		"headrace_kafka_producer_records_total{block=to_kafka dead letters,pipeline=b,result=stored}"
	until := func(what string, ok func(m map[string]float64) bool) map[string]float64 {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			m := scrape(t, registry)
			if ok(m) {
				return m
			}
			if time.Now().After(end) {
				t.Fatalf("not within 20 s: %s; log: %s", what, b.log)
			}
		}
	}
	m := until("records of both pipelines, in the ledger too", func(m map[string]float64) bool {
		return m[a] > 0 && m[letters] > 0 && m["headrace_records_total{outcome=dead_lettered,pipeline=b}"] > 0
	})
	if m["headrace_kafka_producer_records_total{cluster=main,result=stored}"] != 1 {
		t.Errorf("the door's own: %v records", m["headrace_kafka_producer_records_total{cluster=main,result=stored}"])
	}
	if m["headrace_records_read_total{pipeline=b}"] == 0 {
		t.Error("the ledger of b has read nothing")
	}

	before := m["headrace_records_read_total{pipeline=a}"]
	for i := range 3 {
		write(t, "pipelines/a.yaml", text(fmt.Sprint("a", i)))
		if started, kept, _ := b.Apply(project(t)); started != 1 || kept != 1 {
			t.Fatalf("%d started, %d kept", started, kept)
		}
		m = until("records after the reload", func(m map[string]float64) bool {
			return m[a] > 0 && m["headrace_records_read_total{pipeline=a}"] > before
		})
		before = m["headrace_records_read_total{pipeline=a}"]
	}
	b.Stop()
	if err := door.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := cluster.Close(); err != nil {
		t.Error(err)
	}
	remove()
	m = scrape(t, registry)
	for name := range m {
		if strings.HasPrefix(name, "headrace_kafka_producer") {
			t.Errorf("left behind: %s", name)
		}
	}
	for _, p := range []string{"a", "b"} {
		sum := 0.0
		for _, outcome := range []string{"acknowledged", "dead_lettered", "filtered", "failed"} {
			n, ok := m["headrace_records_total{outcome="+outcome+",pipeline="+p+"}"]
			if sum += n; !ok {
				t.Errorf("%s: no outcome %s", p, outcome)
			}
		}
		if read := m["headrace_records_read_total{pipeline="+p+"}"]; read == 0 || read != sum || m["headrace_records_in_flight{pipeline="+p+"}"] != 0 {
			t.Errorf("%s: %v read, %v ended", p, read, sum)
		}
	}
	for _, run := range append(b.runs(t, "a"), b.runs(t, "b")...) {
		if !strings.Contains(run, "interrupted") {
			t.Errorf("a run that did not just end: %s", run)
		}
	}
}
