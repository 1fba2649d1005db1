package main

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/app"
	"github.com/headrace/headrace/pipelines"
)

// TestAReaderThatStoppedDoesNotHoldUpTheEnd prints a line that nobody takes.
func TestAReaderThatStoppedDoesNotHoldUpTheEnd(t *testing.T) {
	reader, out := io.Pipe()
	defer reader.Close() // ends the write that is left behind
	hard, stop := context.WithCancel(t.Context())
	v := &progress{out: out, hard: hard, once: app.NewOnce(&pipelines.Project{}, app.Env{Hard: hard}), mask: func(s string) string { return s }}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		v.Finished("p", time.Second, nil)
	}()
	stop()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("still waiting for the reader")
	}
}
