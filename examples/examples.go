// Package examples holds runnable pipelines, one a connector. Those that
// `headrace dev` uses are part of the binary.
package examples

import _ "embed"

// Flights are 20,000 or so departures from New York in 2013, as gzipped CSV
// with a header; missing values are NA. See data/README.md.
//
//go:embed data/flights-sample.csv.gz
var Flights []byte

// DevPipeline is the pipeline of `headrace dev`.
//
//go:embed dev/flights.yaml
var DevPipeline string
