package connector

import (
	"context"
	"sync/atomic"
)

// Ledger counts records: each that enters is read once and ends in exactly one
// outcome. It is safe for concurrent use; the zero value is ready.
type Ledger struct {
	read  atomic.Int64
	bytes atomic.Int64
	ends  [Outcomes]atomic.Int64
}

// Counts is a snapshot of a Ledger. Read = the sum of the outcomes once
// nothing is in flight.
type Counts struct {
	Read         int64 `json:"read"`
	Acknowledged int64 `json:"acknowledged"`
	DeadLettered int64 `json:"dead_lettered"`
	Filtered     int64 `json:"filtered"`
	Failed       int64 `json:"failed"`
	Bytes        int64 `json:"bytes"` // of the values read
}

// InFlight is what was read and has not ended yet.
func (c Counts) InFlight() int64 {
	return c.Read - c.Acknowledged - c.DeadLettered - c.Filtered - c.Failed
}

// Counts returns a snapshot. Outcomes are loaded before reads, so InFlight is
// never negative.
func (l *Ledger) Counts() Counts {
	c := Counts{
		Acknowledged: l.ends[Acknowledged].Load(),
		DeadLettered: l.ends[DeadLettered].Load(),
		Filtered:     l.ends[Filtered].Load(),
		Failed:       l.ends[Failed].Load(),
	}
	c.Bytes = l.bytes.Load()
	c.Read = l.read.Load()
	return c
}

// Enter counts n records of so many bytes as read; with negative numbers it
// takes back what was not accepted in the end.
func (l *Ledger) Enter(n, bytes int64) {
	l.read.Add(n)
	l.bytes.Add(bytes)
}

// End counts what became of one record.
func (l *Ledger) End(o Outcome) { l.ends[ending(o)].Add(1) }

func ending(o Outcome) Outcome {
	if o.Lost() {
		return Failed
	}
	return o
}

// Watch returns a Publisher that counts what passes to out and what becomes of
// it. It stands directly behind a source. A batch that out refuses is not
// counted: its giver still holds it.
func (l *Ledger) Watch(out Publisher) Publisher {
	return PublisherFunc(func(ctx context.Context, batch []*Message) error {
		if len(batch) == 0 {
			return nil
		}
		ack := batch[0].Ack
		counted := func(m *Message, r Result) {
			l.End(r.Outcome)
			if ack != nil {
				ack(m, r)
			}
		}
		var size int64
		for _, m := range batch {
			m.Ack = counted
			size += int64(len(m.Value))
		}
		n := int64(len(batch))
		l.Enter(n, size)
		if err := out.Publish(ctx, batch); err != nil {
			for _, m := range batch {
				m.Ack = ack
			}
			l.Enter(-n, -size)
			return err
		}
		return nil
	})
}
