// Package bounded ends the wait for calls of the Kafka client, which know no
// context.
package bounded

import "context"

// Call returns what f does, or ctx's error when ctx ends first. Then f goes on
// in the background, and its answer is dropped: f must end by itself, as the
// client's calls do by their network timeouts, and whoever may be given up on
// often bounds how many run.
func Call[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	answers := make(chan answer, 1) // f never waits for a caller that left
	go func() {
		v, err := f()
		answers <- answer{v, err}
	}()
	select {
	case a := <-answers:
		return a.v, a.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}

// Do is Call without a result.
func Do(ctx context.Context, f func() error) error {
	_, err := Call(ctx, func() (struct{}, error) { return struct{}{}, f() })
	return err
}
