package producer

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/IBM/sarama"
)

// answered settles every batch of r. It runs on sarama's reading goroutine and
// never waits.
func (c *conn) answered(r *request, resp *sarama.ProduceResponse, err error) {
	now := c.p.clock()
	c.p.metrics.answered(r, now)
	lost := err != nil && judgeLocal(err) != fatal
	if lost {
		err = fmt.Errorf("connection to broker %d: %w", c.id, err)
	}
	outs := make([][]*batch, len(r.batches))
	for i, b := range r.batches {
		outs[i] = r.parts[i].complete(b, c.answerFor(r.parts[i], resp, err), now, nil)
	}
	c.mu.Lock()
	c.inflight--
	c.broken = c.broken || err != nil
	if resp != nil && resp.ThrottleTime > 0 {
		c.muted = now + int64(resp.ThrottleTime)
		c.p.metrics.throttled(resp.ThrottleTime)
	}
	busy := c.broken || c.looking || len(c.ready) > 0
	c.mu.Unlock()
	if busy { // else it sleeps on: a push wakes it
		c.wake()
	}
	for i, out := range outs {
		c.p.report(r.parts[i], out)
	}
}

// answerFor finds the partition's part in the response.
func (c *conn) answerFor(part *partition, resp *sarama.ProduceResponse, err error) answer {
	if err == nil && resp == nil {
		return answer{act: delivered, offset: -1} // acks 0: nobody answers
	}
	if err != nil {
		return answer{err: err, act: judge(err)}
	}
	block := resp.GetBlock(part.t.name, part.id)
	if block == nil {
		return answer{err: sarama.ErrIncompleteResponse, act: uncertain}
	}
	if errors.Is(block.Err, sarama.ErrNoError) {
		a := answer{act: delivered, offset: block.Offset}
		if !block.Timestamp.IsZero() {
			a.logTime = block.Timestamp.UnixMilli()
		}
		return a
	}
	a := answer{err: block.Err, act: judge(block.Err), offset: -1, bad: block.RecordErrors, words: wordsOf(block.ErrorMessage)}
	if l := block.CurrentLeader; l != nil && l.LeaderID >= 0 {
		for _, n := range resp.NodeEndpoints {
			if n.NodeID == l.LeaderID {
				a.hint, a.epoch = c.p.conn(n.NodeID, net.JoinHostPort(n.Host, strconv.Itoa(int(n.Port)))), l.LeaderEpoch
			}
		}
	}
	return a
}
