package admin

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// step is one call whose whole answer is kept in testdata/NAME.golden.
type step struct{ name, method, path, body string }

func (p *proxy) run(t *testing.T, steps []step) {
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) { golden(t, s.name, p.call(s.method, s.path, s.body)) })
	}
}

const (
	topicT = `{"topic_name":"t","replicas_assignments":{"0":[0,1],"1":[1,2]},"configs":[{"name":"cleanup.policy","value":"compact"}]}`
	topicU = `{"topic_name":"u","replicas_assignments":{"0":[2,0]}}`
)

func TestGoldenClusters(t *testing.T) {
	p := newProxy(t)
	p.create(topicT)
	p.create(topicU)
	p.run(t, []step{
		{"clusters_list", "GET", "/v3/clusters", ""},
		{"clusters_get", "GET", ".", ""},
		{"brokers_list", "GET", "./brokers", ""},
		{"brokers_get", "GET", "./brokers/1", ""},
		{"brokers_replicas", "GET", "./brokers/1/partition-replicas", ""},
	})
}

func TestGoldenTopics(t *testing.T) {
	p := newProxy(t)
	p.run(t, []step{
		{"topics_validate", "POST", "./topics", `{"topic_name":"t","partitions_count":3,"replication_factor":2,"validate_only":true}`},
		{"topics_create_counts", "POST", "./topics", `{"topic_name":"c","partitions_count":3,"replication_factor":2,"configs":[{"name":"retention.ms","value":1000}]}`},
		{"topics_create_defaults", "POST", "./topics", `{"topic_name":"d"}`},
		{"topics_create_assignments", "POST", "./topics", topicT},
		{"topics_list", "GET", "./topics", ""},
		{"topics_list_operations", "GET", "./topics?includeAuthorizedOperations=true", ""},
		{"topics_get", "GET", "./topics/t?include_authorized_operations=true", ""},
		{"topics_update", "PATCH", "./topics/t", `{"partitions_count":5}`},
		{"topics_updated", "GET", "./topics/t", ""},
		{"topics_delete", "DELETE", "./topics/t", ""},
		{"topics_deleted", "GET", "./topics/t", ""},
	})
}

func TestGoldenPartitions(t *testing.T) {
	p := newProxy(t)
	p.create(topicT)
	p.produce(t, map[int32]int{0: 3})
	p.run(t, []step{
		{"partitions_list", "GET", "./topics/t/partitions", ""},
		{"partitions_get", "GET", "./topics/t/partitions/1", ""},
		{"partitions_offset", "GET", "./topics/t/partitions/0/offset", ""},
		{"partitions_replicas", "GET", "./topics/t/partitions/0/replicas", ""},
		{"partitions_replica", "GET", "./topics/t/partitions/0/replicas/1", ""},
		{"reassignments_all", "GET", "./topics/-/partitions/-/reassignment", ""},
		{"reassignments_topic", "GET", "./topics/t/partitions/-/reassignment", ""},
		{"reassignments_unknown_topic", "GET", "./topics/none/partitions/-/reassignment", ""},
		{"reassignments_none", "GET", "./topics/t/partitions/0/reassignment", ""},
		{"records_delete", "DELETE", "./topics/t/partitions/0/records?before_offset=2", ""},
	})
}

// TestGoldenReassignments has a broker that says a move is under way, as the
// one in this process ends them at once.
func TestGoldenReassignments(t *testing.T) {
	p := newProxy(t)
	p.create(topicT)
	p.kafka.ControlKey(int16(kmsg.ListPartitionReassignments), func(req kmsg.Request) (kmsg.Response, error, bool) {
		p.kafka.KeepControl()
		resp := req.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
		for _, asked := range req.(*kmsg.ListPartitionReassignmentsRequest).Topics {
			topic := kmsg.NewListPartitionReassignmentsResponseTopic()
			topic.Topic = asked.Topic
			for _, id := range []int32{1, 0} {
				move := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
				move.Partition, move.Replicas, move.AddingReplicas = id, []int32{id, id + 1, 2}, []int32{2}
				if id == 1 {
					move.RemovingReplicas = []int32{0}
				}
				topic.Partitions = append(topic.Partitions, move)
			}
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
	p.run(t, []step{
		{"reassignments_all_moving", "GET", "./topics/-/partitions/-/reassignment", ""},
		{"reassignments_topic_moving", "GET", "./topics/t/partitions/-/reassignment", ""},
		{"reassignments_get", "GET", "./topics/t/partitions/1/reassignment", ""},
	})
}

func TestGoldenConfigs(t *testing.T) {
	p := newProxy(t)
	p.create(topicT)
	p.create(topicU)
	p.run(t, []step{
		{"topic_configs_list", "GET", "./topics/t/configs", ""},
		{"topic_configs_all", "GET", "./topics/-/configs", ""},
		{"topic_configs_get", "GET", "./topics/t/configs/cleanup.policy", ""},
		{"topic_configs_put", "PUT", "./topics/t/configs/retention.ms", `{"value":"1000"}`},
		{"topic_configs_put_after", "GET", "./topics/t/configs/retention.ms", ""},
		{"topic_configs_delete", "DELETE", "./topics/t/configs/retention.ms", ""},
		{"topic_configs_delete_after", "GET", "./topics/t/configs/retention.ms", ""},
		{"topic_configs_alter_validate", "POST", "./topics/t/configs:alter", `{"validate_only":true,"data":[{"name":"cleanup.policy","operation":"DELETE"}]}`},
		{"topic_configs_alter_validate_after", "GET", "./topics/t/configs/cleanup.policy", ""},
		{"topic_configs_alter", "POST", "./topics/t/configs:alter", `{"data":[{"name":"cleanup.policy","operation":"DELETE"},{"name":"max.message.bytes","value":"2000"}]}`},
		{"topic_configs_alter_after", "GET", "./topics/t/configs/cleanup.policy", ""},
		{"topic_configs_alter_all", "POST", "./topics/-/configs:alter", `{"data":[{"topic_name":"t","configs":[{"name":"retention.ms","value":"1"}]},{"topic_name":"u","configs":[{"name":"retention.ms","value":"2","operation":"SET"}]}]}`},
		{"topic_configs_alter_all_after", "GET", "./topics/u/configs/retention.ms", ""},
		{"broker_configs_list", "GET", "./brokers/1/configs", ""},
		{"broker_configs_all", "GET", "./brokers/-/configs", ""},
		{"broker_configs_put", "PUT", "./brokers/1/configs/log.retention.ms", `{"value":"7"}`},
		{"broker_configs_get", "GET", "./brokers/1/configs/log.retention.ms", ""},
		{"broker_configs_delete", "DELETE", "./brokers/1/configs/log.retention.ms", ""},
		{"broker_configs_alter", "POST", "./brokers/1/configs:alter", `{"data":[{"name":"log.retention.ms","value":"8"}]}`},
		{"cluster_configs_list_empty", "GET", "./broker-configs", ""},
		{"cluster_configs_put", "PUT", "./broker-configs/log.retention.ms", `{"value":"9"}`},
		{"cluster_configs_alter", "POST", "./broker-configs:alter", `{"data":[{"name":"message.max.bytes","value":"10000"}]}`},
		{"cluster_configs_list", "GET", "./broker-configs", ""},
		{"cluster_configs_get", "GET", "./broker-configs/log.retention.ms", ""},
		{"cluster_configs_delete", "DELETE", "./broker-configs/log.retention.ms", ""},
		{"cluster_configs_delete_after", "GET", "./broker-configs/log.retention.ms", ""},
	})
}

func TestGoldenACLs(t *testing.T) {
	p := newProxy(t)
	p.run(t, []step{
		{"acls_create", "POST", "./acls", `{"resource_type":"TOPIC","resource_name":"t x","pattern_type":"LITERAL","principal":"User:alice","host":"*","operation":"READ","permission":"ALLOW"}`},
		{"acls_batch", "POST", "./acls:batch", `{"data":[{"resource_type":"TOPIC","resource_name":"t","pattern_type":"PREFIXED","principal":"User:bob","host":"10.0.0.1","operation":"WRITE","permission":"DENY"},{"resource_type":"CLUSTER","resource_name":"kafka-cluster","pattern_type":"LITERAL","principal":"User:bob","host":"*","operation":"ALTER","permission":"ALLOW"}]}`},
		{"acls_batch_empty", "POST", "./acls:batch", `{"data":[]}`},
		{"acls_search_all", "GET", "./acls", ""},
		{"acls_search", "GET", "./acls?resource_type=topic&principal=User:bob&operation=write", ""},
		{"acls_search_match", "GET", "./acls?resource_type=TOPIC&resource_name=t&pattern_type=match", ""},
		{"acls_delete", "DELETE", "./acls?resource_type=TOPIC&pattern_type=ANY&operation=ANY&permission=ANY", ""},
		{"acls_delete_nothing", "DELETE", "./acls?resource_type=TOPIC&pattern_type=ANY&operation=ANY&permission=ANY", ""},
	})
}

func TestGoldenGroups(t *testing.T) {
	p := newProxy(t)
	p.create(topicT)
	p.produce(t, map[int32]int{0: 3, 1: 6})
	member := p.join(t)
	consumer := "./consumer-groups/g/consumers/" + member
	p.run(t, []step{
		{"groups_list", "GET", "./consumer-groups", ""},
		{"groups_get", "GET", "./consumer-groups/g", ""},
		{"consumers_list", "GET", "./consumer-groups/g/consumers", ""},
		{"consumers_get", "GET", consumer, ""},
		{"assignments_list", "GET", consumer + "/assignments", ""},
		{"assignments_get", "GET", consumer + "/assignments/t/partitions/1", ""},
		{"lag_summary", "GET", "./consumer-groups/g/lag-summary", ""},
		{"lags_list", "GET", "./consumer-groups/g/lags", ""},
		{"lags_get", "GET", "./consumer-groups/g/lags/t/partitions/0", ""},
		{"groups_delete_in_use", "DELETE", "./consumer-groups/g", ""},
	})
}

func TestGoldenV2(t *testing.T) {
	p := newProxy(t)
	p.create(topicT)
	p.create(topicU)
	p.produce(t, map[int32]int{0: 3})
	p.run(t, []step{
		{"v2_root", "GET", "/", ""},
		{"v2_root_post", "POST", "/", `{"a":1}`},
		{"v2_topics", "GET", "/topics", ""},
		{"v2_topic", "GET", "/topics/t", ""},
		{"v2_partitions", "GET", "/topics/t/partitions", ""},
		{"v2_partition", "GET", "/topics/t/partitions/1", ""},
		{"v2_offsets", "GET", "/topics/t/partitions/0/offsets", ""},
		{"v2_brokers", "GET", "/brokers", ""},
	})
}

// create makes topic t or u. The broker in this process places replicas as it
// likes: the leader and those after it.
func (p *proxy) create(body string) {
	p.t.Helper()
	p.must(201, "POST", "./topics", body)
	leaders := map[string][]int32{topicT: {0, 1}, topicU: {2}}[body]
	name := map[string]string{topicT: "t", topicU: "u"}[body]
	for partition, leader := range leaders {
		if err := p.kafka.MoveTopicPartition(name, int32(partition), leader); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *proxy) produce(t *testing.T, counts map[int32]int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.kafka.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for partition, n := range counts {
		for range n {
			if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Partition: partition, Value: []byte("x")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// join runs a consumer of topic t in group g that commits offset 1 of
// partition 0 and 0 of partition 1, and returns its member id.
func (p *proxy) join(t *testing.T) string {
	t.Helper()
	return p.joinAs(t, "g", "i-1")
}

// joinAs is join for any group and instance.
func (p *proxy) joinAs(t *testing.T, group, instance string) string {
	t.Helper()
	assigned := make(chan struct{}, 8)
	client, err := kgo.NewClient(
		kgo.SeedBrokers(p.kafka.ListenAddrs()...), kgo.ConsumerGroup(group), kgo.ConsumeTopics("t"), kgo.ClientID("tester"),
		kgo.InstanceID(instance), kgo.Balancers(kgo.RangeBalancer()), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { assigned <- struct{}{} }),
	)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			client.PollFetches(ctx)
		}
	}()
	t.Cleanup(func() { stop(); <-done; client.Close() })
	select {
	case <-assigned:
	case <-time.After(20 * time.Second):
		t.Fatal("the consumer was assigned nothing")
	}
	client.CommitOffsetsSync(t.Context(), map[string]map[int32]kgo.EpochOffset{"t": {0: {Epoch: -1, Offset: 1}, 1: {Epoch: -1, Offset: 0}}}, nil)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-ticker.C {
		g, err := p.admin.Group(t.Context(), group)
		if err == nil && g.State == "STABLE" && len(g.Members) == 1 && len(g.Members[0].Assigned) == 2 {
			return g.Members[0].ID
		}
	}
	t.Fatal("the group did not become stable")
	return ""
}
