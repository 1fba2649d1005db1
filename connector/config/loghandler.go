package config

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/headrace/headrace/internal/redact"
)

// Handler returns a handler that masks messages and attributes before next
// sees them. Attributes given to Logger.With are masked with the secrets known
// at that time.
func (m *Masker) Handler(next slog.Handler) slog.Handler {
	return &maskingHandler{masker: m, next: next}
}

type maskingHandler struct {
	masker *Masker
	next   slog.Handler
}

func (h *maskingHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *maskingHandler) Handle(ctx context.Context, record slog.Record) error {
	masked := slog.NewRecord(record.Time, record.Level, h.masker.Mask(record.Message), record.PC)
	record.Attrs(func(a slog.Attr) bool {
		masked.AddAttrs(h.masker.attr(a))
		return true
	})
	return h.next.Handle(ctx, masked)
}

func (h *maskingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	masked := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		masked[i] = h.masker.attr(a)
	}
	return &maskingHandler{masker: h.masker, next: h.next.WithAttrs(masked)}
}

func (h *maskingHandler) WithGroup(name string) slog.Handler {
	return &maskingHandler{masker: h.masker, next: h.next.WithGroup(name)}
}

func (m *Masker) attr(a slog.Attr) slog.Attr {
	a.Value = m.value(a.Value.Resolve())
	return a
}

func (m *Masker) value(v slog.Value) slog.Value {
	switch v.Kind() {
	case slog.KindString:
		return slog.StringValue(m.Mask(v.String()))
	case slog.KindGroup:
		attrs := v.Group()
		masked := make([]slog.Attr, len(attrs))
		for i, a := range attrs {
			masked[i] = m.attr(a)
		}
		return slog.GroupValue(masked...)
	case slog.KindAny:
		return m.anyValue(v)
	default: // numbers, times and durations: a secret number is masked too
		if text := v.String(); m.Mask(text) != text {
			return slog.StringValue(redact.Mask)
		}
		return v
	}
}

// anyValue keeps a value that shows no secret in either of the two ways that
// handlers print values, and replaces any other by its masked text.
func (m *Masker) anyValue(v slog.Value) slog.Value {
	switch a := v.Any().(type) {
	case error:
		return slog.StringValue(m.Mask(a.Error()))
	case []byte:
		return slog.StringValue(m.Mask(string(a)))
	}
	text := fmt.Sprintf("%+v", v.Any())
	masked := m.Mask(text)
	if masked != text {
		return slog.StringValue(masked)
	}
	if encoded, err := json.Marshal(v.Any()); err == nil {
		if m.Mask(string(encoded)) != string(encoded) {
			return slog.StringValue(m.Mask(string(encoded)))
		}
	}
	return v
}
