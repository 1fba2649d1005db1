//go:build integration

package test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/headrace/headrace/test/services"
)

// The daemon is killed at 20 random moments during the export and started
// again each time: all records are there in the end. What was sent after the
// last kept position comes again, and is counted.
func TestKillNineDuringExport(t *testing.T) {
	const kills, longestLife = 20, 1500 * time.Millisecond
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	kafka := services.Kafka(t)
	k := newTopic(t, kafka.Bootstrap, "", 6)
	p := newProject(t, map[string]string{"flights.yaml": flightsPipeline(t, kafka.Address(), k, "    client_id: killed\n")})
	// The quota makes the export last longer than all the lives together.
	throttle(t, k, "killed", 2<<20)
	for i := range kills {
		r := p.start("run", "flights.yaml")
		select {
		case <-time.After(time.Duration(random.Int64N(int64(longestLife)))):
		case <-r.ended:
		}
		select {
		case <-r.ended:
			t.Fatalf("ended by itself before it was killed:\n%s", tail(r.err.String()))
		default:
		}
		if strings.Contains(r.out.String()+r.err.String(), "acknowledged") {
			t.Fatalf("the export was over before kill %d of %d", i+1, kills)
		}
		r.kill()
	}
	left := k.count()
	throttle(t, k, "killed", 1<<30)
	p.run(3*time.Minute, 0, "run", "--once", "flights.yaml")
	duplicates := checkFlights(t, k)
	t.Logf("%d kills: %d records sent before the last start, %d in the topic, all %d there, %d duplicates (%.2f %%)",
		kills, left, k.count(), services.FlightsCount, duplicates, 100*float64(duplicates)/services.FlightsCount)
}

// throttle makes the brokers hold back what the client sends above the bytes
// a second.
func throttle(t *testing.T, k *topic, client string, bytes float64) {
	t.Helper()
	quota := kadm.AlterClientQuotaEntry{
		Entity: kadm.ClientQuotaEntity{{Type: "client-id", Name: &client}},
		Ops:    []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: bytes}},
	}
	done, err := k.adm.AlterClientQuotas(t.Context(), []kadm.AlterClientQuotaEntry{quota})
	if err == nil {
		err = done[0].Err
	}
	if err != nil {
		t.Fatalf("throttle %s: %v", client, err)
	}
}
