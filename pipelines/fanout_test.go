package pipelines

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/headrace/headrace/connector"
)

// branch keeps what it is given until the test decides about it.
type branch struct {
	got    []*connector.Message
	refuse error
}

func (b *branch) Publish(_ context.Context, batch []*connector.Message) error {
	b.got = append(b.got, batch...)
	return b.refuse
}

func (b *branch) finish(i int, o connector.Outcome) {
	r := connector.Result{Outcome: o}
	if o == connector.Failed || o == connector.DeadLettered {
		r.Err = errors.New(o.String())
	}
	b.got[i].Finish(r)
}

// fan publishes n messages to the branches and returns the results as they come.
func fan(t *testing.T, n int, branches ...*branch) (results map[int64][]connector.Result, err error) {
	t.Helper()
	results = map[int64][]connector.Result{}
	var outs []connector.Publisher
	for _, b := range branches {
		outs = append(outs, b)
	}
	var batch []*connector.Message
	for i := range n {
		batch = append(batch, &connector.Message{Seq: int64(100 + i), Value: []byte(fmt.Sprint(i)),
			Ack: func(m *connector.Message, r connector.Result) { results[m.Seq] = append(results[m.Seq], r) }})
	}
	err = fanOut(outs).Publish(t.Context(), batch)
	clear(batch) // the giver may use the slice again
	return results, err
}

func TestFanOutWaitsForEveryBranch(t *testing.T) {
	a, b, c := &branch{}, &branch{}, &branch{}
	results, err := fan(t, 2, a, b, c)
	if err != nil {
		t.Fatal(err)
	}
	a.got[0].Value[0], a.got[0].Key = 'x', []byte("changed") // the bytes are shared, the message is not
	if b.got[0].Key != nil {
		t.Error("a branch sees what another one did to its message")
	}
	for _, one := range []*branch{c, a} {
		one.finish(1, connector.Acknowledged)
		one.finish(0, connector.Acknowledged)
		if len(results) != 0 {
			t.Fatalf("acknowledged before every branch had it: %v", results)
		}
	}
	b.finish(1, connector.Acknowledged)
	if len(results) != 1 || len(results[101]) != 1 {
		t.Fatalf("%v; only the second record is everywhere", results)
	}
	b.finish(0, connector.Acknowledged)
	if len(results[100]) != 1 || results[100][0].Outcome != connector.Acknowledged {
		t.Fatalf("%v", results)
	}
}

func TestFanOutTakesTheWorstOutcome(t *testing.T) {
	const ack, dead, filtered, failed = connector.Acknowledged, connector.DeadLettered, connector.Filtered, connector.Failed
	for _, tc := range []struct{ a, b, want connector.Outcome }{
		{ack, ack, ack}, {filtered, filtered, filtered}, {filtered, ack, ack}, {ack, filtered, ack},
		{dead, ack, dead}, {filtered, dead, dead}, {failed, ack, failed}, {dead, failed, failed}, {failed, dead, failed},
	} {
		for _, firstFirst := range []bool{true, false} {
			a, b := &branch{}, &branch{}
			results, err := fan(t, 1, a, b)
			if err != nil {
				t.Fatal(err)
			}
			if firstFirst {
				a.finish(0, tc.a)
				b.finish(0, tc.b)
			} else {
				b.finish(0, tc.b)
				a.finish(0, tc.a)
			}
			got := results[100]
			if len(got) != 1 || got[0].Outcome != tc.want || (got[0].Err == nil) != (tc.want == ack || tc.want == filtered) {
				t.Errorf("%v and %v: %v, want %v", tc.a, tc.b, got, tc.want)
			}
		}
	}
}

func TestFanOutWhenABranchRefuses(t *testing.T) {
	closed := errors.New("closed")
	results, err := fan(t, 2, &branch{refuse: closed}, &branch{})
	if !errors.Is(err, closed) || len(results) != 0 {
		t.Errorf("the first: %v, %v; the giver still has the batch", err, results)
	}
	first := &branch{}
	results, err = fan(t, 2, first, &branch{refuse: closed})
	if err != nil {
		t.Fatalf("the second: %v; the first has the batch already", err)
	}
	for i := range first.got {
		first.finish(i, connector.Acknowledged)
	}
	for seq := range int64(2) {
		if got := results[100+seq]; len(got) != 1 || got[0].Outcome != connector.Failed || !errors.Is(got[0].Err, closed) {
			t.Errorf("the second: %v", got)
		}
	}
}
