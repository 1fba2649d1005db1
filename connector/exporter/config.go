// Package exporter is the one stage in front of every sink: it batches,
// bounds what is in flight, retries where the sink's client does not, sends
// what can never be delivered to the dead letters, and tells the giver of each
// record what became of it. It knows neither doors nor protocols.
package exporter

import (
	"log/slog"
	"time"
	"unsafe"

	"github.com/headrace/headrace/connector"
)

// Batching are the keys of an exporter block that this stage owns.
type Batching struct {
	BatchSize        int                `mapstructure:"batch_size" doc:"records per batch"`
	TimeoutMS        int                `mapstructure:"timeout_ms" doc:"the longest a record waits for its batch to fill, in ms"`
	MaxInFlightBytes connector.ByteSize `mapstructure:"max_in_flight_bytes" doc:"records accepted and not acknowledged, with what is kept to know their fate (224 bytes each); at the bound reading waits. The default grows, to 36MiB, with the Kafka partitions in use; a value of your own stays"`
}

// Mage's defaults for the first two keys, with the meaning that their names have.
const (
	DefaultBatchSize = 100
	DefaultTimeoutMS = 500
)

// DefaultBatching returns Mage's values.
func DefaultBatching() Batching {
	return Batching{BatchSize: DefaultBatchSize, TimeoutMS: DefaultTimeoutMS, MaxInFlightBytes: DefaultInFlightBytes}
}

// Validate reports values that cannot work.
func (b *Batching) Validate() []connector.Fault {
	var faults []connector.Fault
	if b.BatchSize < 1 || b.BatchSize > maxBatchSize {
		faults = append(faults, connector.Fault{Path: "batch_size", Message: "must be between 1 and 100000 records"})
	}
	if b.TimeoutMS < 0 || b.TimeoutMS > 600_000 {
		faults = append(faults, connector.Fault{Path: "timeout_ms", Message: "must be between 0 and 600000 ms"})
	}
	if b.MaxInFlightBytes < minInFlightBytes || b.MaxInFlightBytes > maxInFlightBytes {
		faults = append(faults, connector.Fault{Path: "max_in_flight_bytes", Message: "must be between 64KiB and 48MiB"})
	}
	return faults
}

// DefaultInFlightBytes is the bound of what one exporter holds between
// accepting a record and knowing its fate: the bytes of the records and
// RecordOverhead for each. The process needs about five times as much, since
// the source keeps its blocks and the sink's client its batches and requests.
const DefaultInFlightBytes = 8 << 20

// RecordOverhead is what a record takes next to its key, value and headers: the
// message itself, its places in the source's batch and in ours, and its result.
const RecordOverhead = int(unsafe.Sizeof(connector.Message{}) + 2*unsafe.Sizeof(uintptr(0)) + unsafe.Sizeof(connector.Result{}))

// The limits of the keys. Sources hold a little more than the largest
// max_in_flight_bytes themselves (package records), so that all of it counts.
const (
	maxBatchSize     = 100_000
	minInFlightBytes = 64 << 10
	maxInFlightBytes = 48 << 20
)

// Config says how an Exporter treats its sink.
type Config struct {
	BatchSize  int           // records a Write; 0 means DefaultBatchSize
	Linger     time.Duration // how long an incomplete batch waits; 0 sends at once
	Concurrent bool          // the sink allows concurrent calls of Write

	// DeadLetter takes records that can never be delivered; nil fails them.
	DeadLetter connector.Sink
	// DeadLetterTopics also dead-letters records whose topic does not exist or
	// is denied. Without it only records that are wrong by themselves are.
	DeadLetterTopics bool
	// Origin is written into the headers of dead letters.
	Origin Origin

	// MaxBytes bounds what is in flight; 0 means DefaultInFlightBytes. A record
	// that is larger goes alone.
	MaxBytes int

	Log *slog.Logger
}

// Origin names where a dead letter was going.
type Origin struct {
	Pipeline, Block string
	Topic           string // the sink's own topic, for messages without one
}
