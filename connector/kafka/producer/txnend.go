package producer

import (
	"context"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
)

// CommitTxn sends what is waiting and commits. When any record of the
// transaction failed nothing is committed and the error says so: call AbortTxn
// then. When ctx ends in between, the outcome is not known; CommitTxn may be
// called again.
func (p *Producer) CommitTxn(ctx context.Context) error {
	x := p.txn
	if x == nil {
		return errNotTransactional()
	}
	if err := x.begin(); err != nil {
		return err
	}
	defer x.end()
	if err := p.Flush(ctx); err != nil {
		return err
	}
	x.mu.Lock()
	failure, touched := x.failure, x.touched
	x.mu.Unlock()
	if failure != nil {
		return fmt.Errorf("commit the transaction: abort it, a record or offset failed: %w", failure)
	}
	if touched {
		if err := x.until(ctx, "commit the transaction of", func() error { return x.finish(true) }); err != nil {
			return err
		}
	}
	x.close()
	return nil
}

// AbortTxn gives up the transaction: what was not sent fails, what was sent is
// never seen by consumers that read committed records only.
func (p *Producer) AbortTxn(ctx context.Context) error {
	x := p.txn
	if x == nil {
		return errNotTransactional()
	}
	if err := x.begin(); err != nil {
		return err
	}
	defer x.end()
	for _, t := range p.allTopics() {
		t.drop(connector.Errorf(connector.Unavailable, "write to %s: the transaction was aborted", t.name))
	}
	if err := p.Flush(ctx); err != nil {
		return err
	}
	x.mu.Lock()
	failed, touched := x.failure != nil, x.touched
	x.mu.Unlock()
	if touched {
		if err := x.until(ctx, "abort the transaction of", func() error { return x.finish(false) }); err != nil {
			return err
		}
	}
	if failed {
		if err := x.renew(ctx); err != nil {
			return err
		}
	}
	x.close()
	return nil
}

// renew bumps the epoch after a failure, so that nothing sent before can be
// stored later, and begins the sequences anew.
func (x *transactions) renew(ctx context.Context) error {
	for _, t := range x.p.allTopics() {
		for _, part := range t.parts() {
			if err := part.quiet(ctx); err != nil {
				return err
			}
		}
	}
	x.p.identity.mu.Lock()
	known := x.p.identity.known
	x.p.identity.known = false
	x.p.identity.mu.Unlock()
	for _, t := range x.p.allTopics() {
		for _, part := range t.parts() {
			part.mu.Lock()
			part.seq = sequence{acked: -1}
			part.mu.Unlock()
		}
	}
	if !known {
		return nil
	}
	return x.p.InitTxn(ctx)
}

// quiet waits until nothing of the partition is in flight; connection timeouts
// bound it.
func (p *partition) quiet(ctx context.Context) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		p.mu.Lock()
		n := p.inflight
		p.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// finish asks the coordinator to end the transaction.
func (x *transactions) finish(commit bool) error {
	return x.coordinate(func(b *sarama.Broker) error {
		x.mu.Lock()
		req := &sarama.EndTxnRequest{
			Version: 2, TransactionalID: x.p.cfg.TransactionalID, ProducerID: x.id, ProducerEpoch: x.epoch, TransactionResult: commit,
		}
		x.mu.Unlock()
		resp, err := b.EndTxn(req)
		if err != nil {
			return err
		}
		return codeOf(resp.Err)
	})
}

// begin claims the end of the transaction for one caller.
func (x *transactions) begin() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.fenced != nil:
		return x.fenced
	case !x.active:
		return connector.Errorf(connector.Invalid, "end a transaction: %w", errNoTransaction)
	case x.ending:
		return connector.Errorf(connector.Invalid, "end a transaction: it is being ended by somebody else")
	}
	x.ending = true
	return nil
}

func (x *transactions) end() {
	x.mu.Lock()
	x.ending = false
	x.mu.Unlock()
}

func (x *transactions) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.active, x.failure = false, nil
	x.number++ // no partition belongs to it any more
}
