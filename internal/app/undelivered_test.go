package app

import (
	"context"
	"testing"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/pipelines"
)

// TestUndelivered counts what failed since the stop began, and what is in
// flight still.
func TestUndelivered(t *testing.T) {
	hard, stop := context.WithCancel(t.Context())
	s := &pipelines.Supervisor{Hard: hard}
	publish := func(end bool) {
		out := connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
			for _, m := range batch {
				if end {
					m.Ack(m, connector.Result{Outcome: connector.Failed})
				}
			}
			return nil
		})
		if err := s.Ledger("p").Watch(out).Publish(t.Context(), []*connector.Message{{}, {}}); err != nil {
			t.Fatal(err)
		}
	}
	publish(true) // failed long ago, and read again since
	before := s.Counts()
	publish(true)
	publish(false)
	if got := undelivered(s, before); got != 0 {
		t.Errorf("%d without a stop at once", got)
	}
	stop()
	if got := undelivered(s, before); got != 4 {
		t.Errorf("%d, want 4", got)
	}
}
