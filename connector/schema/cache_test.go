package schema

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/headrace/headrace/connector"
)

// However many records wait for a schema, it is asked for once, and from then
// on not at all.
func TestEachSchemaIsFetchedOnce(t *testing.T) {
	f := newFake(t)
	f.SeedSchema("t-value", 1, 1, sr.Schema{Schema: user})
	s := newSchemas(t, f, Limits{})
	ref := Ref{Topic: "t", Type: Avro, Text: user}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, _, err := s.Encode(t.Context(), nil, ref, []byte(`{"id":1}`)); err != nil {
				t.Error(err)
			}
			if _, err := s.Decode(t.Context(), nil, []byte("\x00\x00\x00\x00\x01\x02")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	want := map[string]int{"POST /subjects/t-value": 1, "GET /schemas/ids/1": 1}
	got := map[string]int{}
	for _, p := range f.paths {
		got[p]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLatestIsAskedForAgain(t *testing.T) {
	f := newFake(t)
	f.SeedSchema("t-value", 1, 1, sr.Schema{Schema: user})
	s := newSchemas(t, f, Limits{LatestTTL: time.Nanosecond})
	used, err := s.Resolve(t.Context(), Ref{Topic: "t"})
	if err != nil || used.Version != 1 {
		t.Fatal(used, err)
	}
	f.SeedSchema("t-value", 2, 2, sr.Schema{Schema: strings.Replace(user, "int", "long", 1)})
	if used, err = s.Resolve(t.Context(), Ref{Topic: "t"}); err != nil || used.Version != 2 {
		t.Errorf("%+v, %v", used, err)
	}
	f.away()
	if used, err = s.Resolve(t.Context(), Ref{Topic: "t"}); err != nil || used.Version != 2 {
		t.Errorf("while the registry is away: %+v, %v", used, err)
	}
	if _, err = s.Resolve(t.Context(), Ref{Topic: "new"}); connector.KindOf(err) != connector.Unavailable {
		t.Errorf("a new schema while the registry is away: %v", err)
	}
	f.instead(nil)
	if err := f.client(t).Delete(t.Context(), "t-value", Latest); err != nil {
		t.Fatal(err)
	}
	if _, err = s.Resolve(t.Context(), Ref{Topic: "t"}); connector.KindOf(err) != connector.NotFound {
		t.Errorf("after it was deleted: %v", err)
	}
}

// What outlived its time while the registry is away is not asked for again
// with every record.
func TestStaleSchemasDoNotWaitEachTime(t *testing.T) {
	f := newFake(t)
	f.SeedSchema("t-value", 1, 1, sr.Schema{Schema: user})
	s := newSchemas(t, f, Limits{LatestTTL: time.Hour})
	ref := Ref{Topic: "t"}
	if _, err := s.Resolve(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	old, _, _ := s.refs.get(ref)
	s.refs.put(ref, old, old.weight, time.Nanosecond)
	f.away()
	before := f.calls.Load()
	for range 5 {
		if _, err := s.Resolve(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.calls.Load() - before; n != 3 { // the attempts of one call
		t.Errorf("%d calls", n)
	}
}

func TestCachesAreBounded(t *testing.T) {
	f := newFake(t)
	s := newSchemas(t, f, Limits{MaxSchemas: 10})
	for i := range 40 {
		ref := Ref{Topic: "t", Subject: fmt.Sprint("s", i), Type: Avro, Text: fmt.Sprintf(`{"type":"fixed","name":"F%d","size":1}`, i)}
		data, _, err := s.Encode(t.Context(), nil, ref, []byte(`"x"`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Decode(t.Context(), nil, data); err != nil {
			t.Fatal(err)
		}
	}
	if s.refs.len() != 10 || s.ids.len() != 10 {
		t.Errorf("%d and %d entries, want 10", s.refs.len(), s.ids.len())
	}
}

func TestCache(t *testing.T) {
	c := newCache[string, int](3, 100)
	has := func(keys string) {
		t.Helper()
		var got []string
		for at := c.order.Front(); at != nil; at = at.Next() {
			got = append(got, at.Value.(*entry[string, int]).key)
		}
		if strings.Join(got, "") != keys || len(c.items) != len(keys) {
			t.Errorf("%v, want %s", got, keys)
		}
	}
	for i, k := range []string{"a", "b", "c"} {
		c.put(k, i, 10, 0)
	}
	has("cba")
	c.get("a")
	c.put("d", 4, 10, 0)
	has("dac")
	c.put("a", 5, 90, 0) // too heavy together with two others
	has("ad")
	c.put("e", 6, 1000, 0) // too heavy alone, but what was just asked for is kept
	has("e")
	c.put("f", 7, 1, time.Nanosecond)
	if v, fresh, ok := c.get("f"); v != 7 || fresh || !ok {
		t.Errorf("%d, %t, %t", v, fresh, ok)
	}
	if c.weight != 1 {
		t.Errorf("weight %d", c.weight)
	}
}
