package group

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/intake"
)

// A bounded source ends where the topic ended when it began, and a run after it
// goes on from there.
func TestBoundedReadsToTheEndAndNoFurther(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	c := outside(t, k)
	fill(t, c, "t", 2, 10) // the third partition stays empty
	source := NewSource(cluster(t, k), SourceConfig{Group: "g", Topics: []string{"t"}, Initial: OffsetEarliest,
		BatchSize: 4, Bounded: true})
	for _, want := range []int{20, 0, 10} {
		if want == 10 {
			fill(t, c, "t", 1, 10)
		}
		out := &collector{fate: func(_ int, m *connector.Message) {
			m.Finish(connector.Result{Outcome: connector.Acknowledged})
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		err := intake.Run(ctx, intake.Config{Source: source, Out: out})
		if err != nil || ctx.Err() != nil || out.count() != want {
			t.Errorf("%d records, wanted %d: %v, %v", out.count(), want, err, ctx.Err())
		}
		cancel()
	}
	if got := committed(t, c, "g", "t"); got[0] != 20 || got[1] != 10 {
		t.Errorf("committed %v", got)
	}
}

// The last records may fail when their end was reached already: that is a
// failure of the run.
func TestBoundedReportsTheLastFailure(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	c := outside(t, k)
	fill(t, c, "t", 1, 10)
	out := &collector{fate: func(_ int, m *connector.Message) {
		r := connector.Result{Outcome: connector.Acknowledged}
		if m.Seq == 9 {
			r = connector.Result{Outcome: connector.Failed, Err: connector.Errorf(connector.Denied, "no right")}
		}
		go m.Finish(r)
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	source := NewSource(cluster(t, k), SourceConfig{Group: "g", Topics: []string{"t"},
		Initial: OffsetEarliest, BatchSize: 10, Bounded: true})
	err = intake.Run(ctx, intake.Config{Source: source, Out: out, Flush: func() {}})
	if err == nil || ctx.Err() != nil {
		t.Errorf("%d records: %v, %v", out.count(), err, ctx.Err())
	}
	if at, ok := committed(t, c, "g", "t")[0]; ok && at > 9 {
		t.Errorf("committed %d, behind a record that nobody has", at)
	}
}

// The last offset of a partition may be a marker of a transaction, and those
// before it records that were aborted: neither is ever delivered.
func TestBoundedEndsBehindATransaction(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	c := outside(t, k)
	writer, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	for _, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		if err := writer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := writer.ProduceSync(t.Context(), kgo.StringRecord("a"), kgo.StringRecord("b")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := writer.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	out := &collector{fate: func(_ int, m *connector.Message) {
		m.Finish(connector.Result{Outcome: connector.Acknowledged})
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	source := NewSource(cluster(t, k), SourceConfig{Group: "g", Topics: []string{"t"}, Initial: OffsetEarliest,
		BatchSize: 4, Bounded: true})
	err = intake.Run(ctx, intake.Config{Source: source, Out: out, Flush: func() {}})
	if err != nil || ctx.Err() != nil || out.count() != 2 {
		t.Errorf("%d records, wanted the 2 committed ones: %v, %v", out.count(), err, ctx.Err())
	}
	if at := committed(t, c, "g", "t")[0]; at != 6 {
		t.Errorf("committed %d, wanted 6, behind the markers", at)
	}
}
