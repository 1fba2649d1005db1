package producer

import (
	"context"
	"errors"

	"github.com/IBM/sarama"
)

// SendOffsets makes consumed offsets of a group part of the transaction: they
// are committed with it. Offsets are those of the next record to read.
func (p *Producer) SendOffsets(ctx context.Context, group string, offsets map[string]map[int32]int64) error {
	x := p.txn
	if x == nil {
		return errNotTransactional()
	}
	if err := x.open(); err != nil {
		return err
	}
	if err := p.InitTxn(ctx); err != nil {
		return err
	}
	err := x.until(ctx, "add offsets to the transaction of", func() error {
		return x.coordinate(func(b *sarama.Broker) error {
			resp, err := b.AddOffsetsToTxn(&sarama.AddOffsetsToTxnRequest{
				Version: 2, TransactionalID: p.cfg.TransactionalID, ProducerID: x.id, ProducerEpoch: x.epoch, GroupID: group})
			if err != nil {
				return err
			}
			return codeOf(resp.Err)
		})
	})
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.touched = true
	x.mu.Unlock()
	return x.until(ctx, "commit offsets in the transaction of", func() error { return x.commitOffsets(group, offsets) })
}

func (x *transactions) commitOffsets(group string, offsets map[string]map[int32]int64) error {
	req := &sarama.TxnOffsetCommitRequest{
		Version: 3, TransactionalID: x.p.cfg.TransactionalID, GroupID: group, ProducerID: x.id, ProducerEpoch: x.epoch,
		GenerationID: -1, Topics: make(map[string][]*sarama.PartitionOffsetMetadata),
	}
	for topic, parts := range offsets {
		for id, offset := range parts {
			req.Topics[topic] = append(req.Topics[topic], &sarama.PartitionOffsetMetadata{Partition: id, Offset: offset, LeaderEpoch: -1})
		}
	}
	b, err := x.p.cfg.Client.Coordinator(group)
	if err != nil {
		return err
	}
	resp, err := b.TxnOffsetCommit(req)
	if err == nil {
		for _, parts := range resp.Topics {
			for _, e := range parts {
				err = errors.Join(err, codeOf(e.Err))
			}
		}
	}
	if err != nil {
		_ = x.p.cfg.Client.RefreshCoordinator(group) // the next attempt reports what is wrong
	}
	return err
}

func codeOf(e sarama.KError) error {
	if errors.Is(e, sarama.ErrNoError) {
		return nil
	}
	return e
}
