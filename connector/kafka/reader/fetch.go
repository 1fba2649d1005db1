package reader

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
	"github.com/headrace/headrace/internal/backoff"
)

const (
	// fetchBytes is the most that is asked for at once. Compressed batches may
	// hold many times that, so large answers are made of several requests.
	fetchBytes = 1 << 20
	// fetchSlice is the longest wait of one request: changes of what to read
	// are seen after it.
	fetchSlice   = 500 * time.Millisecond
	retryBackoff = 50 * time.Millisecond
)

// inLog is how much of the log may be needed for so many bytes of keys and
// values: headers and framing come on top.
func inLog(bytes int) int32 { return int32(min(max(bytes+bytes/4, 64<<10), fetchBytes)) }

// transient reports whether newer metadata may help.
func transient(err error) bool {
	return errors.Is(err, sarama.ErrNotLeaderForPartition) || errors.Is(err, sarama.ErrLeaderNotAvailable) ||
		errors.Is(err, sarama.ErrReplicaNotAvailable) || errors.Is(err, sarama.ErrFencedLeaderEpoch) ||
		errors.Is(err, sarama.ErrUnknownLeaderEpoch) || errors.Is(err, sarama.ErrKafkaStorageError) ||
		connector.KindOf(err) == connector.Unavailable && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// relearn asks where the partitions of a topic are now, after a short pause.
func (r *Reader) relearn(ctx context.Context, topic string) error {
	if !backoff.Sleep(ctx, retryBackoff) {
		return ctx.Err()
	}
	client, err := r.cluster.Client(ctx)
	if err != nil {
		return err
	}
	return kafkaerr.Classify(client.RefreshMetadata(topic))
}

// leader returns the address of the broker that serves a partition.
func (r *Reader) leader(ctx context.Context, tp TP) (string, error) {
	client, err := r.cluster.Client(ctx)
	if err != nil {
		return "", err
	}
	b, err := client.Leader(tp.Topic, tp.Partition)
	if err != nil {
		return "", kafkaerr.Classify(err)
	}
	return b.Addr(), nil
}

// part is one partition within a fetch: what was asked and what came.
type part struct {
	TP
	offset int64

	records       []Record
	next          int64
	logStart      int64
	highWatermark int64
	err           error
}

// fetchFrom reads from all partitions at once, one request for each broker
// that leads some, for most bytes as they lie in the log. A nil error says that
// each part has its answer or error.
func (r *Reader) fetchFrom(ctx context.Context, parts []*part, most int32, wait time.Duration) error {
	byLeader := map[string][]*part{}
	for _, p := range parts {
		p.next = p.offset
		addr, err := r.leader(ctx, p.TP)
		if err != nil {
			p.err = err
			continue
		}
		byLeader[addr] = append(byLeader[addr], p)
	}
	results := make(chan error, len(byLeader))
	for addr, group := range byLeader {
		if len(byLeader) == 1 {
			return r.fetchOne(ctx, addr, group, most, wait)
		}
		go func() { results <- r.fetchOne(ctx, addr, group, most, wait) }()
	}
	var err error
	for range byLeader {
		err = errors.Join(err, <-results)
	}
	return err
}

func (r *Reader) fetchOne(ctx context.Context, addr string, parts []*part, most int32, wait time.Duration) error {
	wait = max(wait, 0)
	req := &sarama.FetchRequest{Version: 12, MinBytes: 1, MaxBytes: most, MaxWaitTime: int32(wait / time.Millisecond), SessionEpoch: -1}
	for _, p := range parts {
		req.AddBlock(p.Topic, p.Partition, p.offset, most, -1)
	}
	res, err := ask(ctx, r, addr, wait+answerTimeout, func(b *sarama.Broker) (*sarama.FetchResponse, error) { return b.Fetch(req) })
	if err != nil {
		return err
	}
	for _, p := range parts {
		p.read(res.GetBlock(p.Topic, p.Partition))
	}
	return nil
}

// read takes the records of a block from the asked offset on. A batch may
// begin before it.
func (p *part) read(block *sarama.FetchResponseBlock) {
	if block == nil {
		p.err = connector.Errorf(connector.Unavailable, "the broker left the partition out of its answer")
		return
	}
	p.logStart, p.highWatermark = block.LogStartOffset, block.HighWaterMarkOffset
	if errors.Is(block.Err, sarama.ErrOffsetOutOfRange) {
		p.err = &connector.Error{Kind: connector.Invalid, Err: block.Err}
		return
	}
	if p.err = kafkaerr.Classify(errorOf(block.Err)); p.err != nil {
		return
	}
	for _, set := range block.RecordsSet {
		if set.RecordBatch != nil {
			p.readBatch(set.RecordBatch)
		}
	}
	if len(block.RecordsSet) == 0 && p.offset < block.LastStableOffset {
		p.next = p.offset + 1 // a batch that compaction left empty
	}
}

func errorOf(code sarama.KError) error {
	if errors.Is(code, sarama.ErrNoError) {
		return nil
	}
	return code
}

func (p *part) readBatch(batch *sarama.RecordBatch) {
	if batch.PartialTrailingRecord {
		return
	}
	p.next = max(p.next, batch.LastOffset()+1)
	if batch.Control {
		return
	}
	for _, rec := range batch.Records {
		offset := batch.FirstOffset + rec.OffsetDelta
		if offset < p.offset {
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
		p.records = append(p.records, out)
	}
}

// OffsetAt returns the offset of the first record at or behind a time in
// milliseconds since the epoch, or of Earliest or Latest. When no record is
// that young it is the end of the log.
func (r *Reader) OffsetAt(ctx context.Context, tp TP, at int64) (int64, error) {
	for lives := 3; ; lives-- {
		offset, err := r.offsetAt(ctx, tp, at)
		if err == nil && offset < 0 {
			offset, err = r.offsetAt(ctx, tp, Latest)
		}
		if err == nil || !transient(err) || lives == 0 {
			return offset, err
		}
		if err := r.relearn(ctx, tp.Topic); err != nil {
			return 0, err
		}
	}
}

func (r *Reader) offsetAt(ctx context.Context, tp TP, at int64) (int64, error) {
	addr, err := r.leader(ctx, tp)
	if err != nil {
		return 0, fmt.Errorf("finding the leader of %s/%d: %w", tp.Topic, tp.Partition, err)
	}
	req := sarama.NewOffsetRequest(sarama.MaxVersion)
	req.AddBlock(tp.Topic, tp.Partition, at, 1)
	res, err := ask(ctx, r, addr, answerTimeout, func(b *sarama.Broker) (*sarama.OffsetResponse, error) { return b.GetAvailableOffsets(req) })
	if err != nil {
		return 0, err
	}
	block := res.GetBlock(tp.Topic, tp.Partition)
	if block == nil {
		return 0, connector.Errorf(connector.Unavailable, "the broker left %s/%d out of its answer", tp.Topic, tp.Partition)
	}
	if err := refused(fmt.Sprintf("asking for an offset of %s/%d", tp.Topic, tp.Partition), block.Err); err != nil {
		return 0, err
	}
	if len(block.Offsets) == 1 {
		return block.Offsets[0], nil
	}
	return block.Offset, nil
}
