package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// result is one measurement.
type result struct {
	Peer    string  `json:"peer"`
	Work    string  `json:"work"`
	Round   int     `json:"round"`
	Records int64   `json:"records"`
	Seconds float64 `json:"seconds"`
	Request int64   `json:"requests,omitempty"`
	P50     float64 `json:"p50_ms,omitempty"`
	P99     float64 `json:"p99_ms,omitempty"`
	CPU     float64 `json:"cpu_s"`
	Broker  float64 `json:"broker_cpu_s"`
	Peak    float64 `json:"peak_mib"`
	Note    string  `json:"note,omitempty"` // why it does not count
}

func (r result) rate() float64 {
	if r.Seconds == 0 {
		return 0
	}
	return float64(r.Records) / r.Seconds
}

func (r result) cpuPerMillion() float64    { return r.CPU / float64(max(r.Records, 1)) * 1e6 }
func (r result) brokerPerMillion() float64 { return r.Broker / float64(max(r.Records, 1)) * 1e6 }

// measured are the results of one peer at one work.
type measured []result

func (m measured) median(of func(result) float64) float64 {
	var v []float64
	for _, r := range m {
		if r.Note == "" {
			v = append(v, of(r))
		}
	}
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// references are the peers that the ratios of a work are taken against.
var references = map[string]string{"w1": "perf-producer", "w2a": "floor", "w2b": "floor"}

// printTables writes one table a work, the fastest peer first.
func printTables(w io.Writer, all []result) {
	by := map[string]map[string]measured{}
	for _, r := range all {
		if by[r.Work] == nil {
			by[r.Work] = map[string]measured{}
		}
		by[r.Work][r.Peer] = append(by[r.Work][r.Peer], r)
	}
	for _, work := range []string{"w1", "w2a", "w2b", "start"} {
		if len(by[work]) > 0 {
			printTable(w, work, by[work])
		}
	}
}

func printTable(w io.Writer, work string, peers map[string]measured) {
	var names []string
	for n := range peers {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Compare(peers[b].median(result.rate), peers[a].median(result.rate))
	})
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer t.Flush()
	if work == "start" {
		fmt.Fprintf(t, "\nstart\tready after ms\tpeak MiB\t\n")
		for _, n := range names {
			m := peers[n]
			fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%s\n", n, m.median(func(r result) float64 { return r.Seconds * 1000 }),
				m.median(func(r result) float64 { return r.Peak }), m.notes())
		}
		return
	}
	ref := peers[references[work]].median(result.rate)
	fmt.Fprintf(t, "\n%s\trecords/s\t× %s\trequests/s\tp50 ms\tp99 ms\tCPU s/M\tbroker s/M\tpeak MiB\tseconds\t\n", work, references[work])
	for _, n := range names {
		m := peers[n]
		ratio := 0.0
		if ref > 0 {
			ratio = m.median(result.rate) / ref
		}
		fmt.Fprintf(t, "%s\t%.0f\t%.2f\t%.0f\t%.1f\t%.1f\t%.2f\t%.2f\t%.0f\t%.2f\t%s\n", n, m.median(result.rate), ratio,
			m.median(func(r result) float64 { return float64(r.Request) / max(r.Seconds, 1e-9) }),
			m.median(func(r result) float64 { return r.P50 }), m.median(func(r result) float64 { return r.P99 }),
			m.median(result.cpuPerMillion), m.median(result.brokerPerMillion),
			m.median(func(r result) float64 { return r.Peak }), m.median(func(r result) float64 { return r.Seconds }), m.notes())
	}
}

// notes says which measurements were left out of the medians, and why.
func (m measured) notes() string {
	var text string
	for _, r := range m {
		if r.Note != "" {
			text += fmt.Sprintf(" [round %d: %s]", r.Round, r.Note)
		}
	}
	return text
}
