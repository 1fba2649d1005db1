package schema

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/connector"
)

const user = `{"type":"record","name":"User","namespace":"x","fields":[{"name":"id","type":"int"}]}`

func TestClient(t *testing.T) {
	f := newFake(t)
	c, ctx := f.client(t), t.Context()
	country := Schema{Type: Avro, Text: `{"type":"enum","name":"Country","symbols":["DE"]}`}
	base, err := c.Register(ctx, "country", country)
	if err != nil {
		t.Fatal(err)
	}
	refs := []Reference{{Name: "Country", Subject: "country", Version: 1}}
	address := Schema{Type: Avro, Text: `{"type":"record","name":"A","fields":[{"name":"c","type":"Country"}]}`, References: refs}
	id, err := c.Register(ctx, "odd subject/x", address)
	if err != nil {
		t.Fatal(err)
	}
	if id == base {
		t.Error("two schemas have one id")
	}
	if again, err := c.Register(ctx, "odd subject/x", address); err != nil || again != id {
		t.Errorf("registered twice: %d and %d, %v", id, again, err)
	}
	got, err := c.ByID(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(address, got); diff != "" {
		t.Error(diff)
	}
	found, err := c.Lookup(ctx, "odd subject/x", address)
	want := Registered{Schema: address, Subject: "odd subject/x", ID: id, Version: 1}
	if diff := cmp.Diff(want, found); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, version := range []int{1, Latest} {
		if found, err = c.Version(ctx, "odd subject/x", version); err != nil || cmp.Diff(want, found) != "" {
			t.Errorf("version %d: %+v, %v", version, found, err)
		}
	}
	if list, err := c.Subjects(ctx); err != nil || len(list) != 2 {
		t.Errorf("subjects %v, %v", list, err)
	}
	if list, err := c.Versions(ctx, "country"); err != nil || cmp.Diff([]int{1}, list) != "" {
		t.Errorf("versions %v, %v", list, err)
	}
	if err := c.Delete(ctx, "odd subject/x", 1); err != nil {
		t.Error(err)
	}
	if _, err := c.Lookup(ctx, "odd subject/x", address); connector.KindOf(err) != connector.NotFound {
		t.Errorf("after it was deleted: %v", err)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		kind   connector.Kind
		want   string
		calls  int64
	}{
		{401, `{"error_code":401,"message":"no"}`, connector.Unauthenticated, "schema registry: get schema id 7: 401 no; check the credentials of schema_registry", 1},
		{403, `<html>`, connector.Denied, "schema registry: get schema id 7: 403 Forbidden; the credentials", 1},
		{404, `{"error_code":40403,"message":"Schema not found\nat x"}`, connector.NotFound, "schema registry: get schema id 7: 40403 Schema not found", 1},
		{409, `{"error_code":409,"message":"incompatible"}`, connector.Invalid, "schema registry: get schema id 7: 409 incompatible", 1},
		{422, `{"error_code":42201,"message":"` + strings.Repeat("long words ", 100) + `"}`, connector.Invalid, "schema registry: get schema id 7: 42201 long words long words", 1},
		{429, ``, connector.Throttled, "schema registry: get schema id 7: 429 Too Many Requests", 3},
		{500, `{"error_code":50001,"message":"store"}`, connector.Unavailable, "schema registry: get schema id 7: 50001 store", 3},
		{503, ``, connector.Unavailable, "schema registry: get schema id 7: 503 Service Unavailable", 3},
		{200, `<html>`, connector.Unavailable, "schema registry: get schema id 7: the answer is not that of a Schema Registry", 3},
		{200, strings.Repeat(" ", 9<<20), connector.TooLarge, "schema registry: get schema id 7: the answer is larger than 8 MiB", 1},
	} {
		f := newFake(t)
		f.instead(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		})
		_, err := f.client(t).ByID(t.Context(), 7)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || len(err.Error()) > 500 {
			t.Errorf("%d: error %v\nwant %s", c.status, err, c.want)
		}
		if connector.KindOf(err) != c.kind || f.calls.Load() != c.calls {
			t.Errorf("%d: kind %v, %d calls instead of %d", c.status, connector.KindOf(err), f.calls.Load(), c.calls)
		}
		var answer *ResponseError
		if c.status != 200 && (!errors.As(err, &answer) || answer.Status != c.status) {
			t.Errorf("%d: no ResponseError", c.status)
		}
	}
}

// An instance that is away costs one attempt, then the others are asked.
func TestOtherInstance(t *testing.T) {
	f := newFake(t)
	c := f.client(t, "http://127.0.0.1:1")
	if _, err := c.Subjects(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := f.calls.Load()
	if _, err := c.Subjects(t.Context()); err != nil || f.calls.Load() != before+1 {
		t.Errorf("%d calls, %v", f.calls.Load()-before, err)
	}
}

func TestTimeout(t *testing.T) {
	f := newFake(t)
	release := make(chan struct{})
	defer close(release)
	f.instead(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	c := f.client(t)
	c.cfg.Timeout = 50 * time.Millisecond
	start := time.Now()
	if _, err := c.Subjects(t.Context()); connector.KindOf(err) != connector.Unavailable || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Subjects(ctx); connector.KindOf(err) != connector.Unavailable {
		t.Errorf("cancelled: %v", err)
	}
}

// What a registry asks for is obeyed by all clients of the process.
func TestRetryAfter(t *testing.T) {
	f := newFake(t)
	f.instead(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	start := time.Now()
	for range 20 {
		_, err := f.client(t).ByID(t.Context(), 7)
		var e *connector.Error
		if !errors.As(err, &e) || e.Kind != connector.Throttled || e.RetryAfter < 59*time.Second || e.RetryAfter > 67*time.Second || !strings.Contains(err.Error(), "429") {
			t.Fatalf("%+v", err)
		}
	}
	if n := f.calls.Load(); n != 1 || time.Since(start) > maxWait {
		t.Errorf("%d calls in %s", n, time.Since(start))
	}
	// Another instance is asked meanwhile.
	other := newFake(t)
	if _, err := other.client(t, f.URL()).Subjects(t.Context()); err != nil || f.calls.Load() != 1 {
		t.Errorf("%d calls, %v", f.calls.Load(), err)
	}
}

// A fault of one request leaves the others alone.
func TestOneFaultyRequestHoldsNobody(t *testing.T) {
	f := newFake(t)
	f.instead(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/ids/7") {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte("[]"))
	})
	c := f.client(t)
	for range 3 {
		if _, err := c.ByID(t.Context(), 7); err == nil {
			t.Fatal("no error")
		}
		calls, start := f.calls.Load(), time.Now()
		if _, err := c.Subjects(t.Context()); err != nil || f.calls.Load() != calls+1 || time.Since(start) > firstWait {
			t.Errorf("%d calls, %s: %v", f.calls.Load()-calls, time.Since(start), err)
		}
	}
}

func TestNormalize(t *testing.T) {
	f := newFake(t)
	c := f.client(t)
	c.cfg.Normalize = true
	if _, err := c.Register(t.Context(), "s", Schema{Text: user}); err != nil {
		t.Fatal(err)
	}
	if want := "POST /subjects/s/versions?normalize=true"; f.paths[0] != want {
		t.Errorf("%s, want %s", f.paths[0], want)
	}
}

func TestBadURLs(t *testing.T) {
	for _, urls := range [][]string{nil, {""}, {"localhost:8081"}, {"ftp://x"}, {"http://ok", "http://"}} {
		if _, err := New(Config{URLs: urls}); connector.KindOf(err) != connector.Invalid {
			t.Errorf("%q: %v", urls, err)
		}
	}
}
