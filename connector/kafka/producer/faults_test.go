package producer

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// until polls a condition that another goroutine brings about.
func until(t testing.TB, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(200 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited 10 s in vain")
		}
	}
}

// onProduce runs f for every produce request, until the cluster closes.
func onProduce(c *kfake.Cluster, f func(*kmsg.ProduceRequest) (kmsg.Response, error, bool)) {
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		return f(r.(*kmsg.ProduceRequest))
	})
}

// countProduce counts produce requests.
func countProduce(c *kfake.Cluster) *atomic.Int64 {
	n := new(atomic.Int64)
	onProduce(c, func(*kmsg.ProduceRequest) (kmsg.Response, error, bool) {
		n.Add(1)
		return nil, nil, false
	})
	return n
}

// holdProduce makes produce requests wait until release is called.
func holdProduce(c *kfake.Cluster) (release func()) {
	open := make(chan struct{})
	var once sync.Once
	onProduce(c, func(*kmsg.ProduceRequest) (kmsg.Response, error, bool) {
		select {
		case <-open:
		default:
			c.SleepControl(func() { <-open })
		}
		return nil, nil, false
	})
	return func() { once.Do(func() { close(open) }) }
}

// appendTime answers produce requests as a topic with LogAppendTime does.
func appendTime(c *kfake.Cluster, ms int64) {
	onProduce(c, func(req *kmsg.ProduceRequest) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, rt := range req.Topics {
			t := kmsg.NewProduceResponseTopic()
			t.Topic = rt.Topic
			for _, rp := range rt.Partitions {
				p := kmsg.NewProduceResponseTopicPartition()
				p.Partition, p.LogAppendTime = rp.Partition, ms
				t.Partitions = append(t.Partitions, p)
			}
			resp.Topics = append(resp.Topics, t)
		}
		return resp, nil, true
	})
}
