package group

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// eventually asks until the list is as wanted.
func eventually(t *testing.T, x *Roster, want ...string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		var err error
		if got, err = x.Members(t.Context()); err != nil {
			t.Fatal(err)
		}
		if cmp.Equal(got, want) {
			return
		}
	}
	t.Fatal(cmp.Diff(want, got))
}

func TestRoster(t *testing.T) {
	conns, _, _ := start(t)
	a, b := NewRoster(conns, "g", nil), NewRoster(conns, "g", nil)
	if list, err := a.Members(t.Context()); err != nil || len(list) != 0 {
		t.Fatalf("nobody joined: %v %v", list, err)
	}
	a.Join(t.Context(), "http://a")
	eventually(t, b, "http://a")
	b.Join(t.Context(), "http://b")
	b.Join(t.Context(), "http://again") // once only
	eventually(t, a, "http://a", "http://b")
	a.Close()
	a.Close()
	eventually(t, b, "http://b")
	b.Close()
	eventually(t, a)
	a.Join(t.Context(), "http://a")
	if list, err := a.Members(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("a closed roster joined: %v %v", list, err)
	}
}

func TestRosterWithoutBroker(t *testing.T) {
	conns, k, _ := start(t)
	k.Close()
	x := NewRoster(conns, "g", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	x.Join(ctx, "http://a") // returns with ctx
	if _, err := x.Members(ctx); err == nil {
		t.Error("a dead cluster has members")
	}
	x.Close()
}
