package admin

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/headrace/headrace/connector"
)

func TestDescribe(t *testing.T) {
	a, _ := newAdmin(t)
	d, err := a.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Brokers) != 3 || d.Brokers[0].ID != 0 || d.Brokers[0].Host != "127.0.0.1" || d.Brokers[0].Port == 0 || d.Controller == NoBroker {
		t.Errorf("got %+v", d)
	}
	if id, err := a.ID(t.Context()); err != nil || id != "test-cluster" {
		t.Errorf("id %q, %v", id, err)
	}
}

func TestTopicLife(t *testing.T) {
	a, _ := newAdmin(t)
	ctx := t.Context()
	value := "compact"
	made, err := a.CreateTopic(ctx, NewTopic{Name: "t", Partitions: 2, ReplicationFactor: 3, Configs: map[string]*string{"cleanup.policy": &value}})
	if err != nil || made != (Created{2, 3}) {
		t.Fatalf("created %+v, %v", made, err)
	}
	if _, err := a.CreateTopic(ctx, NewTopic{Name: "t", Partitions: BrokerDefault, ReplicationFactor: BrokerDefault}); !errors.Is(err, ErrTopicExists) || connector.KindOf(err) != connector.Invalid {
		t.Errorf("a second topic t: %v", err)
	}
	if _, err := a.CreateTopic(ctx, NewTopic{Name: "dry", Partitions: BrokerDefault, ReplicationFactor: BrokerDefault, ValidateOnly: true}); err != nil {
		t.Errorf("validate only: %v", err)
	}
	got, err := a.Topic(ctx, "t", false)
	if err != nil || len(got.Partitions) != 2 || got.ReplicationFactor() != 3 || got.Operations != nil {
		t.Errorf("topic %+v, %v", got, err)
	}
	if p, ok := got.Partition(1); !ok || p.ID != 1 || len(p.InSync) != 3 {
		t.Errorf("partition 1: %+v %v", p, ok)
	}
	if _, ok := got.Partition(2); ok {
		t.Error("partition 2 exists")
	}
	if err := a.IncreasePartitions(ctx, "t", 3); err != nil {
		t.Errorf("increase: %v", err)
	}
	if err := a.IncreasePartitions(ctx, "t", 2); connector.KindOf(err) != connector.Invalid {
		t.Errorf("increase to fewer: %v", err)
	}
	if err := a.IncreasePartitions(ctx, "none", 3); !errors.Is(err, ErrUnknownTopic) {
		t.Errorf("increase of an unknown topic: %v", err)
	}
	topics, err := a.Topics(ctx, false)
	if err != nil || len(topics) != 1 || len(topics[0].Partitions) != 3 {
		t.Errorf("topics %+v, %v", topics, err)
	}
	if err := a.DeleteTopic(ctx, "t"); err != nil {
		t.Errorf("delete: %v", err)
	}
	for name, err := range map[string]error{"delete": a.DeleteTopic(ctx, "t"), "describe": second(a.Topic(ctx, "t", false)), "bad name": second(a.Topic(ctx, "a b", false))} {
		if !errors.Is(err, ErrUnknownTopic) || connector.KindOf(err) != connector.NotFound {
			t.Errorf("%s of an unknown topic: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestCreateRefused(t *testing.T) {
	a, _ := newAdmin(t)
	for _, tc := range []struct {
		name  string
		topic NewTopic
		is    error
	}{
		{"bad name", NewTopic{Name: "a b"}, ErrInvalidTopicName},
		{"no name", NewTopic{}, ErrInvalidTopicName},
		{"dots", NewTopic{Name: ".."}, ErrInvalidTopicName},
		{"long name", NewTopic{Name: strings.Repeat("x", 250)}, ErrInvalidTopicName},
		{"too many replicas", NewTopic{Name: "t", Partitions: 1, ReplicationFactor: 4}, nil},
		{"no partitions", NewTopic{Name: "t", ReplicationFactor: 1}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := a.CreateTopic(t.Context(), tc.topic)
			var refusal *Refusal
			if connector.KindOf(err) != connector.Invalid || !errors.As(err, &refusal) || refusal.Message == "" {
				t.Fatalf("got %v", err)
			}
			if tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("%v is not %v", err, tc.is)
			}
		})
	}
}

func TestPlacement(t *testing.T) {
	a, _ := newAdmin(t)
	_, err := a.CreateTopic(t.Context(), NewTopic{Name: "t", Replicas: map[int32][]int32{0: {1, 2}, 1: {2, 0}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Topic(t.Context(), "t", false)
	if err != nil || len(got.Partitions) != 2 || got.ReplicationFactor() != 2 {
		t.Errorf("topic %+v, %v", got, err)
	}
}

func TestConfigs(t *testing.T) {
	a, _ := newAdmin(t, kfake.SeedTopics(1, "t"))
	ctx := t.Context()
	week := "604800001"
	if err := a.AlterConfigs(ctx, TopicConfigs("t"), []Alteration{{Name: "retention.ms", Value: &week}}, false); err != nil {
		t.Fatal(err)
	}
	find := func() Config {
		t.Helper()
		all, err := a.Configs(ctx, TopicConfigs("t"))
		if err != nil || len(all) != 1 {
			t.Fatal(err)
		}
		for _, c := range all[0] {
			if c.Name == "retention.ms" {
				return c
			}
		}
		t.Fatal("no retention.ms")
		return Config{}
	}
	if c := find(); c.Value == nil || *c.Value != week || c.Default || c.Source != "DYNAMIC_TOPIC_CONFIG" {
		t.Errorf("set: %+v", c)
	}
	if err := a.AlterConfigs(ctx, TopicConfigs("t"), []Alteration{{Name: "retention.ms", Delete: true}}, true); err != nil {
		t.Fatal(err)
	}
	if c := find(); c.Default {
		t.Error("validate only changed the value")
	}
	if err := a.AlterConfigs(ctx, TopicConfigs("t"), []Alteration{{Name: "retention.ms", Delete: true}}, false); err != nil {
		t.Fatal(err)
	}
	if c := find(); !c.Default || c.Source != SourceDefault {
		t.Errorf("reset: %+v", c)
	}
	if _, err := a.Configs(ctx, TopicConfigs("none")); !errors.Is(err, ErrUnknownTopic) {
		t.Errorf("an unknown topic: %v", err)
	}
	both, err := a.Configs(ctx, BrokerConfigs(2), BrokerConfigs(0))
	if err != nil || len(both) != 2 || len(both[0]) == 0 {
		t.Errorf("brokers: %d, %v", len(both), err)
	}
	if defaults, err := a.Configs(ctx, BrokerDefaults()); err != nil || len(defaults[0]) != 0 {
		t.Errorf("defaults: %+v, %v", defaults, err)
	}
}

func TestACLs(t *testing.T) {
	a, _ := newAdmin(t)
	ctx := t.Context()
	alice := ACL{"TOPIC", "t", "LITERAL", "User:alice", "*", "READ", "ALLOW"}
	bob := ACL{"TOPIC", "t", "PREFIXED", "User:bob", "*", "WRITE", "ALLOW"}
	if err := a.CreateACLs(ctx, []ACL{bob, alice}); err != nil {
		t.Fatal(err)
	}
	all := ACL{ResourceType: "ANY", PatternType: "ANY", Operation: "ANY", Permission: "ANY"}
	got, err := a.ACLs(ctx, all)
	if diff := cmp.Diff([]ACL{alice, bob}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	only := all
	only.Principal = "User:bob"
	if got, err = a.DeleteACLs(ctx, only); err != nil || cmp.Diff([]ACL{bob}, got) != "" {
		t.Errorf("deleted %+v, %v", got, err)
	}
	if got, err = a.ACLs(ctx, all); err != nil || cmp.Diff([]ACL{alice}, got) != "" {
		t.Errorf("left %+v, %v", got, err)
	}
}
