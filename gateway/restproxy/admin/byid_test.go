package admin

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// entry is a cluster that says its id after a time, or never.
type entry struct {
	name, id string
	after    time.Duration
	err      error
	known    atomic.Bool
}

func (e *entry) KnownID() string {
	if e.known.Load() {
		return e.id
	}
	return ""
}

func (e *entry) ID(ctx context.Context) (string, error) {
	select {
	case <-time.After(e.after):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if e.err != nil {
		return "", e.err
	}
	e.known.Store(true)
	return e.id, nil
}

func TestByID(t *testing.T) {
	away := errors.New("away")
	hour := time.Hour
	for _, tc := range []struct {
		name string
		all  []*entry
		want string
		took time.Duration // the first time; later ones take none where the cluster is found
		err  error
	}{
		{name: "one", all: []*entry{{name: "a", id: "C"}}, want: "a"},
		{name: "the second", all: []*entry{{name: "a", id: "B"}, {name: "b", id: "C"}}, want: "b"},
		{name: "two entries with the same id", all: []*entry{{name: "a", id: "C", after: time.Second / 2}, {name: "b", id: "C"}}, want: "a", took: time.Second / 2},
		{name: "a silent one before it", all: []*entry{{name: "a", after: hour}, {name: "b", id: "C"}}, want: "b", took: earlierWait},
		{name: "a refusing one before it", all: []*entry{{name: "a", err: away}, {name: "b", id: "C"}}, want: "b"},
		{name: "a silent one behind it", all: []*entry{{name: "a", id: "C"}, {name: "b", after: hour}}, want: "a"},
		{name: "none", all: []*entry{{name: "a", id: "B"}}, err: wire.UnknownCluster("C")},
		{name: "perhaps the one that is away", all: []*entry{{name: "a", id: "B"}, {name: "b", err: away}}, err: away},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for again := range 3 {
					start := time.Now()
					got, err := ByID(t.Context(), tc.all, "C")
					if tc.err != nil {
						if err == nil || err.Error() != tc.err.Error() {
							t.Fatalf("%v, want %v", err, tc.err)
						}
						continue
					}
					if err != nil || got.name != tc.want {
						t.Fatalf("%v, %v, want %s", got, err, tc.want)
					}
					if took := time.Since(start); again == 0 && took != tc.took || again > 0 && took != 0 {
						t.Errorf("call %d took %v", again, took)
					}
				}
			})
		})
	}
}
