package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
	"github.com/headrace/headrace/internal/backoff"
)

// Record is one record as it is stored. Key and Value are nil for null.
type Record struct {
	TP
	Offset     int64
	Timestamp  time.Time
	Key, Value []byte
	Headers    []connector.Header
}

// Relearn asks where the partitions of a topic are now, after a short pause.
func (c *Conns) Relearn(ctx context.Context, topic string) error {
	if !backoff.Sleep(ctx, RetryBackoff) {
		return ctx.Err()
	}
	client, err := c.Client(ctx)
	if err != nil {
		return err
	}
	return kafkaerr.Classify(client.RefreshMetadata(topic))
}

// leader returns the address of the broker that serves a partition.
func (c *Conns) leader(ctx context.Context, tp TP) (string, error) {
	client, err := c.Client(ctx)
	if err != nil {
		return "", err
	}
	b, err := client.Leader(tp.Topic, tp.Partition)
	if err != nil {
		return "", kafkaerr.Classify(err)
	}
	return b.Addr(), nil
}

// Part is one partition within a fetch: what is asked, and what came.
type Part struct {
	TP
	Offset int64 // to read from

	Records       []Record
	Next          int64 // the offset to go on with, behind markers and aborted records too
	LogStart      int64
	HighWatermark int64
	Err           error

	stuck bool // nothing came, though there is more
}

// Fetching says how to read.
type Fetching struct {
	Most      int32         // bytes as they lie in the log; one batch always passes
	Wait      time.Duration // for the first byte
	Committed bool          // leave out the records of transactions that are open or were aborted
}

// ByLeader groups parts by the brokers that lead them. A part whose leader is
// not known has that as its Err.
func (c *Conns) ByLeader(ctx context.Context, parts []*Part) map[string][]*Part {
	byLeader := map[string][]*Part{}
	for _, p := range parts {
		p.Next = p.Offset
		addr, err := c.leader(ctx, p.TP)
		if err != nil {
			p.Err = err
			continue
		}
		byLeader[addr] = append(byLeader[addr], p)
	}
	return byLeader
}

// Fetch reads from all partitions at once, one request for each broker that
// leads some. A nil error says that each part has its answer or Err.
func (c *Conns) Fetch(ctx context.Context, parts []*Part, f Fetching) error {
	byLeader := c.ByLeader(ctx, parts)
	results := make(chan error, len(byLeader))
	for addr, group := range byLeader {
		if len(byLeader) == 1 {
			return c.FetchFrom(ctx, addr, group, f)
		}
		go func() { results <- c.FetchFrom(ctx, addr, group, f) }()
	}
	var err error
	for range byLeader {
		err = errors.Join(err, <-results)
	}
	return err
}

// FetchFrom reads partitions from the broker that leads them all.
func (c *Conns) FetchFrom(ctx context.Context, addr string, parts []*Part, f Fetching) error {
	if err := c.fetch(ctx, addr, parts, f); err != nil {
		return err
	}
	// An empty answer where there is more means one of two things: the others
	// took all the room, or compaction left a batch without records. Only an
	// answer without any records tells them apart.
	var stuck *Part
	empty := true
	for _, p := range parts {
		if p.stuck && stuck == nil {
			stuck = p
		}
		empty = empty && len(p.Records) == 0 && p.Next == p.Offset
	}
	if stuck != nil && !empty {
		f.Wait = 0
		parts = []*Part{stuck}
		stuck.stuck = false
		if err := c.fetch(ctx, addr, parts, f); err != nil {
			return err
		}
		empty = true
	}
	for _, p := range parts {
		if empty && p.stuck {
			p.Next = p.Offset + 1
		}
	}
	return nil
}

func (c *Conns) fetch(ctx context.Context, addr string, parts []*Part, f Fetching) error {
	wait := max(f.Wait, 0)
	req := &sarama.FetchRequest{Version: 12, MinBytes: 1, MaxBytes: f.Most, MaxWaitTime: int32(wait / time.Millisecond), SessionEpoch: -1}
	if f.Committed {
		req.Isolation = sarama.ReadCommitted
	}
	for _, p := range parts {
		req.AddBlock(p.Topic, p.Partition, p.Offset, f.Most, -1)
	}
	res, err := Ask(ctx, c, addr, wait+AnswerTimeout, func(b *sarama.Broker) (*sarama.FetchResponse, error) { return b.Fetch(req) })
	if err != nil {
		return err
	}
	for _, p := range parts {
		p.read(res.GetBlock(p.Topic, p.Partition), f.Committed)
	}
	return nil
}

// read takes the records of a block from the asked offset on. A batch may
// begin before it.
func (p *Part) read(block *sarama.FetchResponseBlock, committed bool) {
	p.Next, p.Err, p.stuck = p.Offset, nil, false
	if block == nil {
		p.Err = connector.Errorf(connector.Unavailable, "the broker left the partition out of its answer")
		return
	}
	p.LogStart, p.HighWatermark = block.LogStartOffset, block.HighWaterMarkOffset
	if errors.Is(block.Err, sarama.ErrOffsetOutOfRange) {
		p.Err = &connector.Error{Kind: connector.Invalid, Err: block.Err}
		return
	}
	if !errors.Is(block.Err, sarama.ErrNoError) {
		p.Err = kafkaerr.Classify(block.Err)
		return
	}
	aborted := aborts{left: block.AbortedTransactions}
	for _, set := range block.RecordsSet {
		if set.RecordBatch != nil {
			p.readBatch(set.RecordBatch, committed && aborted.has(set.RecordBatch))
		}
	}
	end := block.HighWaterMarkOffset
	if committed {
		end = block.LastStableOffset
	}
	p.stuck = len(block.RecordsSet) == 0 && p.Offset < end
}

func (p *Part) readBatch(batch *sarama.RecordBatch, aborted bool) {
	if batch.PartialTrailingRecord {
		return
	}
	p.Next = max(p.Next, batch.LastOffset()+1)
	if batch.Control || aborted {
		return
	}
	for _, rec := range batch.Records {
		offset := batch.FirstOffset + rec.OffsetDelta
		if offset < p.Offset {
			continue
		}
		t := batch.FirstTimestamp.Add(rec.TimestampDelta)
		if batch.LogAppendTime {
			t = batch.MaxTimestamp
		}
		out := Record{TP: p.TP, Offset: offset, Timestamp: t, Key: rec.Key, Value: rec.Value}
		for _, h := range rec.Headers {
			out.Headers = append(out.Headers, connector.Header{Key: string(h.Key), Value: h.Value})
		}
		p.Records = append(p.Records, out)
	}
}

// aborts follows which producers' records were aborted, through the batches of
// one answer in their order.
type aborts struct {
	left []*sarama.AbortedTransaction // that begin behind what was seen, in the order of the broker
	now  map[int64]bool               // producers within an aborted transaction
}

// has reports whether the batch belongs to an aborted transaction. An abort
// marker ends that of its producer.
func (a *aborts) has(batch *sarama.RecordBatch) bool {
	keep := a.left[:0:0]
	for _, t := range a.left {
		if t.FirstOffset > batch.LastOffset() {
			keep = append(keep, t)
			continue
		}
		if a.now == nil {
			a.now = map[int64]bool{}
		}
		a.now[t.ProducerID] = true
	}
	a.left = keep
	if batch.Control {
		if isAbort(batch) {
			delete(a.now, batch.ProducerID)
		}
		return false
	}
	return batch.IsTransactional && a.now[batch.ProducerID]
}

// isAbort reads the key of a control record: a version, then 0 for an abort.
func isAbort(batch *sarama.RecordBatch) bool {
	return len(batch.Records) > 0 && len(batch.Records[0].Key) >= 4 && binary.BigEndian.Uint16(batch.Records[0].Key[2:]) == 0
}
