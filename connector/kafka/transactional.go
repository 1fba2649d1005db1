package kafka

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/producer"
)

// commitTimeout bounds the end of a transaction, also when the Write that it
// belongs to was given up on.
const commitTimeout = 30 * time.Second

// transactional makes each Write one Kafka transaction: its records are
// reported as stored when they are committed, and all of them as failed when
// one of them is. Writes wait for each other.
type transactional struct {
	p  *producer.Producer
	mu sync.Mutex
}

// Write implements connector.Sink.
func (t *transactional) Write(ctx context.Context, batch []*connector.Message, done func([]connector.Result)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	results, err := t.write(ctx, batch)
	if err != nil {
		results = failed(len(batch), err)
	}
	done(results)
}

func (t *transactional) write(ctx context.Context, batch []*connector.Message) ([]connector.Result, error) {
	if err := t.p.BeginTxn(); err != nil {
		return nil, err
	}
	reported := make(chan []connector.Result, 1)
	t.p.Write(ctx, batch, func(r []connector.Result) { reported <- slices.Clone(r) })
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	err := t.p.CommitTxn(end)
	if err == nil {
		return <-reported, nil
	}
	abortErr := t.p.AbortTxn(end)
	// A record that is wrong by itself keeps its own reason; the others may be
	// tried again in another transaction.
	results := failed(len(batch), connector.Errorf(connector.Unavailable, "the transaction was aborted: %w", errors.Join(err, abortErr)))
	select {
	case own := <-reported:
		for i := range own {
			if own[i].Err != nil {
				results[i].Err = own[i].Err
			}
		}
	case <-end.Done():
	}
	return results, nil
}

// Close implements connector.Sink.
func (t *transactional) Close(ctx context.Context) error { return t.p.Close(ctx) }

func failed(n int, err error) []connector.Result {
	results := make([]connector.Result, n)
	for i := range results {
		results[i] = connector.Result{Offset: -1, Err: err}
	}
	return results
}
