package exporter

import (
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/headrace/headrace/connector"
)

// Spreader is a sink whose batches get small when what is in flight is spread
// over many destinations: InFlight is how many bytes it could do with now. The
// default bound grows up to that, within grownBytes; a bound
// that was chosen stays.
type Spreader interface {
	InFlight() int
}

// grownBytes keeps the process below 128 MiB, which takes three to four times as
// much.
const grownBytes = 36 << 20

// room bounds what is in flight.
type room struct {
	*semaphore.Weighted // of grownBytes, of which the rest is taken while the bound is lower
	sink                Spreader

	mu    sync.Mutex
	bound int
}

func newRoom(sink connector.Sink, bound int) *room {
	if bound != DefaultInFlightBytes {
		return &room{Weighted: semaphore.NewWeighted(int64(bound)), bound: bound}
	}
	r := &room{Weighted: semaphore.NewWeighted(grownBytes), bound: bound}
	r.TryAcquire(int64(grownBytes - bound)) // nobody else has it yet
	r.sink, _ = sink.(Spreader)
	return r
}

// grow follows what the sink could do with.
func (r *room) grow() {
	if r.sink == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if want := min(r.sink.InFlight(), grownBytes); want > r.bound {
		r.Release(int64(want - r.bound))
		r.bound = want
	}
}
