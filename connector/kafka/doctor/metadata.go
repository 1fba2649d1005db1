package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector/kafka"
)

// The operations of KIP-430 that records need, as bits.
const (
	mayRead     = 1 << 3
	mayWrite    = 1 << 4
	mayDescribe = 1 << 8

	rightsUnknown = -1 << 31
)

// maxBrokers bounds how many advertised addresses are tried.
const maxBrokers = 16

// metadata asks about the cluster and the topics in use, tries the addresses
// that brokers advertise, and holds the rights against what is needed.
func (w *walk) metadata(cluster *kafka.Cluster, login *kafka.Login) {
	var answer *sarama.MetadataResponse
	w.step("metadata", func(context.Context) outcome {
		var topics []string
		for _, t := range w.target.Topics {
			topics = append(topics, t.Name)
		}
		req := &sarama.MetadataRequest{Version: 9, Topics: topics, IncludeTopicAuthorizedOperations: true}
		got, err := login.Broker.GetMetadata(req)
		if err != nil {
			return failed(err, "the broker took the login and then hung up: look into its log, and check that security_protocol is that of the listener")
		}
		answer = got
		id := ""
		if got.ClusterID != nil {
			id = "cluster " + oneLine(*got.ClusterID) + ", "
		}
		return ok(fmt.Sprintf("%s%d brokers", id, len(got.Brokers)))
	})
	w.step("brokers", func(ctx context.Context) outcome { return advertised(ctx, answer.Brokers) })
	w.step("rights", func(ctx context.Context) outcome {
		if len(w.target.Topics) == 0 {
			return skipped("no topic in use")
		}
		return rights(w.target.Topics, answer.Topics, func() bool { return makesTopics(ctx, cluster, answer.Brokers) })
	})
}

// makesTopics asks a broker whether it makes a topic that a record is written
// to. False also when it does not tell: that takes the right DescribeConfigs on
// the cluster. A broker answers about itself only, so the question goes to the
// address that goes with the id.
func makesTopics(ctx context.Context, cluster *kafka.Cluster, brokers []*sarama.Broker) bool {
	if len(brokers) == 0 {
		return false
	}
	login, err := cluster.Login(ctx, brokers[0].Addr())
	if err != nil {
		return false
	}
	defer func() { _ = login.Close() }()
	const key = "auto.create.topics.enable"
	answer, err := login.Broker.DescribeConfigs(&sarama.DescribeConfigsRequest{Version: 1, Resources: []*sarama.ConfigResource{
		{Type: sarama.BrokerResource, Name: strconv.Itoa(int(brokers[0].ID())), ConfigNames: []string{key}},
	}})
	if err != nil {
		return false
	}
	for _, r := range answer.Resources {
		for _, c := range r.Configs {
			if c.Name == key {
				return c.Value == "true"
			}
		}
	}
	return false
}

// advertised connects to the address that each broker gives out for itself:
// clients go there after the first answer.
func advertised(ctx context.Context, brokers []*sarama.Broker) outcome {
	var reached []string
	for i, b := range brokers {
		if i == maxBrokers {
			break
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", b.Addr())
		if err != nil {
			return failed(fmt.Errorf("broker %d gives out its address as %s: %w", b.ID(), oneLine(b.Addr()), err),
				fmt.Sprintf("let clients reach %s from here, or change advertised.listeners of broker %d to a name that they know", oneLine(b.Addr()), b.ID()))
		}
		_ = conn.Close()
		reached = append(reached, oneLine(b.Addr()))
	}
	return ok("reached " + strings.Join(reached, ", "))
}

// rights holds what the broker allows against what the topics are used for. A
// topic that is missing is right when it is written to and will be made then.
func rights(used []Topic, answer []*sarama.TopicMetadata, makesTopics func() bool) outcome {
	makes := sync.OnceValue(makesTopics)
	var out outcome
	for _, t := range used {
		i := slices.IndexFunc(answer, func(m *sarama.TopicMetadata) bool { return m.Name == t.Name })
		if i < 0 {
			continue
		}
		r, advice, err := right(t, answer[i])
		if errors.Is(answer[i].Err, sarama.ErrUnknownTopicOrPartition) && t.Write && !t.Read && makes() {
			r.Made, err = true, nil
		}
		out.Rights = append(out.Rights, r)
		if err != nil && out.err == nil {
			out.err, out.advice = err, advice
		}
	}
	out.Detail = describeRights(out.Rights)
	return out
}

func right(t Topic, m *sarama.TopicMetadata) (Right, string, error) {
	ops := m.TopicAuthorizedOperations
	r := Right{Topic: t.Name, Exists: errors.Is(m.Err, sarama.ErrNoError), Unknown: ops == rightsUnknown,
		Describe: ops&mayDescribe != 0, Read: ops&mayRead != 0, Write: ops&mayWrite != 0}
	acl := func(op string) string {
		return fmt.Sprintf("allow %s on topic %s: kafka-acls.sh --add --allow-principal User:… --operation %s --topic %s", op, t.Name, op, t.Name)
	}
	switch {
	case errors.Is(m.Err, sarama.ErrTopicAuthorizationFailed):
		r = Right{Topic: t.Name}
		return r, acl(need(t)), fmt.Errorf("topic %s: the broker tells us nothing about it", t.Name)
	case errors.Is(m.Err, sarama.ErrUnknownTopicOrPartition):
		r = Right{Topic: t.Name}
		return r, fmt.Sprintf("create topic %s, or correct its name", t.Name), fmt.Errorf("topic %s does not exist", t.Name)
	case errors.Is(m.Err, sarama.ErrInvalidTopic):
		return r, "correct the topic's name: letters, digits, dots, dashes and underscores", fmt.Errorf("%q is not a name for a topic", t.Name)
	case !errors.Is(m.Err, sarama.ErrNoError) && !errors.Is(m.Err, sarama.ErrLeaderNotAvailable):
		return r, "look into the broker's log", fmt.Errorf("topic %s: %w", t.Name, m.Err)
	case r.Unknown:
		return r, "", nil
	case t.Write && !r.Write:
		return r, acl("Write"), fmt.Errorf("topic %s: no right to write", t.Name)
	case t.Read && !r.Read:
		return r, acl("Read"), fmt.Errorf("topic %s: no right to read", t.Name)
	}
	return r, "", nil
}

func need(t Topic) string {
	if t.Write {
		return "Write"
	}
	return "Read"
}

func describeRights(all []Right) string {
	var parts []string
	for _, r := range all {
		if r.Unknown {
			parts = append(parts, r.Topic+": the broker does not say")
			continue
		}
		if r.Made {
			parts = append(parts, r.Topic+": does not exist yet; the brokers make it at the first record (auto.create.topics.enable)")
			continue
		}
		var may []string
		for word, has := range map[string]bool{"describe": r.Describe, "read": r.Read, "write": r.Write} {
			if has {
				may = append(may, word)
			}
		}
		slices.Sort(may)
		parts = append(parts, r.Topic+": "+orWord(strings.Join(may, " "), "nothing"))
	}
	return strings.Join(parts, ", ")
}
