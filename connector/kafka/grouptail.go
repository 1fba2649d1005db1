package kafka

import (
	"slices"

	"github.com/IBM/sarama"
)

// tailBytes is how much of the log is asked for at once to see what stands at
// the end of a partition.
const tailBytes = 1 << 20

// bare reports whether nothing stands between two offsets of a partition that is
// ever delivered: markers of transactions, records of aborted ones, and what
// compaction has left empty.
func bare(client sarama.Client, topic string, p int32, from, end int64) (bool, error) {
	for from < end {
		leader, err := client.Leader(topic, p)
		if err != nil {
			return false, err
		}
		req := &sarama.FetchRequest{Version: 12, MinBytes: 1, MaxBytes: tailBytes, Isolation: sarama.ReadCommitted, SessionEpoch: -1}
		req.AddBlock(topic, p, from, tailBytes, -1)
		res, err := leader.Fetch(req)
		if err != nil {
			return false, err
		}
		block := res.GetBlock(topic, p)
		if block == nil || block.Err != sarama.ErrNoError {
			return false, nil
		}
		next, nothing := passed(block, from)
		if !nothing || next <= from {
			return false, nil
		}
		from = next
	}
	return true, nil
}

// passed goes over the batches of an answer as long as none of their records is
// delivered, and returns the offset behind them.
func passed(block *sarama.FetchResponseBlock, from int64) (next int64, nothing bool) {
	aborted := slices.Clone(block.AbortedTransactions)
	slices.SortFunc(aborted, func(a, b *sarama.AbortedTransaction) int { return int(a.FirstOffset - b.FirstOffset) })
	open := map[int64]bool{} // producers within an aborted transaction
	next = from
	for _, set := range block.RecordsSet {
		batch := set.RecordBatch
		if batch == nil || batch.PartialTrailingRecord {
			break
		}
		for len(aborted) > 0 && aborted[0].FirstOffset <= batch.LastOffset() {
			open[aborted[0].ProducerID] = true
			aborted = aborted[1:]
		}
		switch {
		case batch.Control:
			delete(open, batch.ProducerID)
		case batch.IsTransactional && open[batch.ProducerID]:
		case len(batch.Records) > 0 && batch.LastOffset() >= from:
			return next, false
		}
		next = max(next, batch.LastOffset()+1)
	}
	return next, true
}
