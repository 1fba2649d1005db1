package schema

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/schema/avro"
)

// Limits bound what Schemas keeps. Zero values mean the defaults.
type Limits struct {
	MaxSchemas int           // entries of each cache (1000)
	MaxBytes   int           // about the memory of each cache (64 MiB)
	LatestTTL  time.Duration // how long the latest version is taken for it (10 s)
	KnownTTL   time.Duration // how long another answer is not asked for again (10 min)
	MissingTTL time.Duration // how long an unknown id is taken for unknown (10 s)
}

func (l Limits) withDefaults() Limits {
	if l.MaxSchemas <= 0 {
		l.MaxSchemas = 1000
	}
	if l.MaxBytes <= 0 {
		l.MaxBytes = 64 << 20
	}
	for d, def := range map[*time.Duration]time.Duration{&l.LatestTTL: 10 * time.Second, &l.KnownTTL: 10 * time.Minute, &l.MissingTTL: 10 * time.Second} {
		if *d <= 0 {
			*d = def
		}
	}
	return l
}

// Schemas encodes and decodes with the schemas of a registry. It is safe for
// concurrent use.
type Schemas struct {
	client *Client
	limits Limits
	refs   *cache[Ref, *resolved]
	ids    *cache[idKey, *compiled]
	calls  singleflight.Group
}

type idKey struct {
	id      int
	message string
}

// compiled is a schema by its id.
type compiled struct {
	schema Schema
	codec  codec
	weight int
	err    error // of an id that the registry does not know
}

// resolved is what a Ref stands for.
type resolved struct {
	codec  codec
	used   Used
	weight int
}

// NewSchemas returns the schemas of client's registry.
func NewSchemas(client *Client, limits Limits) *Schemas {
	limits = limits.withDefaults()
	return &Schemas{client: client, limits: limits,
		refs: newCache[Ref, *resolved](limits.MaxSchemas, limits.MaxBytes),
		ids:  newCache[idKey, *compiled](limits.MaxSchemas, limits.MaxBytes)}
}

// Client returns the registry's client.
func (s *Schemas) Client() *Client { return s.client }

// Encode appends the wire format of a JSON value to dst.
//
// An error with a *SchemaError in its chain is the schema's fault, one with a
// *ResponseError or of a kind other than Invalid the registry's; any other of
// kind Invalid is the value's, or says that ref makes no sense. dst comes back
// as it was.
func (s *Schemas) Encode(ctx context.Context, dst []byte, ref Ref, value []byte) ([]byte, Used, error) {
	r, err := s.resolve(ctx, ref)
	if err != nil {
		return dst, Used{}, err
	}
	out, err := r.codec.Encode(appendHeader(dst, r.used.ID), value)
	if err != nil {
		return dst, r.used, err
	}
	return out, r.used, nil
}

// Decode appends the JSON of bytes in the wire format to dst.
func (s *Schemas) Decode(ctx context.Context, dst, encoded []byte) ([]byte, error) {
	id, data, err := Split(encoded)
	if err != nil {
		return dst, err
	}
	c, err := s.byID(ctx, idKey{id: id})
	if err != nil {
		return dst, err
	}
	out, err := c.codec.Decode(dst, data)
	if err != nil {
		return dst, connector.Errorf(connector.KindOf(err), "%s schema %d: %w", c.schema.Type, id, err)
	}
	return out, nil
}

// Resolve finds the schema of ref, so that faults show before the first record.
func (s *Schemas) Resolve(ctx context.Context, ref Ref) (Used, error) {
	r, err := s.resolve(ctx, ref)
	if err != nil {
		return Used{}, err
	}
	return r.used, nil
}

func (s *Schemas) resolve(ctx context.Context, ref Ref) (*resolved, error) {
	old, fresh, ok := s.refs.get(ref)
	if fresh {
		return old, nil
	}
	v, err := s.shared(ctx, ref.key(), func(ctx context.Context) (any, error) {
		return s.find(ctx, ref)
	})
	switch {
	case err == nil:
		return v.(*resolved), nil
	case ok && connector.KindOf(err).Retriable():
		// The registry is away: what was good is good enough, and the next
		// record does not wait for it again.
		s.refs.put(ref, old, old.weight+len(ref.Text), s.limits.LatestTTL)
		return old, nil
	default:
		return nil, err
	}
}

// shared runs f once for all who ask for key meanwhile. It goes on when one of
// them leaves; the client bounds its time.
func (s *Schemas) shared(ctx context.Context, key string, f func(context.Context) (any, error)) (any, error) {
	done := s.calls.DoChan(key, func() (any, error) { return f(context.WithoutCancel(ctx)) })
	select {
	case r := <-done:
		return r.Val, r.Err
	case <-ctx.Done():
		return nil, connector.Errorf(connector.Unavailable, "schema registry: %w", ctx.Err())
	}
}

func (s *Schemas) find(ctx context.Context, ref Ref) (*resolved, error) {
	if r, fresh, _ := s.refs.get(ref); fresh {
		return r, nil // another call ended just before this one began
	}
	var r *resolved
	var err error
	ttl := s.limits.KnownTTL
	switch {
	case ref.Text != "":
		r, err = s.byText(ctx, ref)
	case ref.ID != 0:
		r, err = s.bySubject(ctx, ref)
	default:
		r, err = s.byVersion(ctx, ref)
		if ref.Version == Latest {
			ttl = s.limits.LatestTTL
		}
	}
	if err != nil {
		return nil, err
	}
	if a, ok := r.codec.(*avro.Schema); ok && ref.Plain {
		r.codec = plainAvro{a}
	}
	s.refs.put(ref, r, r.weight+len(ref.Text), ttl)
	return r, nil
}

// byID returns the compiled schema with an id. It never changes, so it is kept
// as long as there is room.
func (s *Schemas) byID(ctx context.Context, key idKey) (*compiled, error) {
	if c, fresh, _ := s.ids.get(key); fresh {
		return c, c.err
	}
	v, err := s.shared(ctx, fmt.Sprintf("id %d %s", key.id, key.message), func(ctx context.Context) (any, error) {
		if c, fresh, _ := s.ids.get(key); fresh {
			return c, c.err
		}
		schema, err := s.client.ByID(ctx, key.id)
		if err == nil {
			return s.keep(ctx, key, schema)
		}
		if connector.KindOf(err) == connector.NotFound {
			s.ids.put(key, &compiled{err: err}, 512, s.limits.MissingTTL)
		}
		return nil, err
	})
	if err != nil {
		return nil, err
	}
	return v.(*compiled), nil
}

// keep compiles the schema of an id, unless that was done.
func (s *Schemas) keep(ctx context.Context, key idKey, schema Schema) (*compiled, error) {
	if c, fresh, _ := s.ids.get(key); fresh && c.err == nil {
		return c, nil
	}
	codec, weight, err := compile(ctx, s.client, schema, key.message)
	if err != nil {
		return nil, err
	}
	c := &compiled{schema: schema, codec: codec, weight: weight}
	s.ids.put(key, c, weight, 0)
	return c, nil
}

// bySubject finds the schema of ref.ID and its version under the subject.
func (s *Schemas) bySubject(ctx context.Context, ref Ref) (*resolved, error) {
	c, err := s.byID(ctx, idKey{ref.ID, ref.Message})
	if err == nil {
		err = ref.check(c.schema.Type)
	}
	if err != nil {
		return nil, err
	}
	subject, err := ref.subject(c.codec.Name())
	if err != nil {
		return nil, err
	}
	found, err := s.client.Lookup(ctx, subject, c.schema)
	if err != nil {
		return nil, fmt.Errorf("schema id %d: %w", ref.ID, err)
	}
	return &resolved{c.codec, Used{c.schema.Type, subject, ref.ID, found.Version}, c.weight}, nil
}

// byVersion finds a version of the subject.
func (s *Schemas) byVersion(ctx context.Context, ref Ref) (*resolved, error) {
	if ref.Subject == "" && ref.Strategy != "" && ref.Strategy != TopicName {
		return nil, connector.Errorf(connector.Invalid, "subject name strategy %s needs a schema or its id: the record's name is in it", ref.Strategy)
	}
	subject, err := ref.subject("")
	if err != nil {
		return nil, err
	}
	found, err := s.client.Version(ctx, subject, ref.Version)
	if err == nil {
		err = ref.check(found.Type)
	}
	if err != nil {
		return nil, err
	}
	c, err := s.keep(ctx, idKey{found.ID, ref.Message}, found.Schema)
	if err != nil {
		return nil, err
	}
	return &resolved{c.codec, Used{found.Type, subject, found.ID, found.Version}, c.weight}, nil
}

// byText finds a schema under the subject by its text, and registers it when
// it is not there.
func (s *Schemas) byText(ctx context.Context, ref Ref) (*resolved, error) {
	schema := Schema{Type: ref.Type, Text: ref.Text}
	schema.normal()
	codec, weight, err := compile(ctx, s.client, schema, ref.Message)
	if err != nil {
		return nil, err
	}
	subject, err := ref.subject(codec.Name())
	if err != nil {
		return nil, err
	}
	found, err := s.client.Lookup(ctx, subject, schema)
	if connector.KindOf(err) == connector.NotFound && !ref.LookupOnly {
		var id int
		if id, err = s.client.Register(ctx, subject, schema); err == nil {
			found, err = s.client.Lookup(ctx, subject, schema)
			found.ID = id
		}
	}
	if err != nil {
		return nil, err
	}
	return &resolved{codec, Used{schema.Type, subject, found.ID, found.Version}, weight}, nil
}
