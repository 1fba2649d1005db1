package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/broker"
)

// How much a fetch asks for, and how long it waits for the first byte.
const (
	fetchBytes = 1 << 20
	fetchWait  = 500 * time.Millisecond
)

// claim is one partition of a session.
type claim struct {
	s        *session
	tp       broker.TP
	next     int64 // to read; belongs to the fetcher
	end      int64 // where reading ends; below 0: nowhere
	metadata string
	stored   int64                      // guarded by the session's storing
	mark     connector.Watermark[int64] // positions to store: the offset after a record
}

func (c *claim) atEnd() bool { return c.end >= 0 && c.next >= c.end }

// fetcher reads the claims that one broker leads.
type fetcher struct {
	s      *session
	addr   string
	claims []*claim
	turn   int // which comes first, so that a full answer starves nobody
}

// answer is what one request brought.
type answer struct {
	parts []*broker.Part
	of    []*claim
	err   error
}

// run reads until all claims are at their end. While an answer is published the
// next is fetched.
func (f *fetcher) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	ahead := f.ask(ctx)
	defer func() {
		cancel()
		if ahead != nil {
			<-ahead
		}
	}()
	for ahead != nil {
		a := <-ahead
		ahead = nil
		if a.err != nil {
			return a.err
		}
		var failed error
		for i, p := range a.parts {
			if err := a.of[i].fetched(ctx, p); err != nil && failed == nil {
				failed = err
			}
		}
		if failed == nil {
			ahead = f.ask(ctx)
		}
		for i, p := range a.parts {
			if err := a.of[i].publish(ctx, p); err != nil {
				return err
			}
		}
		if failed != nil {
			return failed
		}
	}
	return nil
}

// ask fetches what comes next; nil: nothing does.
func (f *fetcher) ask(ctx context.Context) <-chan answer {
	var a answer
	f.turn++
	for i := range f.claims {
		if c := f.claims[(i+f.turn)%len(f.claims)]; !c.atEnd() {
			a.parts = append(a.parts, &broker.Part{TP: c.tp, Offset: c.next})
			a.of = append(a.of, c)
		}
	}
	if len(a.parts) == 0 {
		return nil
	}
	done := make(chan answer, 1)
	go func() {
		a.err = f.s.r.conns.FetchFrom(ctx, f.addr, a.parts, broker.Fetching{Most: fetchBytes, Wait: fetchWait, Committed: !f.s.r.cfg.Uncommitted})
		done <- a
	}()
	return done
}

// fetched moves the claim behind what was read, but not over its end.
func (c *claim) fetched(ctx context.Context, p *broker.Part) error {
	switch {
	case errors.Is(p.Err, sarama.ErrOffsetOutOfRange):
		return c.outOfRange(ctx)
	case p.Err != nil:
		return fmt.Errorf("reading %s/%d: %w", c.tp.Topic, c.tp.Partition, p.Err)
	}
	c.next = p.Next
	if c.end >= 0 {
		if i := slices.IndexFunc(p.Records, func(r broker.Record) bool { return r.Offset >= c.end }); i >= 0 {
			p.Records = p.Records[:i]
		}
		c.next = min(c.next, max(c.end, p.Offset))
	}
	p.Next = c.next
	return nil
}

// publish hands the records on, and moves the position over what has none:
// markers of transactions, records that were aborted or compacted away.
func (c *claim) publish(ctx context.Context, p *broker.Part) error {
	if p.Err != nil {
		return nil
	}
	for records := p.Records; len(records) > 0; {
		n := min(len(records), c.s.r.cfg.BatchSize)
		if err := c.publishBatch(ctx, records[:n]); err != nil {
			return err
		}
		records = records[n:]
	}
	if n := len(p.Records); p.Next > p.Offset && (n == 0 || p.Records[n-1].Offset+1 < p.Next) {
		c.mark.Done(c.mark.Begin(p.Next))
		c.s.progress.Add(1)
	}
	return nil
}

// publishBatch hands a batch on. Its records are begun in the order of their
// offsets, so their tickets follow each other.
func (c *claim) publishBatch(ctx context.Context, records []broker.Record) error {
	offsets := make([]int64, len(records))
	messages := make([]*connector.Message, len(records))
	space := make([]connector.Message, len(records))
	places := make([]connector.Read, len(records))
	first := int64(-1)
	ack := func(m *connector.Message, r connector.Result) {
		if i, ok := slices.BinarySearch(offsets, m.Seq); ok {
			c.settle(first+int64(i), r)
		}
	}
	for i := range records {
		r := &records[i]
		offsets[i] = r.Offset
		space[i] = connector.Message{Partition: connector.AnyPartition, Key: r.Key, Value: r.Value, Headers: r.Headers, Time: r.Timestamp, Seq: r.Offset, Ack: ack}
		places[i] = connector.Read{Topic: c.tp.Topic, Partition: c.tp.Partition, Offset: r.Offset, Time: r.Timestamp}
		space[i].Read = &places[i]
		messages[i] = &space[i]
		if ticket := c.mark.Begin(r.Offset + 1); i == 0 {
			first = ticket
		}
	}
	n := int64(len(records))
	c.s.pending.add(n)
	c.s.r.publish.Lock()
	err := c.s.r.out.Publish(ctx, connector.Batch{Messages: messages})
	c.s.r.publish.Unlock()
	if err != nil {
		c.s.pending.add(-n)
	}
	return err
}

// settle takes the fate of one record. A failed one stays a gap that no commit
// passes, and ends the attempt.
func (c *claim) settle(ticket int64, r connector.Result) {
	if r.Outcome.Lost() {
		c.s.fail(connector.Errorf(connector.KindOf(r.Err), "delivering a record of %s, partition %d: %w", c.tp.Topic, c.tp.Partition, r.Err))
	} else if c.mark.Done(ticket) {
		c.s.progress.Add(1)
	}
	c.s.pending.add(-1)
}
