package kafka

import (
	"context"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
)

// tailIdle is how long nothing has come from a partition before it is looked
// whether anything that is delivered stands before its end.
const tailIdle = 50 * time.Millisecond

// bounds ends a bounded group source: when every partition that the member
// holds is read to where it ended at the start of the run.
type bounds struct {
	finish context.CancelFunc
	newest map[string]map[int32]int64 // the end of what is committed

	mu   sync.Mutex
	left int // partitions of the session that are not at their end
}

// takeBounds asks where the partitions of the topics end now.
func takeBounds(client sarama.Client, topics []string, finish context.CancelFunc) (*bounds, error) {
	b := &bounds{finish: finish, newest: map[string]map[int32]int64{}}
	for _, topic := range topics {
		partitions, err := client.Partitions(topic)
		if err != nil {
			return nil, connector.Errorf(connector.KindOf(classify(err)), "reading the topic %s: %w", topic, err)
		}
		b.newest[topic] = map[int32]int64{}
		for _, p := range partitions {
			if b.newest[topic][p], err = stableEnd(client, topic, p); err != nil {
				return nil, connector.Errorf(connector.KindOf(classify(err)), "asking for the end of %s, partition %d: %w", topic, p, err)
			}
		}
	}
	return b, nil
}

// begin starts a session. A member without partitions has nothing to do: the
// others of its group have them.
func (b *bounds) begin(claims map[string][]int32) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = 0
	for _, partitions := range claims {
		b.left += len(partitions)
	}
	if b.left == 0 {
		b.finish()
	}
}

// reached says that a partition of the session is at its end.
func (b *bounds) reached() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left--; b.left == 0 {
		b.finish()
	}
}

// end returns where a claim's reading ends, and whether it is there already.
// Without bounds nothing ends.
func (b *bounds) end(claim sarama.ConsumerGroupClaim) (end int64, there bool) {
	if b == nil {
		return -1, false
	}
	end = b.newest[claim.Topic()][claim.Partition()] // 0, the end, for a partition that is newer than the run
	return end, claim.InitialOffset() >= end
}
