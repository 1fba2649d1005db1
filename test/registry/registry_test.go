//go:build integration

// Package registry_test runs the Schema Registry client and its formats
// against Apicurio Registry, whose API is Confluent's.
package registry_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/schema"
	"github.com/headrace/headrace/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

func client(t *testing.T) *schema.Client {
	t.Helper()
	c, err := schema.New(schema.Config{URLs: []string{services.Registry(t).URL}, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// subject is a name that no other test uses.
func subject(t *testing.T, name string) string {
	return fmt.Sprintf("%s-%d-%s", strings.ReplaceAll(t.Name(), "/", "-"), time.Now().UnixNano(), name)
}

const user = `{"type":"record","name":"User","namespace":"x","fields":[{"name":"id","type":"int"}]}`

func TestClient(t *testing.T) {
	c, ctx := client(t), t.Context()
	s := subject(t, "value")
	if _, err := c.Lookup(ctx, s, schema.Schema{Text: user}); connector.KindOf(err) != connector.NotFound {
		t.Errorf("before it is registered: %v", err)
	}
	if _, err := c.Version(ctx, s, schema.Latest); connector.KindOf(err) != connector.NotFound {
		t.Errorf("before it is registered: %v", err)
	}
	id, err := c.Register(ctx, s, schema.Schema{Type: schema.Avro, Text: user})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.Register(ctx, s, schema.Schema{Type: schema.Avro, Text: user}); err != nil || again != id {
		t.Errorf("again: %d instead of %d, %v", again, id, err)
	}
	found, err := c.Lookup(ctx, s, schema.Schema{Text: user})
	if err != nil || found.ID != id || found.Version != 1 {
		t.Errorf("%+v, %v", found, err)
	}
	byID, err := c.ByID(ctx, id)
	if diff := cmp.Diff(schema.Schema{Type: schema.Avro, Text: user}, byID); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if latest, err := c.Version(ctx, s, schema.Latest); err != nil || latest.ID != id || latest.Version != 1 || latest.Subject != s {
		t.Errorf("%+v, %v", latest, err)
	}
	if versions, err := c.Versions(ctx, s); err != nil || cmp.Diff([]int{1}, versions) != "" {
		t.Errorf("%v, %v", versions, err)
	}
	if subjects, err := c.Subjects(ctx); err != nil || !strings.Contains(strings.Join(subjects, " "), s) {
		t.Errorf("%v, %v", subjects, err)
	}
	// A field without a default is no backward compatible change.
	_, err = c.Register(ctx, s, schema.Schema{Text: strings.Replace(user, `"id","type":"int"}`, `"id","type":"int"},{"name":"n","type":"int"}`, 1)})
	var refused *schema.ResponseError
	if !errors.As(err, &refused) || refused.Status != 409 || connector.KindOf(err) != connector.Invalid {
		t.Errorf("incompatible: %v", err)
	}
	if _, err := c.Register(ctx, s, schema.Schema{Text: `{"type":`}); connector.KindOf(err) != connector.Invalid {
		t.Errorf("no schema: %v", err)
	}
	if _, err := c.ByID(ctx, 1<<30); connector.KindOf(err) != connector.NotFound {
		t.Errorf("unknown id: %v", err)
	}
	if err := c.Delete(ctx, s, schema.Latest); err != nil {
		t.Error(err)
	}
	if _, err := c.Version(ctx, s, schema.Latest); connector.KindOf(err) != connector.NotFound {
		t.Errorf("after it is deleted: %v", err)
	}
}

// Each format is registered by its text, found by every way to name it, and
// read again by another process's caches.
func TestFormats(t *testing.T) {
	for _, c := range []struct{ kind, text, value string }{
		{schema.Avro, user, `{"id":1}`},
		{schema.Protobuf, `syntax = "proto3"; package x; message User { int32 id = 1; repeated string tags = 2; }`, `{"id":1,"tags":["a"]}`},
		{schema.JSONSchema, `{"$schema":"http://json-schema.org/draft-07/schema#","title":"User","type":"object","required":["id"]}`, `{"id":1}`},
	} {
		t.Run(c.kind, func(t *testing.T) {
			writer, reader := schema.NewSchemas(client(t), schema.Limits{}), schema.NewSchemas(client(t), schema.Limits{})
			s := subject(t, "value")
			encoded, used, err := writer.Encode(t.Context(), nil, schema.Ref{Subject: s, Type: c.kind, Text: c.text}, []byte(c.value))
			if err != nil {
				t.Fatal(err)
			}
			if used.Version != 1 || used.ID == 0 || used.Subject != s || used.Type != c.kind {
				t.Errorf("%+v", used)
			}
			back, err := reader.Decode(t.Context(), nil, encoded)
			if err != nil || string(back) != c.value {
				t.Errorf("%s, %v", back, err)
			}
			for name, ref := range map[string]schema.Ref{
				"latest": {Subject: s}, "version": {Subject: s, Version: 1}, "id": {Subject: s, ID: used.ID},
				"text again": {Subject: s, Type: c.kind, Text: c.text, LookupOnly: true},
			} {
				got, again, err := reader.Encode(t.Context(), nil, ref, []byte(c.value))
				if err != nil || string(got) != string(encoded) || again != used {
					t.Errorf("%s: %q with %+v, %v", name, got, again, err)
				}
			}
			if _, _, err := reader.Encode(t.Context(), nil, schema.Ref{Subject: s}, []byte(`{"id":"x"}`)); c.kind != schema.JSONSchema && connector.KindOf(err) != connector.Invalid {
				t.Errorf("what does not fit: %v", err)
			}
		})
	}
}

func TestReferences(t *testing.T) {
	for _, c := range []struct {
		kind, base, name, text, value string
	}{
		{schema.Avro, `{"type":"enum","name":"Country","namespace":"geo","symbols":["DE","FR"]}`, "geo.Country",
			`{"type":"record","name":"P","fields":[{"name":"c","type":"geo.Country"}]}`, `{"c":"FR"}`},
		{schema.Protobuf, `syntax = "proto3"; package m; message Money { int64 cents = 1; }`, "m/money.proto",
			`syntax = "proto3"; import "m/money.proto"; message P { m.Money price = 1; }`, `{"price":{"cents":"5"}}`},
		{schema.JSONSchema, `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","required":["cents"]}`, "money.json",
			`{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"price":{"$ref":"money.json"}}}`, `{"price":{"cents":5}}`},
	} {
		t.Run(c.kind, func(t *testing.T) {
			cl := client(t)
			base, top := subject(t, "base"), subject(t, "value")
			if _, err := cl.Register(t.Context(), base, schema.Schema{Type: c.kind, Text: c.base}); err != nil {
				t.Fatal(err)
			}
			refs := []schema.Reference{{Name: c.name, Subject: base, Version: 1}}
			id, err := cl.Register(t.Context(), top, schema.Schema{Type: c.kind, Text: c.text, References: refs})
			if err != nil {
				t.Fatal(err)
			}
			s := schema.NewSchemas(cl, schema.Limits{})
			for name, ref := range map[string]schema.Ref{"latest": {Subject: top}, "id": {Subject: top, ID: id}} {
				encoded, used, err := s.Encode(t.Context(), nil, ref, []byte(c.value))
				if err != nil || used.ID != id {
					t.Fatalf("%s: %+v, %v", name, used, err)
				}
				if back, err := s.Decode(t.Context(), nil, encoded); err != nil || string(back) != c.value {
					t.Errorf("%s: %s, %v", name, back, err)
				}
			}
			if c.kind == schema.JSONSchema {
				if _, _, err := s.Encode(t.Context(), nil, schema.Ref{Subject: top}, []byte(`{"price":{}}`)); err == nil || err.Error() != "$.price: missing cents" {
					t.Errorf("what the referenced schema refuses: %v", err)
				}
			}
		})
	}
}
