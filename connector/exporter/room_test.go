package exporter

import (
	"testing"

	"github.com/headrace/headrace/connector"
)

type spreadSink struct {
	connector.Sink
	want int
}

func (s *spreadSink) InFlight() int { return s.want }

// The default bound follows what the sink could do with, up to the most; a
// bound that was chosen stays, and so does that of a sink that says nothing.
func TestRoomFollowsTheSink(t *testing.T) {
	for name, tc := range map[string]struct {
		sink  connector.Sink
		bound int
		room  int64
	}{
		"wants more":        {&spreadSink{want: 20 << 20}, DefaultInFlightBytes, 20 << 20},
		"wants less":        {&spreadSink{want: 1 << 20}, DefaultInFlightBytes, DefaultInFlightBytes},
		"wants too much":    {&spreadSink{want: 1 << 30}, DefaultInFlightBytes, grownBytes},
		"bound was chosen":  {&spreadSink{want: 20 << 20}, 9 << 20, 9 << 20},
		"sink says nothing": {nil, DefaultInFlightBytes, DefaultInFlightBytes},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(tc.sink, tc.bound)
			take := func(r *room) bool { r.grow(); return r.TryAcquire(64 << 10) }
			taken := int64(0)
			for take(r) {
				taken += 64 << 10
			}
			if taken != tc.room {
				t.Errorf("%d bytes were taken, want %d", taken, tc.room)
			}
			r.Release(taken)
			if !r.TryAcquire(tc.room) {
				t.Error("what was given back is not there")
			}
		})
	}
}
