package bounded

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestCallReturnsTheAnswer(t *testing.T) {
	if v, err := Call(t.Context(), func() (int, error) { return 7, nil }); v != 7 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
	refused := errors.New("refused")
	if err := Do(t.Context(), func() error { return refused }); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
}

// TestCallEndsWithItsContext: the caller goes when its context ends, and the
// goroutine of the call ends later, with nobody to take its answer; the bubble
// fails when one is left.
func TestCallEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began, release := make(chan struct{}), make(chan struct{})
		go func() { <-began; cancel() }()
		v, err := Call(ctx, func() (int, error) {
			close(began)
			<-release
			return 7, nil
		})
		if v != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("got %d, %v", v, err)
		}
		close(release)
	})
}
