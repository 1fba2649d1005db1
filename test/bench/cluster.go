package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/test/services"
)

const partitions = 6

// cluster is the Kafka that everything is measured on.
type cluster struct {
	addr   string
	pid    int
	client *kgo.Client
}

func dial(k *services.KafkaCluster) (*cluster, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Bootstrap...))
	return &cluster{addr: k.Address(), pid: k.PID(), client: cl}, err
}

// topic makes a new topic that serves all its partitions.
func (c *cluster) topic(ctx context.Context, name string) error {
	adm := kadm.NewClient(c.client)
	if _, err := adm.CreateTopic(ctx, partitions, 1, nil, name); err != nil {
		return fmt.Errorf("make topic %s: %w", name, err)
	}
	_, err := c.count(ctx, name)
	return err
}

func (c *cluster) drop(ctx context.Context, name string) {
	// A topic that stays only takes room until the broker's folder is removed.
	_, _ = kadm.NewClient(c.client).DeleteTopic(ctx, name)
}

// count sums the end offsets; all partitions must answer.
func (c *cluster) count(ctx context.Context, topic string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		offsets, err := kadm.NewClient(c.client).ListEndOffsets(ctx, topic)
		if err == nil {
			err = offsets.Error()
		}
		var n int64
		found := 0
		offsets.Each(func(o kadm.ListedOffset) { n += o.Offset; found++ })
		if err == nil && found == partitions {
			return n, nil
		}
		last = fmt.Errorf("%d of %d partitions answer (%v)", found, partitions, err)
		time.Sleep(50 * time.Millisecond)
	}
	return 0, fmt.Errorf("count %s: %w", topic, last)
}
