//go:build integration

package test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/test/services"
)

// The daemon is killed at 20 random moments during the export and started
// again each time: all records are there in the end. What was sent after the
// last kept position comes again, and is counted.
func TestKillNineDuringExport(t *testing.T) {
	const kills = 20
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	kafka := services.Kafka(t)
	k := newTopic(t, kafka.Bootstrap, "", 6)
	p := newProject(t, map[string]string{"flights.yaml": flightsPipeline(t, kafka.Address(), k, "")})
	for i := range kills {
		before := k.count()
		r := p.start("run", "flights.yaml")
		if i%4 == 3 {
			// any moment of the start, before or after the first record
			select {
			case <-time.After(time.Duration(random.IntN(200)) * time.Millisecond):
			case <-r.ended:
			}
		} else {
			more := before + 1 + random.Int64N(services.FlightsCount/kills/2)
			eventually(t, 2*time.Minute, func() error {
				if k.count() < more {
					select {
					case <-r.ended:
						t.Fatalf("ended by itself:\n%s", tail(r.err.String()))
					default:
					}
					return errors.New("the export does not go on:\n" + tail(r.err.String()))
				}
				return nil
			})
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
	p.run(3*time.Minute, 0, "run", "--once", "flights.yaml")
	duplicates := checkFlights(t, k)
	t.Logf("%d kills: %d records sent before the last start, %d in the topic, all %d there, %d duplicates (%.2f %%)",
		kills, left, k.count(), services.FlightsCount, duplicates, 100*float64(duplicates)/services.FlightsCount)
}
