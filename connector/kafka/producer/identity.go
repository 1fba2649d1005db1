package producer

import (
	"errors"
	"fmt"
	"sync"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector/kafka/kafkaerr"
)

// identity is the producer id (KIP-98) that partitions begin with. Without
// transactions a partition bumps the epoch for itself, without asking; a new id
// is fetched only when the old one is of no use.
type identity struct {
	fetching sync.Mutex // held while the cluster is asked

	mu      sync.Mutex
	known   bool
	id      int64
	epoch   int16
	waiting []*partition
}

// identify gives the partition a producer id, or makes it wait for one and
// returns false. The caller holds p.mu.
func (p *partition) identify() bool {
	i := &p.t.p.identity
	i.mu.Lock()
	known := i.known
	id, epoch := i.id, i.epoch
	if !known && !p.seq.asked {
		p.seq.asked = true
		i.waiting = append(i.waiting, p)
	}
	i.mu.Unlock()
	if !known {
		p.t.p.control.wantID()
		return false
	}
	p.seq.known, p.seq.id, p.seq.epoch = true, id, epoch
	return true
}

// drop makes the next partition that needs an id fetch a new one.
func (i *identity) drop(id int64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.id == id {
		i.known = false
	}
}

// fetch asks for a producer id and gives it to those who wait. It returns false
// when it must be tried again.
func (i *identity) fetch(c *control) bool {
	p := c.p
	i.fetching.Lock()
	defer i.fetching.Unlock()
	if i.served() {
		return true
	}
	resp, err := p.initProducer(c)
	if err == nil && !errors.Is(resp.Err, sarama.ErrNoError) {
		err = resp.Err
	}
	i.mu.Lock()
	waiting := i.waiting
	if err == nil {
		i.known, i.id, i.epoch = true, resp.ProducerID, resp.ProducerEpoch
	}
	if err == nil || !transient(err) {
		i.waiting = nil
	}
	i.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("get a producer id: %w", kafkaerr.Classify(err))
		if i.stillWaiting() {
			p.cfg.Log.Warn("kafka gives no producer id yet; records wait", "error", err)
			return false
		}
		if p.txn != nil {
			p.txn.fence(err)
		}
	}
	for _, part := range waiting {
		part.identified(err)
	}
	return true
}

// served reports whether nobody waits: partitions that ask at the same time
// share one answer, and a second one would make the first id stale in a
// transaction.
func (i *identity) served() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.known && len(i.waiting) == 0
}

func (i *identity) stillWaiting() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.waiting) > 0
}

func (p *Producer) initProducer(c *control) (resp *sarama.InitProducerIDResponse, err error) {
	if p.txn != nil {
		return p.txn.initProducer()
	}
	err = c.ask(func(b *sarama.Broker) (err error) {
		resp, err = b.InitProducerID(&sarama.InitProducerIDRequest{Version: 4, ProducerID: -1, ProducerEpoch: -1})
		return err
	})
	return resp, err
}

// identified takes up a fetched id, or fails what waits when there will be none.
func (p *partition) identified(err error) {
	p.mu.Lock()
	p.seq.asked = false
	p.ready()
	p.mu.Unlock()
	if err != nil {
		p.drop(err)
	}
}

// transient reports whether the coordinator or broker may answer later.
func transient(err error) bool {
	return !unauthenticated(err) && judge(err).retries() && !errors.Is(err, sarama.ErrUnknown)
}
