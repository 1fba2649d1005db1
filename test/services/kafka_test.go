//go:build integration

package services_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/test/services"
)

// client dials the cluster; it is closed with the test.
func client(t *testing.T, seeds []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(seeds...)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// produce creates the topic and sends one acknowledged record to it.
func produce(t *testing.T, cl *kgo.Client, topic string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, -1, nil, topic); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestKafkaServes(t *testing.T) {
	k := services.Kafka(t)
	if services.Kafka(t) != k {
		t.Error("a second call started a second broker")
	}
	produce(t, client(t, k.Bootstrap), "serves")
}

func TestKafkaDoesNotInventTopics(t *testing.T) {
	cl := client(t, services.Kafka(t).Bootstrap)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "never-made", Value: []byte("v")}).FirstErr(); err == nil {
		t.Error("a record to an unknown topic was accepted")
	}
}
