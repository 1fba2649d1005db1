//go:build integration

package test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/headrace/headrace/test/services"
)

// One broker of three dies and another freezes during an export: every record
// arrives, once. HEADRACE_SOAK makes it go on for that long; make soak sets it.
func TestBrokerFaults(t *testing.T) {
	t.Parallel()
	var length time.Duration
	if text := os.Getenv("HEADRACE_SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	cluster := services.KafkaCluster3(t)
	start := time.Now()
	for round := 1; ; round++ {
		t.Run("round", func(t *testing.T) { faultyExport(t, cluster, random) })
		if t.Failed() || time.Since(start) >= length {
			t.Logf("%d exports in %s", round, time.Since(start).Round(time.Second))
			return
		}
	}
}

func faultyExport(t *testing.T, cluster *services.KafkaCluster, random *rand.Rand) {
	k := newTopic(t, cluster.Bootstrap, "", 6)
	p := newProject(t, map[string]string{"flights.yaml": flightsPipeline(t, cluster.Address(), k, "")})
	r := p.start("run", "--once", "flights.yaml")
	until := func(n int64) {
		t.Helper()
		eventually(t, 2*time.Minute, func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			ends, err := k.ends(ctx)
			if err != nil {
				return err
			}
			var have int64
			for _, e := range ends {
				have += e
			}
			if have < n {
				return errors.New("the export does not go on:\n" + tail(r.err.String()))
			}
			return nil
		})
	}
	until(1 + random.Int64N(services.FlightsCount/10))
	dead := random.IntN(3)
	cluster.Kill(dead)
	select {
	case <-time.After(time.Duration(random.IntN(3000)) * time.Millisecond):
	case <-r.ended:
	}
	if err := cluster.Restart(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	frozen := (dead + 1) % 3
	if err := cluster.Pause(frozen); err != nil {
		t.Fatal(err)
	}
	select {
	case <-time.After(5 * time.Second):
	case <-r.ended:
	}
	if err := cluster.Resume(frozen); err != nil {
		t.Fatal(err)
	}
	if code := r.exit(3 * time.Minute); code != 0 {
		t.Fatalf("exit code %d, want 0:\n%s", code, tail(r.out.String()+r.err.String()))
	}
	if d := checkFlights(t, k); d != 0 {
		t.Errorf("%d duplicates from an idempotent producer", d)
	}
}
