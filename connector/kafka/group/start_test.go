package group

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/intake"
	"github.com/headrace/headrace/connector/kafka/broker"
)

// groupBench is a broker, a client outside, and what a source logs.
type groupBench struct {
	t   *testing.T
	k   *kfake.Cluster
	out *kgo.Client
	log safeBuffer
}

// safeBuffer may be written to and read at the same time.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newGroupBench(t *testing.T, partitions int32) *groupBench {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return &groupBench{t: t, k: k, out: outside(t, k)}
}

func (b *groupBench) source(initial string, bounded bool) *Source {
	return NewSource(cluster(b.t, b.k), SourceConfig{Group: "g", Topics: []string{"t"}, Initial: initial,
		BatchSize: 4, Bounded: bounded, Log: slog.New(slog.NewTextHandler(&b.log, nil))})
}

// once runs a bounded source and returns how many records came.
func (b *groupBench) once(initial string) int {
	b.t.Helper()
	out := &collector{fate: func(_ int, m *connector.Message) {
		m.Finish(connector.Result{Outcome: connector.Acknowledged})
	}}
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	defer cancel()
	if err := intake.Run(ctx, intake.Config{Source: b.source(initial, true), Out: out}); err != nil || ctx.Err() != nil {
		b.t.Fatalf("the run: %v, %v", err, ctx.Err())
	}
	return out.count()
}

// A new group's start is stored by its first run, although it read nothing.
func TestARunOfANewGroupStoresItsStart(t *testing.T) {
	b := newGroupBench(t, 3)
	fill(t, b.out, "t", 3, 5)
	if n := b.once(OffsetLatest); n != 0 {
		t.Errorf("the first run read %d", n)
	}
	if got := committed(t, b.out, "g", "t"); got[0] != 5 || got[1] != 5 || got[2] != 5 {
		t.Errorf("committed %v", got)
	}
	fill(t, b.out, "t", 3, 2)
	if n := b.once(OffsetLatest); n != 6 {
		t.Errorf("the second run read %d, want 6", n)
	}
}

// A stream that delivered nothing, on partitions with and without records, has a
// start that its next one finds.
func TestWhatComesWhileNobodyReads(t *testing.T) {
	b := newGroupBench(t, 2)
	fill(t, b.out, "t", 2, 5)
	refuse := &collector{fate: func(_ int, m *connector.Message) {
		m.Finish(connector.Result{Outcome: connector.Failed, Err: connector.Errorf(connector.Unavailable, "no topic there")})
	}}
	stop := runs(t, b.source(OffsetLatest, false), refuse)
	until(t, "the start is stored", func() bool { return len(committed(t, b.out, "g", "t")) == 2 })
	fill(t, b.out, "t", 1, 1)
	until(t, "the record is refused", func() bool { return refuse.count() > 0 })
	_ = stop()
	fill(t, b.out, "t", 2, 1)
	if n := b.once(OffsetLatest); n != 3 {
		t.Errorf("%d records came, want 3", n)
	}
}

// A second member that joins begins where the group's first start was.
func TestASecondMemberLosesNothing(t *testing.T) {
	b := newGroupBench(t, 4)
	out := &collector{fate: func(_ int, m *connector.Message) {
		m.Finish(connector.Result{Outcome: connector.Acknowledged})
	}}
	runs(t, b.source(OffsetLatest, false), out)
	until(t, "the start is stored", func() bool { return len(committed(t, b.out, "g", "t")) == 4 })
	runs(t, b.source(OffsetLatest, false), out)
	fill(t, b.out, "t", 4, 10)
	until(t, "all records come", func() bool {
		seen := map[string]bool{}
		out.mu.Lock()
		defer out.mu.Unlock()
		for _, m := range out.seen {
			seen[fmt.Sprintf("%s/%d", m.Key, m.Seq)] = true
		}
		return len(seen) == 40
	})
}

// Records that were deleted before they were read are told, and the group goes
// on at what is left, whatever the reset says.
func TestBehindRetention(t *testing.T) {
	b := newGroupBench(t, 1)
	if n := b.once(OffsetLatest); n != 0 {
		t.Fatal(n)
	}
	fill(t, b.out, "t", 1, 50)
	offsets := kadm.Offsets{}
	offsets.AddOffset("t", 0, 40, -1)
	if _, err := kadm.NewClient(b.out).DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
	if n := b.once(OffsetLatest); n != 10 {
		t.Errorf("%d records came, want 10", n)
	}
	if text := b.log.String(); !strings.Contains(text, "from=0 to=40 lost=40") {
		t.Errorf("not told: %s", text)
	}
	if n := b.once(OffsetLatest); n != 0 {
		t.Errorf("%d records came again", n)
	}
}

// A topic that was made anew is read from its beginning, once.
func TestATopicMadeAnew(t *testing.T) {
	b := newGroupBench(t, 1)
	fill(t, b.out, "t", 1, 50)
	if n := b.once(OffsetEarliest); n != 50 {
		t.Fatal(n)
	}
	admin := kadm.NewClient(b.out)
	if _, err := admin.DeleteTopics(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	again := outside(t, b.k)
	offsets := kadm.Offsets{} // brokers keep them over a deletion, or not
	offsets.Add(kadm.Offset{Topic: "t", Partition: 0, At: 50, LeaderEpoch: -1, Metadata: startText(1)})
	if err := kadm.NewClient(again).CommitAllOffsets(t.Context(), "g", offsets); err != nil {
		t.Fatal(err)
	}
	fill(t, again, "t", 1, 7)
	if n := b.once(OffsetLatest); n != 7 {
		t.Errorf("%d records came, want 7", n)
	}
	if text := b.log.String(); !strings.Contains(text, "from=50 to=0 end=7 read=7") {
		t.Errorf("not told: %s", text)
	}
	if n := b.once(OffsetLatest); n != 0 {
		t.Errorf("%d records came again", n)
	}
}

// What is added to a topic later is read from its beginning, whatever the reset
// says.
func TestPartitionsThatAreAddedLater(t *testing.T) {
	b := newGroupBench(t, 2)
	fill(t, b.out, "t", 2, 5)
	if n := b.once(OffsetLatest); n != 0 {
		t.Fatal(n)
	}
	if _, err := kadm.NewClient(b.out).UpdatePartitions(t.Context(), 4, "t"); err != nil {
		t.Fatal(err)
	}
	again := outside(t, b.k)
	fill(t, again, "t", 4, 3)
	if n := b.once(OffsetLatest); n != 12 {
		t.Errorf("%d records came, want 12", n)
	}
}

func TestFirstStart(t *testing.T) {
	for _, tc := range []struct {
		name   string
		stored []Committed // of the partitions
		want   int         // -1: the group has no position in the topic
	}{
		{"a new group", []Committed{{Offset: -1}, {Offset: -1}}, -1},
		{"another member of the first start was quicker", []Committed{{Offset: 7, Metadata: startText(2)}, {Offset: -1}}, 2},
		{"a partition came later", []Committed{{Offset: 7, Metadata: startText(1)}, {Offset: -1}}, 1},
		{"of another program", []Committed{{7, ""}, {Offset: -1}}, 0},
		{"a text that is none of ours", []Committed{{7, "headrace/1 partitions=x"}, {Offset: -1}}, 0},
	} {
		stored := map[broker.TP]Committed{}
		for p, c := range tc.stored {
			stored[broker.TP{Topic: "t", Partition: int32(p)}] = c
		}
		got, ok := firstStarts(stored)["t"]
		if !ok {
			got = -1
		}
		if got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

// The place is stored before the first record is on its way, so that a process
// that is killed then finds it.
func TestTheStartIsStoredBeforeTheFirstRecord(t *testing.T) {
	b := newGroupBench(t, 2)
	fill(t, b.out, "t", 1, 3)
	began := make(chan map[int32]int64, 100)
	held := make(chan *connector.Message, 100)
	out := &collector{fate: func(_ int, m *connector.Message) { // nothing is acknowledged
		began <- committed(t, b.out, "g", "t")
		held <- m
	}}
	stop := runs(t, b.source(OffsetLatest, false), out)
	until(t, "the start", func() bool { return len(committed(t, b.out, "g", "t")) == 2 })
	fill(t, b.out, "t", 1, 1)
	if at := <-began; at[0] != 3 || at[1] != 0 {
		t.Errorf("committed %v when the first record was published", at)
	}
	if at := committed(t, b.out, "g", "t")[0]; at != 3 {
		t.Errorf("committed %d with the record not acknowledged", at)
	}
	(<-held).Finish(connector.Result{Outcome: connector.Acknowledged})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
