package connector

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind classifies an error. The kind alone decides whether a retry can help,
// the metric label, and the HTTP status and REST error code.
type Kind uint8

// The kinds of error.
const (
	Unknown         Kind = iota // not classified; not retried
	Invalid                     // the record or request itself is wrong
	TooLarge                    // over a size limit of the destination
	Unauthenticated             // the destination refused our credentials: no record can pass
	Denied                      // authorisation refused this record or request
	NotFound                    // no such topic, partition, queue …
	Throttled                   // the destination asks to slow down; retried
	Unavailable                 // the destination cannot be reached now; retried
)

// String returns the metric label of the kind.
func (k Kind) String() string {
	switch k {
	case Invalid:
		return "invalid"
	case TooLarge:
		return "too_large"
	case Unauthenticated:
		return "unauthenticated"
	case Denied:
		return "denied"
	case NotFound:
		return "not_found"
	case Throttled:
		return "throttled"
	case Unavailable:
		return "unavailable"
	default:
		return "unknown"
	}
}

// Retriable reports whether the same attempt may succeed later.
func (k Kind) Retriable() bool { return k == Throttled || k == Unavailable }

// Permanent reports whether the record can never be delivered as it is, so
// that it belongs into a dead letter.
func (k Kind) Permanent() bool {
	return k == Invalid || k == TooLarge || k == Denied || k == NotFound
}

// Error is the one error type that crosses package borders with a meaning.
type Error struct {
	Kind       Kind
	RetryAfter time.Duration // how long the destination asked to wait; 0 if it did not say
	Err        error
}

// Error returns the wrapped error's text.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the wrapped error.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an Error of the kind with a formatted text; %w wraps. How long a
// wrapped Error asks to wait is kept.
func Errorf(kind Kind, format string, args ...any) error {
	out := &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
	var wrapped *Error
	if errors.As(out.Err, &wrapped) {
		out.RetryAfter = wrapped.RetryAfter
	}
	return out
}

// KindOf returns the kind of the outermost Error in err's chain. Deadlines and
// cancellations that were not classified are Unavailable.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Unavailable
	default:
		return Unknown
	}
}
