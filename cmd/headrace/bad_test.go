package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"
)

// TestStrictBroker runs testdata/strict: $BROKER makes no topics by itself.
func TestStrictBroker(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/strict",
		Setup: func(e *testscript.Env) error {
			broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
			if err != nil {
				return err
			}
			e.Defer(broker.Close)
			e.Setenv("BROKER", broker.ListenAddrs()[0])
			return nil
		},
	})
}
