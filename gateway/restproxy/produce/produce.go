// Package produce is the writing half of the Kafka REST Proxy: v3 records
// (single, streamed and batched) and v2 records, answered only after the
// destination acknowledged them.
//
// It is the hot path of the HTTP door. A request costs one pooled batch, one
// Publish, one wait and one write; no goroutine and no reflection a record.
package produce

import (
	"context"
	"net/http"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// Config bounds the produce endpoints. Zero values mean the defaults.
type Config struct {
	// Route returns where the records of a cluster go: id is the cluster id of
	// a v3 path, "" for v2 and so for the default cluster. An error is the
	// answer to the request. Called for each request, so it must be cheap.
	//
	// The original echoes the id and does not verify it; with one cluster that
	// is OneCluster. With several, an unknown id should be an error.
	Route func(ctx context.Context, id string) (connector.Publisher, error)

	// AckTimeout is the longest wait for an acknowledgement (30 s). What is
	// not acknowledged by then is answered as a retriable failure, although it
	// may still arrive. The destination's own limits should be shorter.
	AckTimeout time.Duration
	// MaxRecords bounds one v2 request (100000).
	MaxRecords int
	// MaxBatchEntries bounds records:batch (10), as
	// api.v3.produce.batch.maximum.entries.
	MaxBatchEntries int
	// MaxRecordBytes bounds one record of a v3 stream (10 MiB), as
	// api.v3.produce.request.size.limit.max.bytes.
	MaxRecordBytes int
	// StreamMax is the longest life of a v3 stream (24 h) and StreamGrace how
	// long it stays open after the element that says so (500 ms), as
	// streaming.connection.max.duration.ms and its grace period.
	StreamMax, StreamGrace time.Duration
	// DefaultFormat is the v2 format of a body that is plain
	// application/json: "binary" or "json". With it a body of text/plain or
	// application/octet-stream is taken as well, as the value of one record.
	// Empty refuses all three, as the original.
	DefaultFormat string
	// Schemas serves the formats with a Schema Registry; nil refuses them.
	Schemas Schemas
	// FailedStatus answers 207 instead of 200 where records of a v2 request
	// failed. The original always answers 200. A request may choose with
	// failed_status=207 or 200.
	FailedStatus bool
	// Metadata lets v2 records have headers and a timestamp, which the
	// original refuses as unknown fields. A request may choose with
	// metadata=true or false.
	Metadata bool
	// NullIsTombstone writes null data of a format with a schema as Kafka's
	// null instead of asking the schema
	// (null.request.body.always.publishes.empty.record).
	NullIsTombstone bool
	// Limit reports whether one more v3 record may be produced to a cluster
	// now; the record is answered with a 429 element otherwise. Nil is no limit.
	Limit func(cluster string, bytes int) bool
}

// OneCluster routes every request to p, whatever cluster id it names.
func OneCluster(p connector.Publisher) func(context.Context, string) (connector.Publisher, error) {
	return func(context.Context, string) (connector.Publisher, error) { return p, nil }
}

func (c Config) withDefaults() Config {
	set := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	wait := func(v *time.Duration, def time.Duration) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&c.MaxRecords, 100_000)
	set(&c.MaxBatchEntries, 10)
	set(&c.MaxRecordBytes, 10<<20)
	wait(&c.AckTimeout, 30*time.Second)
	wait(&c.StreamMax, 24*time.Hour)
	wait(&c.StreamGrace, 500*time.Millisecond)
	return c
}

// Handler serves the produce endpoints.
type Handler struct {
	cfg  Config
	pool batchPool
}

// New returns a Handler; cfg.Route is required.
func New(cfg Config) *Handler {
	return &Handler{cfg: cfg.withDefaults()}
}

// Header values that never change, shared to spare their allocation.
func contentType(h http.Header, value *[1]string) { h["Content-Type"] = value[:] }

var (
	typeJSON = [1]string{wire.JSON}
	typeV2   = [1]string{wire.V2}
)
