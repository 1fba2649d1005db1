// Package group is the one member of consumer groups: it joins, beats, gives
// partitions back and stores positions for the source of pipelines, for the
// consumers of the REST proxy and for the list of gateways.
package group

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/broker"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
	"github.com/headrace/headrace/internal/backoff"
)

// The times of group membership, as the Java consumer has them by default,
// but that a member here rejoins by itself and not with its next read.
const (
	sessionTimeout   = 45 * time.Second
	rebalanceTimeout = 60 * time.Second
	heartbeatEvery   = 3 * time.Second
	// lookEvery is how often topics are looked for that came or grew.
	lookEvery = 30 * time.Second
	// leaveWithin bounds the leaving of a group.
	leaveWithin = 5 * time.Second
)

// Group makes requests in the name of a consumer group. Its zero value is not
// usable; copies share the connections.
type Group struct {
	conns    *broker.Conns
	id       string
	instance *string // group.instance.id; nil for a member that is new with each start
}

// New returns the group with an id. instance, when it is not empty, makes its
// member a static one: it keeps its partitions over a restart.
func New(conns *broker.Conns, id, instance string) Group {
	g := Group{conns: conns, id: id}
	if instance != "" {
		g.instance = &instance
	}
	return g
}

// Identity is what a member signs its requests with. Its zero value, with
// Generation -1, is that of a client that is no member.
type Identity struct {
	Member     string
	Generation int32
}

// Nobody is the identity of a client that is no member.
var Nobody = Identity{Generation: -1}

// toCoordinator makes a request to the group's coordinator, again when it moved.
func toCoordinator[T any](ctx context.Context, g Group, limit time.Duration, request func(*sarama.Broker) (T, sarama.KError, error)) (T, error) {
	var zero T
	for lives := 3; ; lives-- {
		addr, err := g.coordinator(ctx, lives < 3)
		var answer T
		if err == nil {
			answer, err = broker.Ask(ctx, g.conns, addr, limit, func(b *sarama.Broker) (T, error) {
				answer, code, err := request(b)
				if err == nil && moved(code) {
					return answer, code
				}
				return answer, err
			})
		}
		if err == nil || lives == 0 || ctx.Err() != nil || connector.KindOf(err) != connector.Unavailable {
			return answer, err
		}
		if !backoff.Sleep(ctx, 5*broker.RetryBackoff) {
			return zero, ctx.Err()
		}
	}
}

// moved reports whether an answer means that another broker, or the same a
// little later, has to be asked.
func moved(code sarama.KError) bool {
	return errors.Is(code, sarama.ErrNotCoordinatorForConsumer) || errors.Is(code, sarama.ErrConsumerCoordinatorNotAvailable) ||
		errors.Is(code, sarama.ErrOffsetsLoadInProgress)
}

func (g Group) coordinator(ctx context.Context, refresh bool) (string, error) {
	client, err := g.conns.Client(ctx)
	if err != nil {
		return "", err
	}
	if refresh {
		if err := client.RefreshCoordinator(g.id); err != nil {
			return "", kafkaerr.Classify(err)
		}
	}
	b, err := client.Coordinator(g.id)
	if err != nil {
		return "", kafkaerr.Classify(err)
	}
	return b.Addr(), nil
}

// count returns how many partitions each topic has; topics that do not exist,
// or may not be seen, have none.
func (g Group) count(ctx context.Context, topics []string) map[string]int {
	counts := make(map[string]int, len(topics))
	client, err := g.conns.Client(ctx)
	if err != nil {
		return counts // the request that follows reports it
	}
	_ = client.RefreshMetadata(topics...) // an unknown topic is no error here
	for _, t := range topics {
		if ps, err := client.Partitions(t); err == nil {
			counts[t] = len(ps)
		}
	}
	return counts
}

// Matching returns the topics whose whole name the pattern matches, sorted.
// Kafka's own topics are never among them.
func Matching(ctx context.Context, conns *broker.Conns, pattern *regexp.Regexp) ([]string, error) {
	client, err := conns.Client(ctx)
	if err != nil {
		return nil, err
	}
	if err := client.RefreshMetadata(); err != nil {
		return nil, connector.Errorf(connector.Unavailable, "looking for the topics of a pattern: %w", err)
	}
	all, err := client.Topics()
	if err != nil {
		return nil, connector.Errorf(connector.Unavailable, "looking for the topics of a pattern: %w", err)
	}
	slices.Sort(all)
	return slices.DeleteFunc(all, func(t string) bool {
		return t == "" || t == "__consumer_offsets" || t == "__transaction_state" || pattern.FindString(t) != t
	}), nil
}
