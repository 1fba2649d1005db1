package mocksource_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/connectortest"
	"github.com/headrace/headrace/connector/intake"
	"github.com/headrace/headrace/sources/mocksource"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	connectortest.TestSource(t, connectortest.SourceHarness{
		Caps: connectortest.SourceCaps{StartsOver: true, Records: 3000},
		Open: func(_ *testing.T, n int) connectortest.Input {
			cfg := mocksource.DefaultConfig()
			cfg.Interval, cfg.Count, cfg.Key = 0, int64(n), "k"
			return connectortest.Input{
				Index:  func(m *connector.Message) (int, error) { return int(m.Seq), nil },
				Source: func() connector.Source { return mocksource.New(cfg, block.Env{}) },
			}
		},
	})
}

// TestInterval counts what comes in a stretch of time, without an end.
func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := mocksource.DefaultConfig()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
		defer cancel()
		n := 0
		err := intake.Run(ctx, intake.Config{Source: mocksource.New(cfg, block.Env{}), Out: connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
			for _, m := range batch {
				if n++; string(m.Value) != "mock message" || m.Key != nil {
					t.Errorf("%q %q", m.Key, m.Value)
				}
				m.Finish(connector.Result{Outcome: connector.Acknowledged})
			}
			return nil
		})})
		if err != nil || n != 11 { // the first comes at once
			t.Errorf("%d messages in 10 s, %v", n, err)
		}
	})
}

func TestConfigFaults(t *testing.T) {
	for _, tc := range []struct {
		name, path string
		cfg        mocksource.Config
	}{
		{"right", "", mocksource.DefaultConfig()},
		{"interval", "message_interval", mocksource.Config{Interval: -1}},
		{"count", "message_count", mocksource.Config{Count: -1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := tc.cfg.Validate()
			if tc.path == "" && len(got) > 0 || tc.path != "" && (len(got) != 1 || got[0].Path != tc.path) {
				t.Errorf("%+v, want %q", got, tc.path)
			}
		})
	}
}
