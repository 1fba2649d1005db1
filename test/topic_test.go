//go:build integration

package test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// topic is a topic made for one test, seen by a client that is not ours.
type topic struct {
	t          *testing.T
	name       string
	partitions int
	adm        *kadm.Client
	seeds      []string
	opts       []kgo.Opt
}

// newTopic makes a topic named after the test, so that tests do not meet.
func newTopic(t *testing.T, seeds []string, prefix string, partitions int, opts ...kgo.Opt) *topic {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(seeds...)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	name := prefix + strings.NewReplacer("/", ".", " ", "-", ",", "").Replace(t.Name())
	k := &topic{t: t, name: name, partitions: partitions, adm: kadm.NewClient(cl), seeds: seeds, opts: opts}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := k.adm.CreateTopic(ctx, int32(partitions), -1, nil, name); err != nil {
		t.Fatalf("make topic %s: %v", name, err)
	}
	eventually(t, 30*time.Second, func() error { _, err := k.ends(ctx); return err })
	return k
}

func (k *topic) ends(ctx context.Context) (map[int32]int64, error) {
	offsets, err := k.adm.ListEndOffsets(ctx, k.name)
	if err == nil {
		err = offsets.Error()
	}
	if err != nil {
		return nil, err
	}
	ends := map[int32]int64{}
	offsets.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends, nil
}

// count sums the end offsets of the partitions.
func (k *topic) count() (n int64) {
	k.t.Helper()
	ends, err := k.ends(k.t.Context())
	if err != nil {
		k.t.Fatalf("count %s: %v", k.name, err)
	}
	for _, e := range ends {
		n += e
	}
	return n
}

// read gives every record that is in the topic now to each, partition by
// partition in order.
func (k *topic) read(each func(*kgo.Record)) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), 2*time.Minute)
	defer cancel()
	ends, err := k.ends(ctx)
	if err != nil {
		k.t.Fatal(err)
	}
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(k.seeds...), kgo.ConsumeTopics(k.name), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}, k.opts...)...)
	if err != nil {
		k.t.Fatal(err)
	}
	defer cl.Close()
	left := 0
	for _, e := range ends {
		if e > 0 {
			left++
		}
	}
	for left > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			k.t.Fatalf("read %s: %v", k.name, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset < ends[r.Partition] {
				each(r)
			}
			if r.Offset == ends[r.Partition]-1 {
				left--
			}
		})
	}
}

// values returns the values that are in the topic now.
func (k *topic) values() (vs []string) {
	k.read(func(r *kgo.Record) { vs = append(vs, string(r.Value)) })
	return vs
}
