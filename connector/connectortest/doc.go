// Package connectortest holds what every source and every sink must do, as
// suites that run on a harness: TestSource and TestSink.
package connectortest
