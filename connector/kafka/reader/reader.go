// Package reader reads records for callers that ask for them: by position,
// without any state kept between two reads, and as a member of a consumer
// group whose positions are kept until it is closed. Nothing is fetched before
// it is asked for, so an idle consumer costs a heartbeat and no buffers.
package reader

import (
	"context"
	"log/slog"
	"time"

	"github.com/headrace/headrace/connector/kafka/broker"
	"github.com/headrace/headrace/connector/kafka/group"
)

// What callers name: partitions, records, stored positions.
type (
	TP        = broker.TP
	Record    = broker.Record
	Committed = group.Committed
)

// Positions that stand for an offset the broker knows.
const (
	Earliest = broker.Earliest
	Latest   = broker.Latest
)

const (
	// fetchBytes is the most that is asked for at once. Compressed batches may
	// hold many times that, so large answers are made of several requests.
	fetchBytes = 1 << 20
	// fetchSlice is the longest wait of one request: changes of what to read
	// are seen after it.
	fetchSlice = 500 * time.Millisecond
)

// inLog is how much of the log may be needed for so many bytes of keys and
// values: headers and framing come on top.
func inLog(bytes int) int32 { return int32(min(max(bytes+bytes/4, 64<<10), fetchBytes)) }

// Reader reads from one cluster with one identity, on connections of its own.
// It is safe for concurrent use.
type Reader struct {
	conns *broker.Conns
	log   *slog.Logger
}

// New returns a Reader on the cluster. It needs no network.
func New(c broker.Cluster, log *slog.Logger) *Reader {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Reader{conns: broker.New(c), log: log}
}

// Close closes the unused connections. Consumers are closed by their owners
// before.
func (r *Reader) Close() error { return r.conns.Close() }

// OffsetAt returns the offset of the first record at or behind a time in
// milliseconds since the epoch, or of Earliest or Latest. When no record is
// that young it is the end of the log.
func (r *Reader) OffsetAt(ctx context.Context, tp TP, at int64) (int64, error) {
	return r.conns.OffsetAt(ctx, tp, at)
}

// NewRoster returns the roster of a group, on the Reader's connections. It
// needs no network.
func (r *Reader) NewRoster(id string) *group.Roster { return group.NewRoster(r.conns, id, r.log) }
