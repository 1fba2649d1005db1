// Package plugin is what a source or a sink is given by the pipeline that it
// belongs to.
package plugin

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
)

// Env is given to a connector when it is made.
type Env struct {
	Pipeline, Block string
	Log             *slog.Logger
	// Checkpoint keeps the source's position; nil keeps none.
	Checkpoint Checkpoint
	// Stream is set when the pipeline runs without end. A source whose input
	// grows (a topic) goes on; without it the source ends where the input ended
	// when the run began. When the input of a stream has ended, the position
	// stays, so that a later run reads only what was added; any other run that
	// ended starts again from the beginning.
	Stream bool
	// Dir is the folder that relative paths start from; "" is the current one.
	Dir    string
	Stdin  io.Reader
	Stdout io.Writer
	// Metrics returns where the metrics of a block's connector go; nil when
	// nobody looks. See Registerer.
	Metrics func(block string) prometheus.Registerer
	// Progress is told how far the source is, some times a second at most; nil
	// when nobody looks.
	Progress func(Progress)
	// Ended is called by End; nil when nobody waits for it.
	Ended func()
}

// End is called by a source that has published all it will, before it waits for
// the acknowledgements: no record waits any longer for its batch to fill.
func (e *Env) End() {
	if e.Ended != nil {
		e.Ended()
	}
}

// Checkpoint stores a source's position. Save replaces what was there and is
// durable when it returns; Load returns nil when there is none; saving nil
// clears it.
type Checkpoint interface {
	Load(ctx context.Context) ([]byte, error)
	Save(ctx context.Context, position []byte) error
}

// Progress is how far a source is, in bytes of its input as stored.
type Progress struct {
	Done  int64
	Total int64 // 0: not known
}

// Registerer takes the metrics of a connector, under the name of the block or of
// a part of it; it is nil when nobody looks. A connector takes out what it put
// in when it is closed.
func (e *Env) Registerer(block string) prometheus.Registerer {
	if e.Metrics == nil {
		return nil
	}
	return e.Metrics(block)
}

// Path returns path as seen from Dir.
func (e *Env) Path(path string) string {
	if path == "" || e.Dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(e.Dir, path)
}
