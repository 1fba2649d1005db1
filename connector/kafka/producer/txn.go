package producer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/bounded"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
	"github.com/headrace/headrace/internal/backoff"
)

// transactions is the state of KIP-98's transactional producer: one
// transaction at a time, ended by its coordinator.
type transactions struct {
	p *Producer

	mu      sync.Mutex
	number  int64 // of the open or last transaction
	active  bool
	ending  bool
	touched bool  // the coordinator knows of the transaction
	failure error // the transaction can only be aborted
	fenced  error // the producer is of no use any more
	asked   []*partition
	id      int64 // producer id that the coordinator gave; -1 none yet
	epoch   int16
}

func newTransactions(p *Producer) *transactions { return &transactions{p: p, id: -1, epoch: -1} }

var errNoTransaction = errors.New("no transaction is open; call BeginTxn first")

// open reports whether records may be written.
func (x *transactions) open() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.fenced != nil:
		return x.fenced
	case !x.active || x.ending:
		return connector.Errorf(connector.Invalid, "write to kafka: %w", errNoTransaction)
	case x.failure != nil:
		return connector.Errorf(connector.Invalid, "write to kafka: the transaction failed and must be aborted: %w", x.failure)
	}
	return nil
}

// taint marks the open transaction as one that can only be aborted.
func (x *transactions) taint(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.active && x.failure == nil {
		x.failure = err
	}
}

// fence ends the producer's use: another one with the same id took over, or
// the coordinator refuses us.
func (x *transactions) fence(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.fenced == nil {
		x.fenced = err
	}
}

// judge turns what a plain producer heals by itself into failures of the
// transaction.
func (x *transactions) judge(act action) action {
	if act == staleIdentity {
		return fatal
	}
	return act
}

// joined reports whether part belongs to the open transaction, and else asks
// the coordinator to add it. The caller holds part.mu.
func (x *transactions) joined(part *partition) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if part.joined == x.number {
		return true
	}
	if part.joining != x.number {
		part.joining = x.number
		x.asked = append(x.asked, part)
		x.p.control.wantJoins()
	}
	return false
}

// join adds the partitions that asked. It returns false when it must be tried
// again.
func (x *transactions) join() bool {
	x.mu.Lock()
	asked, number := x.asked, x.number
	x.asked = nil
	req := &sarama.AddPartitionsToTxnRequest{
		Version: 2, TransactionalID: x.p.cfg.TransactionalID, ProducerID: x.id, ProducerEpoch: x.epoch,
		TopicPartitions: make(map[string][]int32),
	}
	x.mu.Unlock()
	if len(asked) == 0 {
		return true
	}
	for _, part := range asked {
		if part.isGone() {
			continue
		}
		req.TopicPartitions[part.t.name] = append(req.TopicPartitions[part.t.name], part.id)
	}
	err := x.coordinate(func(b *sarama.Broker) error {
		resp, err := b.AddPartitionsToTxn(req)
		if err != nil {
			return err
		}
		for _, parts := range resp.Errors {
			for _, e := range parts {
				if !errors.Is(e.Err, sarama.ErrNoError) && !errors.Is(e.Err, sarama.ErrOperationNotAttempted) {
					return e.Err
				}
			}
		}
		return nil
	})
	if err != nil && x.later(err) {
		x.mu.Lock()
		x.asked = append(x.asked, asked...)
		x.mu.Unlock()
		return false
	}
	if err == nil {
		x.mu.Lock()
		x.touched = true
		x.mu.Unlock()
	} else {
		err = x.failed("add partitions to the transaction", err)
	}
	for _, part := range asked {
		if err != nil {
			part.drop(err)
			continue
		}
		part.mu.Lock()
		part.joined = number
		part.ready()
		part.mu.Unlock()
	}
	return true
}

// later reports whether err passes by itself.
func (x *transactions) later(err error) bool {
	return transient(err) && x.p.ctx.Err() == nil
}

// failed classifies a coordinator's error: fencing ends the producer, anything
// else the transaction.
func (x *transactions) failed(what string, err error) error {
	err = fmt.Errorf("%s %q: %w", what, x.p.cfg.TransactionalID, kafkaerr.Classify(err))
	if fencing(err) {
		x.fence(err)
	} else {
		x.taint(err)
	}
	return err
}

func fencing(err error) bool {
	return errors.Is(err, sarama.ErrProducerFenced) || errors.Is(err, sarama.ErrInvalidProducerEpoch) ||
		errors.Is(err, sarama.ErrTransactionalIDAuthorizationFailed) || errors.Is(err, sarama.ErrInvalidProducerIDMapping)
}

// coordinate runs one exchange with the coordinator. When it moved or cannot
// be reached, the next attempt looks it up again.
func (x *transactions) coordinate(exchange func(*sarama.Broker) error) error {
	id := x.p.cfg.TransactionalID
	b, err := x.p.cfg.Client.TransactionCoordinator(id)
	if err != nil {
		return err
	}
	if err = exchange(b); err != nil && !fencing(err) && !errors.Is(err, sarama.ErrConcurrentTransactions) {
		_ = x.p.cfg.Client.RefreshTransactionCoordinator(id) // the next attempt reports what is wrong
	}
	return err
}

// initProducer gets the producer id and fences whoever had the transactional
// id before; with an id it bumps the epoch (KIP-360).
func (x *transactions) initProducer() (resp *sarama.InitProducerIDResponse, err error) {
	x.mu.Lock()
	req := &sarama.InitProducerIDRequest{
		Version: 4, TransactionalID: &x.p.cfg.TransactionalID, TransactionTimeout: x.p.cfg.TransactionTimeout,
		ProducerID: x.id, ProducerEpoch: x.epoch,
	}
	x.mu.Unlock()
	err = x.coordinate(func(b *sarama.Broker) error {
		var err error
		if resp, err = b.InitProducerID(req); err != nil {
			return err
		}
		if !errors.Is(resp.Err, sarama.ErrNoError) {
			return resp.Err
		}
		return nil
	})
	if err == nil {
		x.mu.Lock()
		x.id, x.epoch = resp.ProducerID, resp.ProducerEpoch
		x.mu.Unlock()
	}
	return resp, err
}

// InitTxn registers the transactional id and fences other producers that use
// it. It is optional: the first record of the first transaction does the same.
func (p *Producer) InitTxn(ctx context.Context) error {
	if p.txn == nil {
		return errNotTransactional()
	}
	return p.txn.until(ctx, "initialise the transactions of", func() error {
		p.identity.fetching.Lock()
		defer p.identity.fetching.Unlock()
		if p.identity.served() {
			return nil
		}
		resp, err := p.txn.initProducer()
		if err == nil {
			p.identity.mu.Lock()
			p.identity.known, p.identity.id, p.identity.epoch = true, resp.ProducerID, resp.ProducerEpoch
			p.identity.mu.Unlock()
		}
		return err
	})
}

func errNotTransactional() error {
	return connector.Errorf(connector.Invalid, "use kafka transactions: the producer has no transactional id")
}

// BeginTxn opens a transaction. All records written until CommitTxn or AbortTxn
// belong to it.
func (p *Producer) BeginTxn() error {
	x := p.txn
	if x == nil {
		return errNotTransactional()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.fenced != nil:
		return x.fenced
	case x.active:
		return connector.Errorf(connector.Invalid, "begin a transaction: one is open; commit or abort it first")
	}
	x.number++
	x.active, x.touched, x.failure = true, false, nil
	return nil
}

// until repeats an exchange while its error is one that passes, within ctx.
func (x *transactions) until(ctx context.Context, what string, exchange func() error) error {
	for n := 0; ; n++ {
		err := bounded.Do(ctx, exchange)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s %q: %w", what, x.p.cfg.TransactionalID, err)
		}
		if !x.later(err) {
			return x.failed(what, err)
		}
		if !backoff.Sleep(ctx, jitter(backoff.Step(x.p.cfg.retryBackoff, time.Second, n+1))) {
			return fmt.Errorf("%s %q: %w; last error: %w", what, x.p.cfg.TransactionalID, ctx.Err(), err)
		}
	}
}
