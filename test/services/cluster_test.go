//go:build integration

package services_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/test/services"
)

// A record is accepted with one broker of three dead, waits while another is
// frozen (fewer than two in sync), and is accepted when both are back.
func TestClusterFaults(t *testing.T) {
	k := services.KafkaCluster3(t)
	cl := client(t, k.Bootstrap)
	produce(t, cl, "faults")
	const patience = 60 * time.Second
	send := func() <-chan error {
		sent := make(chan error, 1)
		cl.Produce(t.Context(), &kgo.Record{Topic: "faults", Value: []byte("v")}, func(_ *kgo.Record, err error) { sent <- err })
		return sent
	}
	acked := func(sent <-chan error, when string) {
		t.Helper()
		select {
		case err := <-sent:
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
		case <-time.After(patience):
			t.Fatalf("%s: no acknowledgement in %s", when, patience)
		}
	}
	k.Kill(2)
	acked(send(), "with one broker dead")
	if err := k.Pause(1); err != nil {
		t.Fatal(err)
	}
	held := send()
	select {
	case err := <-held:
		t.Errorf("answered (%v) by a cluster with one broker of three left", err)
	case <-time.After(3 * time.Second):
	}
	if err := k.Resume(1); err != nil {
		t.Fatal(err)
	}
	if err := k.Restart(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	acked(held, "held record, with all brokers back")
	acked(send(), "with all brokers back")
}
