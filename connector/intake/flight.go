package intake

import (
	"sync/atomic"

	"github.com/headrace/headrace/connector"
)

// flight is a batch on its way. It is used again once the batch was delivered.
type flight struct {
	in     *intake
	ack    func(*connector.Message, connector.Result) // f.acked, bound once
	batch  connector.Batch
	weight int64
	ticket int64
	left   atomic.Int64
	// first is one more than the index of the first message of the batch that
	// failed; 0: none did.
	first atomic.Int64
}

func (f *flight) begin(b connector.Batch, weight, ticket int64) {
	f.batch, f.weight, f.ticket = b, weight, ticket
	f.left.Store(int64(len(b.Messages)))
	f.first.Store(0)
}

func (f *flight) acked(m *connector.Message, r connector.Result) {
	f.in.ledger.End(r.Outcome)
	if r.Outcome.Lost() {
		f.failed(m)
		f.in.cancel(&failure{cause(r.Err)})
	}
	if f.left.Add(-1) > 0 {
		return
	}
	in, weight := f.in, f.weight
	if first := f.first.Load(); first == 0 {
		in.finish(f.batch.After.Part, f.ticket)
		if f.batch.Release != nil {
			f.batch.Release()
		}
		f.batch = connector.Batch{}
		in.flights.Put(f)
	} else if first > 1 && f.batch.Behind != nil && f.ticket != none {
		in.halt(f.batch.Behind(int(first-2)), f.ticket)
	}
	if weight > 0 {
		in.room.Release(weight)
	}
	in.unacked.Done()
}

// failed notes the place of a message that was not delivered. A message that is
// not found, because a stage changed it for another, counts as the first.
func (f *flight) failed(m *connector.Message) {
	at := int64(1)
	for i, other := range f.batch.Messages {
		if m == other {
			at = int64(i + 1)
			break
		}
	}
	for {
		first := f.first.Load()
		if first != 0 && first <= at || f.first.CompareAndSwap(first, at) {
			return
		}
	}
}

var errUnknownFate = connector.Errorf(connector.Unknown, "nobody knows what became of a record")

func cause(err error) error {
	if err == nil {
		return errUnknownFate
	}
	return err
}
