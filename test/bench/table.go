package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// column is one of a work's table.
type column struct {
	name string
	cell func(measured) string
}

func number(format string, of func(result) float64) func(measured) string {
	return func(m measured) string { return fmt.Sprintf(format, m.median(of)) }
}

// table is how a work is shown. The ratios are to the peer named ref.
type table struct {
	work, title, ref string
	columns          []column
}

func tables(lines int) []table {
	spread := func(m measured) string {
		return fmt.Sprintf("%.0f–%.0f", m.least(result.rate), m.most(result.rate))
	}
	http := []column{
		{"requests/s", number("%.0f", result.requests)}, {"records/s", number("%.0f", result.rate)}, {"from–to", spread},
		{"p50 ms", number("%.1f", result.p50)}, {"p99 ms", number("%.1f", result.p99)},
		{"CPU s a million", number("%.2f", result.cpuPerMillion)}, {"broker's CPU s", number("%.2f", result.brokerPerMillion)},
		{"peak MiB", number("%.0f", result.peak)},
	}
	export := []column{
		{"records/s", number("%.0f", result.rate)}, {"from–to", spread}, {"seconds", number("%.2f", result.seconds)},
		{"CPU s a million", number("%.2f", result.cpuPerMillion)}, {"broker's CPU s", number("%.2f", result.brokerPerMillion)},
		{"peak MiB", number("%.0f", result.peak)},
	}
	return []table{
		{"w1", fmt.Sprintf("W1: a file of %d JSON lines to Kafka", lines), "kcat", export},
		{"w3", "W3: W1 with a key that an expression takes out of each record", "", export},
		{"w2a", "W2a: HTTP, one record a request, 64 connections", "floor", http},
		{"w2b", "W2b: HTTP, 100 records a request, 16 connections", "floor", http},
		{"start", "Start of the binary to ready", "", []column{
			{"ms", number("%.0f", result.ms)}, {"slowest ms", func(m measured) string { return fmt.Sprintf("%.0f", m.most(result.ms)) }},
			{"starts", func(m measured) string { return fmt.Sprint(len(m)) }}, {"peak MiB", number("%.0f", result.peak)},
		}},
	}
}

// printTables writes Markdown, the fastest peer of a work first: medians, and
// the medians of the ratios within each round.
func printTables(w io.Writer, lines int, all []result) {
	for _, t := range tables(lines) {
		t.print(w, all)
	}
}

func (t table) print(w io.Writer, all []result) {
	var names []string
	for _, r := range all {
		if r.Work == t.work && !slices.Contains(names, r.Peer) {
			names = append(names, r.Peer)
		}
	}
	if len(names) == 0 {
		return
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Compare(pick(all, t.work, b).median(result.rate), pick(all, t.work, a).median(result.rate))
	})
	head := []string{"program"}
	for _, c := range t.columns {
		head = append(head, c.name)
	}
	ref := pick(all, t.work, t.ref)
	if len(ref) > 0 {
		head = slices.Insert(head, 2, "× "+t.ref)
	}
	fmt.Fprintf(w, "\n### %s\n\n| %s |\n|---|%s\n", t.title, strings.Join(head, " | "), strings.Repeat("--:|", len(head)-1))
	var notes []string
	for _, n := range names {
		m := pick(all, t.work, n)
		row := []string{n}
		for _, c := range t.columns {
			row = append(row, c.cell(m))
		}
		if len(ref) > 0 {
			row = slices.Insert(row, 2, fmt.Sprintf("%.2f", m.against(ref, result.rate)))
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
		notes = append(notes, m.notes()...)
	}
	if len(notes) > 0 {
		fmt.Fprintf(w, "\nLeft out: %s.\n", strings.Join(notes, "; "))
	}
}

// notes says which measurements were left out of the medians, and why.
func (m measured) notes() []string {
	var notes []string
	for _, r := range m {
		if r.Note != "" {
			notes = append(notes, fmt.Sprintf("%s, round %d: %s", r.Peer, r.Round, r.Note))
		}
	}
	return notes
}

// target is a number that this project set itself.
type target struct {
	what, wanted, got string
	met               bool
}

// targets compares what was measured with what was wanted of it.
func targets(all []result) []target {
	var ts []target
	most := func(what string, of func(measured) float64, m measured, limit float64, format string) {
		if len(m) > 0 {
			v := of(m)
			ts = append(ts, target{what, "≤ " + fmt.Sprintf(format, limit), fmt.Sprintf(format, v), v > 0 && v <= limit})
		}
	}
	ratio := func(what string, of func(result) float64, m, ref measured, least, limit float64) {
		if len(m) == 0 || len(ref) == 0 {
			return
		}
		v := m.against(ref, of)
		if least > 0 {
			ts = append(ts, target{what, fmt.Sprintf("≥ %.2f", least), fmt.Sprintf("%.2f", v), v >= least})
		} else {
			ts = append(ts, target{what, fmt.Sprintf("≤ %.2f", limit), fmt.Sprintf("%.2f", v), v > 0 && v <= limit})
		}
	}
	w1 := pick(all, "w1", "headrace")
	ratio("W1, rate to kcat's", result.rate, w1, pick(all, "w1", "kcat"), 1, 0)
	ratio("W1, rate to ProducerPerformance's", result.rate, w1, pick(all, "w1", "perf-producer"), 1, 0)
	most("W1, CPU seconds a million", func(m measured) float64 { return m.median(result.cpuPerMillion) }, w1, 1, "%.2f")
	most("W1, peak memory in MiB", func(m measured) float64 { return m.most(result.peak) }, w1, 100, "%.0f")
	w3 := pick(all, "w3", "headrace keyed")
	most("W3, CPU seconds a million", func(m measured) float64 { return m.median(result.cpuPerMillion) }, w3, 1, "%.2f")
	for _, w := range []string{"w2a", "w2b"} {
		for _, p := range []string{"headrace v2", "headrace v3"} {
			name := fmt.Sprintf("W%s, %s", w[1:], strings.TrimPrefix(p, "headrace "))
			ratio(name+", rate to the floor's", result.rate, pick(all, w, p), pick(all, w, "floor"), 0.9, 0)
			ratio(name+", p99 to the floor's", result.p99, pick(all, w, p), pick(all, w, "floor"), 0, 1)
		}
	}
	most("start to ready in ms", func(m measured) float64 { return m.median(result.ms) }, pick(all, "start", "headrace"), 100, "%.0f")
	return ts
}

func printTargets(w io.Writer, ts []target) {
	fmt.Fprintf(w, "\n### Targets\n\n| what | wanted | measured | |\n|---|--:|--:|---|\n")
	for _, t := range ts {
		verdict := "met"
		if !t.met {
			verdict = "**missed**"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", t.what, t.wanted, t.got, verdict)
	}
}
