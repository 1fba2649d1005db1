package pipelines

import (
	"context"
	"sync"

	"github.com/headrace/headrace/connector"
)

// fanOut gives each message to every branch and acknowledges it when all of
// them have it: with the worst outcome, in the order failed, dead-lettered,
// acknowledged, filtered.
func fanOut(branches []connector.Publisher) connector.Publisher {
	if len(branches) == 1 {
		return branches[0]
	}
	return connector.PublisherFunc(func(ctx context.Context, batch []*connector.Message) error {
		j := &join{messages: append([]*connector.Message(nil), batch...), left: make([]int, len(batch)), worst: make([]connector.Result, len(batch))}
		for i := range j.left {
			j.left[i] = len(branches)
			j.worst[i].Outcome = connector.Filtered
		}
		for n, branch := range branches {
			copies := j.copies()
			err := branch.Publish(ctx, copies)
			if err == nil {
				continue
			}
			if n == 0 {
				return err
			}
			// The first branches have it already, so the batch was accepted;
			// what this one refused has failed.
			for _, m := range copies {
				j.ack(m, connector.Result{Offset: -1, Outcome: connector.Failed, Err: err})
			}
		}
		return nil
	})
}

// join collects what the branches say of one batch.
type join struct {
	messages []*connector.Message

	mu    sync.Mutex
	left  []int
	worst []connector.Result
}

// copies returns the messages for one branch. Seq holds the place in the
// batch, since a branch may change anything else.
func (j *join) copies() []*connector.Message {
	slab := make([]connector.Message, len(j.messages))
	out := make([]*connector.Message, len(j.messages))
	for i, m := range j.messages {
		slab[i] = *m
		slab[i].Seq, slab[i].Ack = int64(i), j.ack
		out[i] = &slab[i]
	}
	return out
}

var severity = [connector.Outcomes]int{connector.Filtered: 0, connector.Acknowledged: 1, connector.DeadLettered: 2, connector.Failed: 3, connector.NotKnown: 3}

func (j *join) ack(copied *connector.Message, r connector.Result) {
	i := copied.Seq
	j.mu.Lock()
	if severity[r.Outcome] >= severity[j.worst[i].Outcome] {
		j.worst[i] = r
	}
	j.left[i]--
	last, worst := j.left[i] == 0, j.worst[i]
	j.mu.Unlock()
	if last {
		j.messages[i].Finish(worst)
	}
}
