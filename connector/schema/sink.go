package schema

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/backoff"
)

// How long a registry that is away is waited for between two attempts.
const (
	minRetry = 200 * time.Millisecond
	maxRetry = 10 * time.Second
)

// encodingSink writes records in a format with a schema to another sink. The records
// themselves stay as they are, so that a dead letter holds what was read.
type encodingSink struct {
	next    connector.Sink
	reg     *Registry
	formats Formats
	topic   string // of records that name none
	log     *slog.Logger
}

// NewEncodingSink returns a sink that writes to next what formats say, and closes next
// and reg with itself. topic is that of records that name none.
//
// A record that does not fit its schema is reported with an error of kind
// Invalid. A schema that is missing or broken is not the record's fault, nor
// is a registry that refuses: those errors are of kind Unknown. While the
// registry is away Write waits.
func NewEncodingSink(next connector.Sink, reg *Registry, formats Formats, topic string, log *slog.Logger) connector.Sink {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &encodingSink{next: next, reg: reg, formats: formats, topic: topic, log: log}
}

// Write implements connector.Sink.
func (s *encodingSink) Write(ctx context.Context, batch []*connector.Message, done func([]connector.Result)) {
	messages := make([]connector.Message, len(batch))
	good := make([]*connector.Message, 0, len(batch))
	var places []int               // of good in batch, once one is left out
	var results []connector.Result // likewise
	size := 0
	for _, m := range batch {
		size += len(m.Key) + len(m.Value) + 2*headerRoom
	}
	arena := make([]byte, 0, size)
	for i, m := range batch {
		messages[i] = *m
		var err error
		if arena, err = s.encode(ctx, arena, &messages[i]); err != nil {
			if results == nil {
				results = make([]connector.Result, len(batch))
				for k := range i {
					places = append(places, k)
				}
			}
			results[i] = connector.Result{Offset: -1, Err: err}
			continue
		}
		good = append(good, &messages[i])
		if results != nil {
			places = append(places, i)
		}
	}
	switch {
	case results == nil:
		s.next.Write(ctx, good, done)
	case len(good) == 0:
		done(results)
	default:
		s.next.Write(ctx, good, func(stored []connector.Result) {
			for i, r := range stored {
				results[places[i]] = r
			}
			done(results)
		})
	}
}

// headerRoom is what an encoded key or value may need beyond its JSON.
const headerRoom = 16

// encode replaces key and value of m; the bytes are appended to arena.
func (s *encodingSink) encode(ctx context.Context, arena []byte, m *connector.Message) ([]byte, error) {
	topic := m.Topic
	if topic == "" {
		topic = s.topic
	}
	var err error
	if kind := formatTypes[s.formats.KeyFormat]; kind != "" && m.Key != nil {
		ref := s.formats.KeySchema.ref(topic, true, kind)
		if arena, m.Key, err = s.key(ctx, arena, ref, m.Key); err != nil {
			return arena, prefixed("key", err)
		}
	}
	if kind := formatTypes[s.formats.ValueFormat]; kind != "" && m.Value != nil {
		ref := s.formats.ValueSchema.ref(topic, false, kind)
		if arena, m.Value, err = s.append(ctx, arena, ref, m.Value); err != nil {
			return arena, prefixed("value", err)
		}
	}
	return arena, nil
}

func prefixed(part string, err error) error {
	return connector.Errorf(connector.KindOf(err), "%s: %w", part, err)
}

// key encodes a key. Sources give a key that was a JSON string without its
// quotes, so what is no JSON, or not the JSON that the schema wants, is tried
// as a string.
func (s *encodingSink) key(ctx context.Context, arena []byte, ref Ref, key []byte) ([]byte, []byte, error) {
	out, encoded, err := s.append(ctx, arena, ref, key)
	if connector.KindOf(err) != connector.Invalid {
		return out, encoded, err
	}
	quoted, quoteErr := jsontext.AppendQuote(nil, key)
	if quoteErr != nil {
		return arena, nil, err
	}
	if out, encoded, again := s.append(ctx, arena, ref, quoted); again == nil {
		return out, encoded, nil
	}
	return arena, nil, err
}

// append encodes one value, waiting while the registry is away.
func (s *encodingSink) append(ctx context.Context, arena []byte, ref Ref, value []byte) ([]byte, []byte, error) {
	wait := minRetry
	for {
		start := len(arena)
		out, _, err := s.reg.Encode(ctx, arena, ref, value)
		if err == nil {
			return out, out[start:len(out):len(out)], nil
		}
		if !connector.KindOf(err).Retriable() || ctx.Err() != nil {
			return arena, nil, blame(err)
		}
		if wait == minRetry {
			s.log.Warn("the Schema Registry is away; records wait for it", "error", err)
		}
		if !backoff.Sleep(ctx, wait) {
			return arena, nil, err
		}
		wait = min(2*wait, maxRetry)
	}
}

// blame keeps the kind of errors that are the value's own. All others would
// bury record after record in the dead letters for what a person has to mend
// elsewhere.
func blame(err error) error {
	var invalid *SchemaError
	var refused *ResponseError
	if connector.KindOf(err) == connector.Unauthenticated || !errors.As(err, &invalid) && !errors.As(err, &refused) {
		return err
	}
	return connector.Errorf(connector.Unknown, "%w", err)
}

// InFlight passes on what the sink behind could do with.
func (s *encodingSink) InFlight() int {
	if next, ok := s.next.(interface{ InFlight() int }); ok {
		return next.InFlight()
	}
	return 0
}

// Close implements connector.Sink.
func (s *encodingSink) Close(ctx context.Context) error {
	return errors.Join(s.next.Close(ctx), s.reg.Close())
}
