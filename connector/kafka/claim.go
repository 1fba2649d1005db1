package kafka

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
)

type counter = atomic.Int64

// claimReader reads one partition for one session of its group.
type claimReader struct {
	h       *groupHandler
	session sarama.ConsumerGroupSession
	claim   sarama.ConsumerGroupClaim
	end     int64 // where reading ends; -1: nowhere
	atEnd   bool

	at      int64                      // behind the last record that came
	mark    connector.Watermark[int64] // positions to commit: the offset after a record
	pending atomic.Int64
	drained chan struct{} // told when pending falls to 0

	failOnce sync.Once
	failed   chan struct{} // closed when a record could not be delivered
}

// read publishes batches until the claim ends. An error ends the session.
func (c *claimReader) read() error {
	for {
		batch := c.next()
		if len(batch) == 0 {
			return nil
		}
		if err := c.publish(batch); err != nil {
			if c.session.Context().Err() != nil {
				return nil
			}
			c.h.fail(err)
			return err
		}
	}
}

// next waits for a record and then until the batch is full or its time is
// over. It returns none when the claim is over. At the end of a bounded
// partition it waits with the claim for the others: the first claim that returns
// ends the session.
func (c *claimReader) next() []*connector.Message {
	if c.atEnd {
		if c.at < c.end { // behind what is never delivered, once the records before it are
			c.passed(c.mark.Begin(c.end))
		}
		c.h.bounds.reached()
		<-c.session.Context().Done()
		return nil
	}
	var batch []*connector.Message
	var timer <-chan time.Time
	var idle <-chan time.Time
	if c.end >= 0 {
		t := time.NewTicker(tailIdle)
		defer t.Stop()
		idle = t.C
	}
	for {
		select {
		case <-c.failed:
			return nil // what is in hand was not published, so it is read again
		case <-c.session.Context().Done():
			return nil
		case m, open := <-c.claim.Messages():
			if !open {
				return nil
			}
			batch, c.at = append(batch, message(m)), m.Offset+1
			if c.atEnd = m.Offset == c.end-1; c.atEnd {
				return batch
			}
			if len(batch) >= c.h.cfg.BatchSize {
				return batch
			}
			if timer == nil {
				t := time.NewTimer(c.h.cfg.Linger)
				defer t.Stop()
				timer = t.C
			}
		case <-timer:
			return batch
		case <-idle:
			if c.atEnd = c.onlyMarkersLeft(); !c.atEnd {
				continue
			}
			if len(batch) > 0 {
				return batch
			}
			return c.next()
		}
	}
}

// onlyMarkersLeft reports that nothing is delivered any more before the end of a
// bounded partition.
func (c *claimReader) onlyMarkersLeft() bool {
	nothing, err := bounded(c.session.Context(), func() (bool, error) {
		return bare(c.h.client, c.claim.Topic(), c.claim.Partition(), c.at, c.end)
	})
	return err == nil && nothing
}

func message(m *sarama.ConsumerMessage) *connector.Message {
	out := &connector.Message{Partition: connector.AnyPartition, Key: m.Key, Value: m.Value, Time: m.Timestamp, Seq: m.Offset}
	for _, h := range m.Headers {
		if h != nil {
			out.Headers = append(out.Headers, connector.Header{Key: string(h.Key), Value: h.Value})
		}
	}
	return out
}

// publish hands a batch on. Its records are begun in the order of their
// offsets, so their tickets follow each other.
func (c *claimReader) publish(batch []*connector.Message) error {
	offsets := make([]int64, len(batch))
	first := int64(-1)
	for i, m := range batch {
		offsets[i] = m.Seq
		ticket := c.mark.Begin(m.Seq + 1)
		if i == 0 {
			first = ticket
		}
	}
	ack := func(m *connector.Message, r connector.Result) {
		if i, ok := slices.BinarySearch(offsets, m.Seq); ok {
			c.settle(first+int64(i), r)
		}
	}
	for _, m := range batch {
		m.Ack = ack
	}
	n := len(batch)
	c.pending.Add(int64(n))
	c.h.unacked.Add(n)
	c.h.publish.Lock()
	err := c.h.out.Publish(c.session.Context(), connector.Batch{Messages: batch})
	c.h.publish.Unlock()
	if err != nil {
		c.pending.Add(-int64(n))
		c.h.unacked.Add(-n)
	}
	return err
}

// settle takes the fate of one record. A failed one stays a gap that no commit
// passes, and ends the claim.
func (c *claimReader) settle(ticket int64, r connector.Result) {
	if r.Outcome.Lost() {
		c.failOnce.Do(func() {
			c.h.fail(connector.Errorf(connector.KindOf(r.Err), "delivering a record of %s, partition %d: %w", c.claim.Topic(), c.claim.Partition(), r.Err))
			close(c.failed)
		})
	} else {
		c.passed(ticket)
	}
	if c.pending.Add(-1) == 0 {
		select {
		case c.drained <- struct{}{}:
		default:
		}
	}
	c.h.unacked.Done()
}

// passed marks a piece as done and lets the position be committed, with what
// was stored beside it at the start.
func (c *claimReader) passed(ticket int64) {
	if !c.mark.Done(ticket) {
		return
	}
	if next, ok := c.mark.Position(); ok {
		c.session.MarkOffset(c.claim.Topic(), c.claim.Partition(), next, c.h.start.text(c.claim.Topic()))
		c.h.progress.Add(1)
	}
}

// drain waits for acknowledgements while the partition is still ours, so that
// the next owner starts behind them. When Run is told to stop, the exporter
// bounds the wait; when the group rebalances, rebalanceWait does.
func (c *claimReader) drain() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if c.h.run.Err() == nil {
		ctx, cancel = context.WithTimeout(ctx, rebalanceWait)
		defer cancel()
	}
	for c.pending.Load() > 0 {
		select {
		case <-c.drained:
		case <-ctx.Done():
			c.h.cfg.Log.Warn("a partition is given away before all its records were acknowledged; they are delivered again", "topic", c.claim.Topic(), "partition", c.claim.Partition(), "records", c.pending.Load())
			return
		}
	}
}
