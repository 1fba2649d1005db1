package producer

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
)

// topic is one topic that was written to.
type topic struct {
	p    *Producer
	name string

	list   atomic.Pointer[[]*partition] // nil while the topic is not known
	sticky sticky                       // of records without a key
	size   batchSize                    // that the broker takes
	turn   atomic.Uint32                // for ChooseNext
	used   atomic.Bool                  // was written to since the last look at it

	mu      sync.Mutex // also held while list changes; taken before a partition's
	waiting []parked   // records for a topic or partition that is not known yet
	asked   int64      // clock since when the topic is unknown; 0 while it is known
	missed  bool       // it was waited for in vain not long ago: one answer is enough
	lastErr error
	id      sarama.Uuid
	gone    bool  // forgotten; another topic has its name now
	dead    error // the producer is closed
}

func newTopic(p *Producer, name string) *topic {
	t := &topic{p: p, name: name, missed: p.missing.lately(name, p.clock())}
	t.size.init(p.cfg.BatchBytes)
	return t
}

func (t *topic) parts() []*partition {
	if l := t.list.Load(); l != nil {
		return *l
	}
	return nil
}

// choose returns m's partition of n, which may not exist yet, or ChooseSticky.
func (t *topic) choose(m *connector.Message, n int32) (int32, error) {
	if m.Partition != connector.AnyPartition {
		return m.Partition, nil
	}
	d := t.p.cfg.Partitioner(m.Key, n)
	switch {
	case d == ChooseSticky, 0 <= d && d < n:
		return d, nil
	case d == ChooseNext:
		return int32((t.turn.Add(1) - 1) % uint32(n)), nil
	case d == Refuse:
		return 0, connector.Errorf(connector.Invalid, "write to %s: the record must name its partition", t.name)
	default:
		return 0, connector.Errorf(connector.Invalid, "write to %s: the partitioner answered %d of %d partitions", t.name, d, n)
	}
}

// update takes what the cluster says about the topic. again says that it must
// be asked for once more.
func (t *topic) update(meta *sarama.TopicMetadata, now int64) (again bool) {
	switch {
	case errors.Is(meta.Err, sarama.ErrNoError), errors.Is(meta.Err, sarama.ErrLeaderNotAvailable) && len(meta.Partitions) > 0:
		return t.resolve(meta)
	case errors.Is(meta.Err, sarama.ErrUnknownTopicOrPartition), errors.Is(meta.Err, sarama.ErrLeaderNotAvailable):
		return t.unknown(meta.Err, now)
	}
	if judge(meta.Err).retries() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.lastErr = meta.Err
		return true
	}
	t.drop(fmt.Errorf("write to %s: %w", t.name, kafkaerr.Classify(meta.Err)))
	return false
}

// unknown keeps asking for a topic until the metadata timeout: it may be being
// created just now.
func (t *topic) unknown(err error, now int64) (again bool) {
	t.mu.Lock()
	if t.asked == 0 {
		t.asked = now
	}
	over := t.missed || now-t.asked >= int64(t.p.cfg.MetadataTimeout)
	t.missed = t.missed || over
	t.mu.Unlock()
	if !over {
		return true
	}
	t.p.missing.note(t.name, now)
	t.drop(connector.Errorf(connector.NotFound, "write to %s: the topic does not exist; create it first: %w", t.name, err))
	return false
}

// resolve creates partitions that are new, tells all of them their leaders and
// places the records that waited.
func (t *topic) resolve(meta *sarama.TopicMetadata) (again bool) {
	count := 0
	for _, pm := range meta.Partitions {
		count = max(count, int(pm.ID)+1)
	}
	t.mu.Lock()
	parts := t.parts()
	if count == 0 || t.dead != nil {
		t.mu.Unlock()
		return t.dead == nil
	}
	anew := t.anew(meta.Uuid, count)
	var failed []refusedRecord
	if anew && count != len(parts) {
		done := false
		if done, failed = t.remake(); !done {
			t.mu.Unlock()
			return true // when all that is in flight is answered
		}
	}
	parts = t.sized(count)
	t.asked, t.missed, t.lastErr = 0, false, nil
	t.id = meta.Uuid
	for _, pm := range meta.Partitions {
		c := t.p.control.connOf(pm.Leader)
		if c == nil {
			again = again || parts[pm.ID].unfinished()
			continue
		}
		if int(pm.ID) < len(parts) {
			parts[pm.ID].lead(c, pm.LeaderEpoch, anew)
		}
	}
	failed = append(failed, t.unpark(parts)...)
	t.list.Store(&parts) // after the parked ones, so that nothing overtakes them
	t.mu.Unlock()
	for _, k := range failed {
		k.fail(k.err)
	}
	return again
}

// drop fails all records of the topic that are not in flight. A topic that never
// was known is forgotten; the partitions of a known one keep their sequences.
func (t *topic) drop(err error) {
	t.mu.Lock()
	if t.parts() == nil {
		t.p.forget(t)
		t.gone = true
	}
	waiting := t.waiting
	t.waiting, t.asked = nil, 0
	t.mu.Unlock()
	for _, k := range waiting {
		k.fail(err)
	}
	for _, part := range t.parts() {
		part.drop(err)
	}
}

// fail ends the topic: the producer is closed.
func (t *topic) fail(err error) {
	t.mu.Lock()
	t.dead = err
	t.mu.Unlock()
	for _, part := range t.parts() {
		part.kill(err)
	}
	t.drop(err)
}

// expire fails records older than the delivery timeout.
func (t *topic) expire(now int64) {
	for _, part := range t.parts() {
		part.expire(now)
	}
	before := now - int64(t.p.cfg.DeliveryTimeout)
	t.mu.Lock()
	n := 0
	for n < len(t.waiting) && t.waiting[n].at <= before {
		n++
	}
	late := t.waiting[:n:n]
	t.waiting = t.waiting[n:]
	last := t.lastErr
	t.mu.Unlock()
	for _, k := range late {
		k.fail(expired(t.name, t.p.cfg.DeliveryTimeout, last))
	}
}
