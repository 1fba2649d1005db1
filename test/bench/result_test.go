package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Two rounds, the second on a machine half as fast, and a third that failed.
var sample = []result{
	{Peer: "headrace", Work: "w1", Round: 1, Records: 1000, Seconds: 1, CPU: 0.001, Peak: 80},
	{Peer: "kcat", Work: "w1", Round: 1, Records: 1000, Seconds: 2, CPU: 0.0005, Peak: 40},
	{Peer: "headrace", Work: "w1", Round: 2, Records: 1000, Seconds: 2, CPU: 0.002, Peak: 101},
	{Peer: "kcat", Work: "w1", Round: 2, Records: 1000, Seconds: 4, CPU: 0.001, Peak: 50},
	{Peer: "headrace", Work: "w1", Round: 3, Note: "no broker"},
	{Peer: "headrace", Work: "start", Round: 1, Seconds: 0.03, Peak: 30},
	{Peer: "headrace", Work: "start", Round: 1, Seconds: 0.05, Peak: 31},
}

func TestTablesAreMarkdown(t *testing.T) {
	var out strings.Builder
	printTables(&out, 1000, sample)
	want := `
### W1: a file of 1000 JSON lines to Kafka

| program | records/s | × kcat | from–to | seconds | CPU s a million | broker's CPU s | peak MiB |
|---|--:|--:|--:|--:|--:|--:|--:|
| headrace | 750 | 2.00 | 500–1000 | 1.50 | 1.50 | 0.00 | 90 |
| kcat | 375 | 1.00 | 250–500 | 3.00 | 0.75 | 0.00 | 45 |

Left out: headrace, round 3: no broker.

### Start of the binary to ready

| program | ms | slowest ms | starts | peak MiB |
|---|--:|--:|--:|--:|
| headrace | 40 | 50 | 2 | 30 |
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
}

func TestTargets(t *testing.T) {
	got := map[string]bool{}
	for _, g := range targets(sample) {
		got[g.what] = g.met
	}
	want := map[string]bool{
		"W1, rate to kcat's":        true,
		"W1, CPU seconds a million": false, // 1.5
		"W1, peak memory in MiB":    false, // the highest counts
		"start to ready in ms":      true,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRatiosAreTakenWithinARound(t *testing.T) {
	m := measured{{Round: 1, Seconds: 1}, {Round: 2, Seconds: 100}, {Round: 3, Seconds: 9, Note: "failed"}, {Round: 4, Seconds: 1}}
	ref := measured{{Round: 1, Seconds: 2}, {Round: 2, Seconds: 200}, {Round: 3, Seconds: 1}, {Round: 5, Seconds: 1}}
	if got := m.against(ref, result.seconds); got != 0.5 {
		t.Errorf("ratio %v, want 0.5 from the two rounds that both have", got)
	}
}
