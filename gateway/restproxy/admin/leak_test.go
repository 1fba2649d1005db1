//go:build !integration

package admin

import (
	"flag"
	"testing"

	"github.com/rcrowley/go-metrics"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	metrics.UseNilMetrics = true
	goleak.VerifyTestMain(m)
}
