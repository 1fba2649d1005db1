package main

import "slices"

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

func (r result) rate() float64     { return float64(r.Records) / max(r.Seconds, 1e-9) }
func (r result) requests() float64 { return float64(r.Request) / max(r.Seconds, 1e-9) }
func (r result) ms() float64       { return r.Seconds * 1000 }
func (r result) seconds() float64  { return r.Seconds }
func (r result) p50() float64      { return r.P50 }
func (r result) p99() float64      { return r.P99 }
func (r result) peak() float64     { return r.Peak }

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

// pick returns the peer's measurements of a work.
func pick(all []result, work, peer string) measured {
	var m measured
	for _, r := range all {
		if r.Work == work && r.Peer == peer {
			m = append(m, r)
		}
	}
	return m
}

// against is the median of the ratios to ref, each taken within one round:
// what disturbs the machine disturbs the neighbours of a round alike.
func (m measured) against(ref measured, of func(result) float64) float64 {
	var ratios measured
	for _, r := range m {
		for _, o := range ref {
			if r.Round == o.Round && r.Note == "" && o.Note == "" && of(o) > 0 {
				ratios = append(ratios, result{Seconds: of(r) / of(o)})
			}
		}
	}
	return ratios.median(func(r result) float64 { return r.Seconds })
}

func (m measured) least(of func(result) float64) float64 {
	least := 0.0
	for _, r := range m {
		if v := of(r); r.Note == "" && (least == 0 || v < least) {
			least = v
		}
	}
	return least
}

func (m measured) most(of func(result) float64) float64 {
	most := 0.0
	for _, r := range m {
		if r.Note == "" {
			most = max(most, of(r))
		}
	}
	return most
}
