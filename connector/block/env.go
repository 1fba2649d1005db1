// Package block is what the connector of a pipeline's block and the pipeline
// say to each other: what a connector is given when it is opened, and what its
// configuration takes from the project and declares that it uses.
package block

import (
	"io"
	"log/slog"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
)

// Env is given to a connector when it is made.
type Env struct {
	Pipeline, Block string
	Log             *slog.Logger
	// Stream is set when the pipeline runs without end.
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
