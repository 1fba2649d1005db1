package main

import (
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
)

// result is what one run gives.
type result struct {
	Seconds float64 `json:"seconds"`
	Allocs  float64 `json:"allocs"` // a record
	Records float64 `json:"-"`
	CPU     float64 `json:"-"` // seconds
	Peak    float64 `json:"-"` // MiB
}

func (r result) rate() float64 { return r.Records / r.Seconds }

// cpu is the seconds for a million records.
func (r result) cpu() float64 { return r.CPU / r.Records * 1e6 }

// print writes a table of medians; ratios are to the first peer.
func (b *bench) print() {
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	what := "records/s"
	if b.base.latency {
		what = "us a record"
	}
	fmt.Fprintf(tw, "bytes\tcodec\tpeer\t%s\tto the first\tCPU s/M\tallocs\tMiB\t\n", what)
	for _, size := range b.sizes {
		for _, codec := range b.codecs {
			var first float64
			for _, peer := range b.peers {
				runs := b.runs[fmt.Sprintf("%d\t%s\t%s", size, codec, peer)]
				v := median(runs, result.rate)
				if b.base.latency {
					v = 1e6 / v
				}
				if first == 0 {
					first = v
				}
				fmt.Fprintf(tw, "%d\t%s\t%s\t%.0f\t%.2f\t%.2f\t%.3f\t%.0f\t\n", size, codec, peer, v, v/first,
					median(runs, result.cpu),
					median(runs, func(r result) float64 { return r.Allocs }),
					median(runs, func(r result) float64 { return r.Peak }))
			}
		}
	}
	_ = tw.Flush() // to a terminal or pipe; nobody else to tell
}

func median(runs []result, of func(result) float64) float64 {
	var vs []float64
	for _, r := range runs {
		vs = append(vs, of(r))
	}
	slices.Sort(vs)
	return vs[len(vs)/2]
}
