// Package admin asks and changes what a Kafka cluster knows about itself:
// brokers, topics, configurations, ACLs, consumer groups. Its answers are plain
// Go values, so that whoever serves them needs no Kafka client.
//
// Every call ends within Timeout, also when a broker does not answer, and
// failed calls come back as a connector.Error. What Kafka itself refused is a
// *Refusal inside it.
package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/bounded"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
	"github.com/headrace/headrace/internal/backoff"
)

// Timeout is the longest that a call takes: a request to a dead broker is to be
// answered within five seconds, with all that is around the call.
const Timeout = 4500 * time.Millisecond

// maxCalls bounds the requests that wait for brokers at once. The client
// library cannot cancel a request, so one that is given up on goes on in the
// background until the library's own network timeouts end it.
const maxCalls = 64

// Cluster is the connection that an Admin works on; *kafka.Cluster is one.
type Cluster interface {
	// ID is Kafka's own id of the cluster.
	ID(ctx context.Context) (string, error)
	// KnownID is the id once it was asked for, "" before.
	KnownID() string
	// Client returns the shared client, opening it if need be.
	Client(ctx context.Context) (sarama.Client, error)
}

// Admin works on one cluster with one identity. It is safe for concurrent use
// and needs no closing: the connection belongs to the Cluster.
type Admin struct {
	cluster Cluster
	timeout time.Duration
	slots   chan struct{}
}

// New returns an Admin on the cluster. It needs no network.
func New(c Cluster) *Admin {
	return &Admin{cluster: c, timeout: Timeout, slots: make(chan struct{}, maxCalls)}
}

// ID is Kafka's own id of the cluster.
func (a *Admin) ID(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	id, err := a.cluster.ID(ctx)
	return id, explain("asking for the cluster's id", err)
}

// KnownID is the id once it was asked for, "" before.
func (a *Admin) KnownID() string { return a.cluster.KnownID() }

const (
	attempts     = 5
	firstBackoff = 50 * time.Millisecond
)

// call runs attempt within the timeout, again when the cluster is only just
// changing its mind (a new controller, coordinator or leader) or a connection
// had gone stale.
func call[T any](ctx context.Context, a *Admin, what string, attempt func(sarama.Client) (T, error)) (T, error) {
	var zero T
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return zero, explain(what, ctx.Err())
	}
	client, err := a.cluster.Client(ctx)
	if err != nil {
		<-a.slots
		return zero, explain(what, err)
	}
	value, err := bounded.Call(ctx, func() (value T, err error) {
		defer func() { <-a.slots }()
		for n := range attempts {
			value, err = attempt(client)
			if !passing(err) || !backoff.Sleep(ctx, firstBackoff<<n) {
				break
			}
		}
		return value, err
	})
	if err != nil {
		return zero, explain(what, err)
	}
	return value, nil
}

// do is call without a result.
func do(ctx context.Context, a *Admin, what string, attempt func(sarama.Client) error) error {
	_, err := call(ctx, a, what, func(c sarama.Client) (struct{}, error) { return struct{}{}, attempt(c) })
	return err
}

// passing reports whether the same request may succeed in a moment.
func passing(err error) bool {
	var k sarama.KError
	if errors.As(err, &k) {
		switch k {
		case sarama.ErrNotController, sarama.ErrNotCoordinatorForConsumer,
			sarama.ErrConsumerCoordinatorNotAvailable, sarama.ErrOffsetsLoadInProgress,
			sarama.ErrNotLeaderForPartition, sarama.ErrLeaderNotAvailable, sarama.ErrOffsetNotAvailable:
			return true
		}
		return false
	}
	return broken(err)
}

// broken reports whether the connection failed, not the request.
func broken(err error) bool {
	var netErr net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, sarama.ErrNotConnected) || errors.Is(err, net.ErrClosed) || errors.As(err, &netErr)
}

// onAny asks any broker that answers.
func onAny[T any](c sarama.Client, ask func(*sarama.Broker) (T, error)) (T, error) {
	var zero T
	b := c.LeastLoadedBroker()
	if b == nil {
		return zero, sarama.ErrOutOfBrokers
	}
	value, err := ask(b)
	if !broken(err) {
		return value, err
	}
	for _, other := range c.Brokers() {
		if other.ID() == b.ID() {
			continue
		}
		_ = other.Open(c.Config()) // an error shows at the request
		if value, err = ask(other); !broken(err) {
			return value, err
		}
	}
	return zero, err
}

// onController asks the controller, or with KRaft the broker that forwards to
// it.
func onController[T any](c sarama.Client, ask func(*sarama.Broker) (T, error)) (T, error) {
	var zero T
	b, err := c.Controller()
	if err != nil {
		return zero, err
	}
	value, err := ask(b)
	if passing(err) {
		_, _ = c.RefreshController() // the next attempt says what is wrong
	}
	return value, err
}

// onCoordinator asks the coordinator of a group.
func onCoordinator[T any](c sarama.Client, group string, ask func(*sarama.Broker) (T, error)) (T, error) {
	var zero T
	b, err := c.Coordinator(group)
	if err != nil {
		return zero, err
	}
	value, err := ask(b)
	if passing(err) {
		_ = c.RefreshCoordinator(group) // as above
	}
	return value, err
}

func explain(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, classify(err))
}

// classify adds to the common table what is meant by codes that only
// administrative requests get.
func classify(err error) error {
	var k sarama.KError
	if errors.As(err, &k) {
		switch k {
		case sarama.ErrInvalidTopic, sarama.ErrSecurityDisabled, sarama.ErrUnsupportedVersion,
			sarama.ErrTopicDeletionDisabled, sarama.ErrNonEmptyGroup, sarama.ErrOffsetOutOfRange,
			sarama.ErrInvalidGroupId, sarama.ErrReassignmentInProgress, sarama.ErrGroupSubscribedToTopic:
			return &connector.Error{Kind: connector.Invalid, Err: err}
		}
	}
	return kafkaerr.Classify(err)
}
