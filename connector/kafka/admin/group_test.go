package admin

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/headrace/headrace/connector"
)

// join runs a consumer in group g until the test ends, and returns once it was
// assigned something.
func join(t *testing.T, k *kfake.Cluster, opts ...kgo.Opt) {
	t.Helper()
	assigned := make(chan struct{}, 8)
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.ClientID("tester"),
		kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, got map[string][]int32) {
			if len(got["t"]) > 0 {
				select {
				case assigned <- struct{}{}:
				default:
				}
			}
		}),
	}, opts...)...)
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
}

func write(t *testing.T, k *kfake.Cluster, counts map[int32]int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for p, n := range counts {
		for range n {
			if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Partition: p, Value: []byte("x")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func commit(t *testing.T, a *Admin, group string, offsets map[int32]int64) {
	t.Helper()
	client, err := a.cluster.Client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ca, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	at := map[int32]sarama.OffsetAndMetadata{}
	for p, o := range offsets {
		at[p] = sarama.OffsetAndMetadata{Offset: o, LeaderEpoch: -1}
	}
	rsp, err := ca.AlterConsumerGroupOffsets(group, map[string]map[int32]sarama.OffsetAndMetadata{"t": at}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, partitions := range rsp.Errors {
		for p, code := range partitions {
			if code != sarama.ErrNoError {
				t.Fatalf("partition %d: %v", p, code)
			}
		}
	}
}

func TestGroups(t *testing.T) {
	for _, tc := range []struct {
		name     string
		opts     []kgo.Opt
		kind     string
		instance bool
	}{
		{"classic with static membership", []kgo.Opt{kgo.InstanceID("i-1"), kgo.Balancers(kgo.RangeBalancer())}, "CLASSIC", true},
		{"the protocol of KIP-848", []kgo.Opt{kgo.ServerSideBalancer()}, "CONSUMER", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, k := newAdmin(t, kfake.SeedTopics(2, "t"))
			join(t, k, tc.opts...)
			g := stable(t, a)
			list, err := a.Groups(t.Context())
			if err != nil || len(list) != 1 {
				t.Fatalf("%+v, %v", list, err)
			}
			if diff := cmp.Diff(g, list[0]); diff != "" {
				t.Errorf("the list and the single answer differ: %s", diff)
			}
			if g.ID != "g" || g.State != "STABLE" || g.Type != tc.kind || g.Simple || g.Mixed || g.Assignor == "" || g.Coordinator == NoBroker {
				t.Errorf("group %+v", g)
			}
			if len(g.Members) != 1 || g.Members[0].ClientID != "tester" || (g.Members[0].InstanceID != nil) != tc.instance {
				t.Fatalf("members %+v", g.Members)
			}
			if diff := cmp.Diff([]TopicPartition{{"t", 0}, {"t", 1}}, g.Members[0].Assigned); diff != "" {
				t.Error(diff)
			}
			if err := a.DeleteGroup(t.Context(), "g"); !errors.Is(err, ErrGroupNotEmpty) || connector.KindOf(err) != connector.Invalid {
				t.Errorf("deleting a group in use: %v", err)
			}
		})
	}
}

// stable asks until the group is, as brokers call it stable a moment after the
// client was told of its partitions.
func stable(t *testing.T, a *Admin) Group {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-ticker.C {
		g, err := a.Group(t.Context(), "g")
		if err != nil {
			t.Fatal(err)
		}
		if g.State == "STABLE" && len(g.Members) == 1 && len(g.Members[0].Assigned) == 2 {
			return g
		}
	}
	t.Fatal("the group did not become stable")
	return Group{}
}

func TestLags(t *testing.T) {
	a, k := newAdmin(t, kfake.SeedTopics(3, "t"))
	write(t, k, map[int32]int{0: 3, 1: 6, 2: 1})
	commit(t, a, "g", map[int32]int64{0: 0, 1: 0})
	got, err := a.Lags(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	want := []Lag{{TopicPartition: TopicPartition{"t", 1}, End: 6}, {TopicPartition: TopicPartition{"t", 0}, End: 3}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	g, err := a.Group(t.Context(), "g")
	if err != nil || g.State != "EMPTY" || !g.Simple {
		t.Errorf("group %+v, %v", g, err)
	}
	if err := a.DeleteGroup(t.Context(), "g"); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"describe": second(a.Group(t.Context(), "g")), "lags": second(a.Lags(t.Context(), "g")), "delete": a.DeleteGroup(t.Context(), "g"),
	} {
		if !errors.Is(err, ErrUnknownGroup) || connector.KindOf(err) != connector.NotFound {
			t.Errorf("%s of a deleted group: %v", name, err)
		}
	}
}

// TestLagEndsAtOpenTransactions: what a read_committed consumer cannot read yet
// it is not behind on.
func TestLagEndsAtOpenTransactions(t *testing.T) {
	a, k := newAdmin(t, kfake.SeedTopics(1, "t"))
	write(t, k, map[int32]int{0: 2})
	commit(t, a, "g", map[int32]int64{0: 0})
	txn, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.TransactionalID("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer txn.Close()
	if err := txn.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := txn.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Lags(t.Context(), "g"); err != nil || len(got) != 1 || got[0].End != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := a.Offsets(t.Context(), "t", 0); err != nil || got.Latest != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	if err := txn.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Error(err)
	}
}

func TestLagOfOwnedPartition(t *testing.T) {
	a, k := newAdmin(t, kfake.SeedTopics(2, "t"))
	write(t, k, map[int32]int{0: 2})
	commit(t, a, "g", map[int32]int64{0: 1})
	join(t, k)
	g := stable(t, a)
	got, err := a.Lags(t.Context(), "g")
	if err != nil || len(got) != 1 || got[0].Behind() != 1 || got[0].Member.ID != g.Members[0].ID {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOffsetsAndDeletedRecords(t *testing.T) {
	a, k := newAdmin(t, kfake.SeedTopics(2, "t"))
	write(t, k, map[int32]int{0: 5, 1: 2})
	first, err := a.DeleteRecords(t.Context(), "t", map[int32]int64{0: 3, 1: EndOfPartition})
	if diff := cmp.Diff(map[int32]int64{0: 3, 1: 2}, first); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if got, err := a.Offsets(t.Context(), "t", 0); err != nil || got != (Offsets{3, 5}) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, err := range map[string]error{
		"partition":            second(a.Offsets(t.Context(), "t", 9)),
		"topic":                second(a.Offsets(t.Context(), "none", 0)),
		"partition to delete":  second(a.DeleteRecords(t.Context(), "t", map[int32]int64{9: 0})),
		"topic to delete from": second(a.DeleteRecords(t.Context(), "none", map[int32]int64{0: 0})),
	} {
		if !errors.Is(err, ErrUnknownTopic) {
			t.Errorf("unknown %s: %v", name, err)
		}
	}
	if _, err := a.DeleteRecords(t.Context(), "t", map[int32]int64{0: 99}); connector.KindOf(err) != connector.Invalid {
		t.Errorf("deleting beyond the end: %v", err)
	}
}

func TestReassignmentsOfAQuietCluster(t *testing.T) {
	a, _ := newAdmin(t, kfake.SeedTopics(2, "t"))
	for _, name := range []string{"", "t", "none"} {
		if got, err := a.Reassignments(t.Context(), name); err != nil || got == nil || len(got) != 0 {
			t.Errorf("%q: %+v, %v", name, got, err)
		}
	}
}

func TestDeadBrokerEndsInTime(t *testing.T) {
	released := make(chan struct{})
	a := New(connection{id: "x", client: nil})
	a.timeout = 50 * time.Millisecond
	gone := make(chan struct{})
	start := time.Now()
	_, err := call(t.Context(), a, "asking a broker that is silent", func(sarama.Client) (int, error) {
		defer close(gone)
		<-released
		return 0, nil
	})
	if connector.KindOf(err) != connector.Unavailable || time.Since(start) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	if len(a.slots) != 1 {
		t.Errorf("%d slots taken by the request that goes on", len(a.slots))
	}
	close(released)
	<-gone
}

func TestCallsAreBounded(t *testing.T) {
	a := New(connection{id: "x"})
	a.timeout = 20 * time.Millisecond
	for range maxCalls {
		a.slots <- struct{}{}
	}
	_, err := call(t.Context(), a, "asking", func(sarama.Client) (int, error) { return 0, nil })
	if connector.KindOf(err) != connector.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestStaleConnection(t *testing.T) {
	a, k := newAdmin(t, kfake.SeedTopics(1, "t"))
	if _, err := a.Topics(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	// One request of the next is answered by a closed connection.
	k.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		return nil, errors.New("closed on purpose"), true
	})
	if _, err := a.Topics(t.Context(), false); err != nil {
		t.Errorf("after the connection was closed: %v", err)
	}
}
