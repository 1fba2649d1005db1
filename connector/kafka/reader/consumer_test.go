package reader

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/headrace/headrace/connector"
)

func consumer(t *testing.T, r *Reader, cfg ConsumerConfig) *Consumer {
	t.Helper()
	if cfg.Group == "" {
		cfg.Group = "g"
	}
	c := r.NewConsumer(cfg)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// poll reads until n records came.
func poll(t *testing.T, c *Consumer, n int) []Record {
	t.Helper()
	var out []Record
	for deadline := time.Now().Add(20 * time.Second); len(out) < n && time.Now().Before(deadline); {
		records, err := c.Poll(t.Context(), Poll{MaxBytes: 1 << 20, MinBytes: 1, Wait: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, records...)
	}
	if len(out) != n {
		t.Fatalf("got %d records, want %d: %s", len(out), n, values(out))
	}
	return out
}

func TestSubscribe(t *testing.T) {
	r, _, kc := start(t)
	for p := range int32(3) {
		write(t, kc, p, fmt.Sprint("p", p))
	}
	c := consumer(t, r, ConsumerConfig{Reset: ResetEarliest})
	if err := c.Subscribe([]string{"t", "later"}, nil); err != nil {
		t.Fatal(err)
	}
	// The first poll waits for the assignment within its time.
	records, err := c.Poll(t.Context(), Poll{MaxBytes: 1 << 20, MinBytes: 6, Wait: 20 * time.Second})
	if err != nil || len(records) != 3 {
		t.Fatalf("got %s, %v", values(records), err)
	}
	if got := c.Assignment(); !cmp.Equal(got, []TP{{Topic: "t", Partition: 0}, {Topic: "t", Partition: 1}, {Topic: "t", Partition: 2}}) {
		t.Errorf("assigned %v", got)
	}
	if got := c.Subscription(); !cmp.Equal(got, []string{"later", "t"}) {
		t.Errorf("subscribed %v", got)
	}
	if err := c.Assign([]TP{{Topic: "t", Partition: 0}}); !errors.Is(err, ErrIllegalState) {
		t.Errorf("assign beside a subscription: %v", err)
	}
	if err := c.Unsubscribe(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := c.Poll(t.Context(), Poll{Wait: time.Second}); !errors.Is(err, ErrNothingToRead) {
		t.Errorf("poll without a subscription: %v", err)
	}
}

func TestSubscribePattern(t *testing.T) {
	r, k, kc := start(t)
	write(t, kc, 0, "a")
	_ = k
	c := consumer(t, r, ConsumerConfig{Reset: ResetEarliest})
	if err := c.Subscribe(nil, regexp.MustCompile("[t-z]")); err != nil {
		t.Fatal(err)
	}
	poll(t, c, 1)
	if got := c.Subscription(); !cmp.Equal(got, []string{"t"}) {
		t.Errorf("subscribed %v", got)
	}
}

func TestCommitAndGoOn(t *testing.T) {
	for _, auto := range []bool{true, false} {
		t.Run(fmt.Sprint("auto=", auto), func(t *testing.T) {
			r, _, kc := start(t)
			write(t, kc, 0, "a", "b", "c")
			cfg := ConsumerConfig{Reset: ResetEarliest, AutoCommit: auto}
			c := consumer(t, r, cfg)
			_ = c.Subscribe([]string{"t"}, nil)
			if got := values(poll(t, c, 3)); got != "a b c" {
				t.Fatal(got)
			}
			want := "d"
			if !auto {
				if err := c.Commit(t.Context(), map[TP]Committed{{Topic: "t", Partition: 0}: {Offset: 2, Metadata: "m"}}); err != nil {
					t.Fatal(err)
				}
				want = "c d"
				stored, err := c.Committed(t.Context(), []TP{{Topic: "t", Partition: 0}, {Topic: "t", Partition: 1}})
				if d := cmp.Diff(map[TP]Committed{{Topic: "t", Partition: 0}: {Offset: 2, Metadata: "m"}, {Topic: "t", Partition: 1}: {Offset: -1}}, stored); err != nil || d != "" {
					t.Error(err, d)
				}
			}
			if err := c.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			write(t, kc, 0, "d")
			next := consumer(t, r, cfg)
			_ = next.Subscribe([]string{"t"}, nil)
			if got := values(poll(t, next, len(strings.Fields(want)))); got != want {
				t.Errorf("went on with %q, want %q", got, want)
			}
			if !auto {
				if err := next.Commit(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				if stored, err := next.Committed(t.Context(), []TP{{Topic: "t", Partition: 0}}); err != nil || stored[TP{Topic: "t", Partition: 0}].Offset != 4 {
					t.Errorf("stored %v %v", stored, err)
				}
			}
		})
	}
}

func TestTwoMembersShare(t *testing.T) {
	r, _, kc := start(t)
	a, b := consumer(t, r, ConsumerConfig{Reset: ResetEarliest, AutoCommit: true}), consumer(t, r, ConsumerConfig{Reset: ResetEarliest, AutoCommit: true})
	_ = a.Subscribe([]string{"t"}, nil)
	write(t, kc, 0, "1")
	poll(t, a, 1)
	_ = b.Subscribe([]string{"t"}, nil)
	wait := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !ok(); {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v and %v", what, a.Assignment(), b.Assignment())
			}
			_, _ = a.Poll(t.Context(), Poll{MaxBytes: 1000, MinBytes: 1, Wait: 50 * time.Millisecond})
		}
	}
	wait("sharing", func() bool { return len(a.Assignment())+len(b.Assignment()) == 3 && len(b.Assignment()) > 0 })
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, kc, 0, "2") // "1" was stored by a: it must not come again
	if got := values(poll(t, b, 1)); got != "2" {
		t.Errorf("got %s", got)
	}
}

func TestAssignAndSeek(t *testing.T) {
	r, _, kc := start(t)
	write(t, kc, 0, "a", "b", "c")
	c := consumer(t, r, ConsumerConfig{})
	if err := c.Seek(map[TP]int64{{Topic: "t", Partition: 0}: 1}); !errors.Is(err, ErrIllegalState) {
		t.Errorf("seek without assignment: %v", err)
	}
	if err := c.Assign([]TP{{Topic: "t", Partition: 0}, {Topic: "t", Partition: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe([]string{"t"}, nil); !errors.Is(err, ErrIllegalState) {
		t.Errorf("subscribe beside an assignment: %v", err)
	}
	if got, err := c.Poll(t.Context(), Poll{MaxBytes: 100, Wait: 100 * time.Millisecond, MinBytes: -1}); err != nil || len(got) != 0 {
		t.Fatalf("latest has %s %v", values(got), err)
	}
	write(t, kc, 0, "d")
	if got := values(poll(t, c, 1)); got != "d" {
		t.Errorf("behind latest came %s", got)
	}
	for _, tc := range []struct {
		name string
		seek func() error
		want string
	}{
		{"offset", func() error { return c.Seek(map[TP]int64{{Topic: "t", Partition: 0}: 2}) }, "c d"},
		{"beginning", func() error {
			return c.Seek(map[TP]int64{{Topic: "t", Partition: 0}: Earliest, {Topic: "t", Partition: 1}: Earliest})
		}, "a b c d"},
		{"time", func() error {
			return c.SeekTime(t.Context(), map[TP]time.Time{{Topic: "t", Partition: 0}: time.UnixMilli(1700000000000)})
		}, "a b c d"},
	} {
		if err := tc.seek(); err != nil {
			t.Fatal(err)
		}
		if got := values(poll(t, c, len(strings.Fields(tc.want)))); got != tc.want {
			t.Errorf("%s: %s", tc.name, got)
		}
	}
	if err := c.Commit(t.Context(), map[TP]Committed{{Topic: "t", Partition: 0}: {Offset: 1}}); err != nil {
		t.Error(err)
	}
}

func TestOffsetOutOfRange(t *testing.T) {
	for reset, want := range map[Reset]string{ResetEarliest: "a b", ResetNone: ""} {
		r, _, kc := start(t)
		write(t, kc, 0, "a", "b")
		c := consumer(t, r, ConsumerConfig{Reset: reset})
		_ = c.Assign([]TP{{Topic: "t", Partition: 0}})
		_ = c.Seek(map[TP]int64{{Topic: "t", Partition: 0}: 100})
		got, err := c.Poll(t.Context(), Poll{MaxBytes: 1000, MinBytes: 1, Wait: 10 * time.Second})
		if values(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q %v", reset, values(got), err)
		}
	}
}

func TestPollBounds(t *testing.T) {
	r, _, kc := start(t)
	write(t, kc, 0, "aaaa", "bbbb", "cccccccccc", "dd")
	c := consumer(t, r, ConsumerConfig{Reset: ResetEarliest})
	_ = c.Assign([]TP{{Topic: "t", Partition: 0}})
	for _, want := range []string{"aaaa bbbb", "cccccccccc", "dd"} {
		got, err := c.Poll(t.Context(), Poll{MaxBytes: 10, MinBytes: 1, Wait: 10 * time.Second})
		if err != nil || values(got) != want {
			t.Errorf("got %q %v, want %q", values(got), err, want)
		}
	}
	start := time.Now()
	got, err := c.Poll(t.Context(), Poll{MaxBytes: 10, MinBytes: -1, Wait: 200 * time.Millisecond})
	if d := time.Since(start); err != nil || len(got) != 0 || d < 200*time.Millisecond || d > 5*time.Second {
		t.Errorf("an empty poll: %v after %v", err, d)
	}
}

func TestPollThatIsGivenUpKeepsItsPosition(t *testing.T) {
	r, _, kc := start(t)
	write(t, kc, 0, "a")
	c := consumer(t, r, ConsumerConfig{Reset: ResetEarliest})
	_ = c.Assign([]TP{{Topic: "t", Partition: 0}})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := c.Poll(ctx, Poll{MaxBytes: 1000, MinBytes: -1, Wait: time.Minute}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if got := values(poll(t, c, 1)); got != "a" {
		t.Errorf("got %s", got)
	}
}

func TestDenied(t *testing.T) {
	r, k, _ := start(t)
	k.ControlKey(int16(kmsg.JoinGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		res := req.ResponseKind().(*kmsg.JoinGroupResponse)
		res.ErrorCode = kerr.GroupAuthorizationFailed.Code
		return res, nil, true
	})
	c := consumer(t, r, ConsumerConfig{})
	_ = c.Subscribe([]string{"t"}, nil)
	var err error
	for deadline := time.Now().Add(10 * time.Second); err == nil && time.Now().Before(deadline); {
		_, err = c.Poll(t.Context(), Poll{MaxBytes: 1000, Wait: 50 * time.Millisecond, MinBytes: 1})
	}
	if connector.KindOf(err) != connector.Denied {
		t.Errorf("got %v", err)
	}
}
