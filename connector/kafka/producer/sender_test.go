package producer

import (
	"testing"

	"github.com/headrace/headrace/connector"
)

// TestOneBatchAPartition: a partition whose leader moved away and came back
// stands in the sender's list twice. Two batches of it in one request would be
// one on the wire, and the answer for it would be taken for both.
func TestOneBatchAPartition(t *testing.T) {
	p := &Producer{cfg: Config{BatchRecords: 1, BatchBytes: 1000, MaxInFlight: 5, Linger: 1}}
	tp := newTopic(p, "t")
	part, c := newPartition(tp, 0), newConn(p, 1, "")
	part.leader, part.queued = c, c
	for i := range 2 {
		part.put(&write{p: p}, int32(i), message("x"), 0, 20, 0)
	}
	part.put(&write{p: p}, 2, &connector.Message{}, 0, 20, 0)
	c.push(part)
	c.push(part)
	for i := range 2 {
		r, _ := c.collect(0)
		if r == nil || len(r.batches) != 1 || len(r.parts) != 1 || r.batches[0] != part.pending[i] {
			t.Fatalf("request %d holds %+v, want batch %d alone", i, r, i)
		}
	}
	if len(c.ready) != 1 {
		t.Errorf("the partition is in the list %d times, want once", len(c.ready))
	}
}
