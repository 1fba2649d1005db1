package producer

import (
	"log/slog"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
)

// Config is what a Producer needs. Zero numbers mean the defaults named here;
// start from DefaultConfig, because a false Idempotent and a zero Acks are
// meant as they stand.
type Config struct {
	Client sarama.Client // shared; its configuration and brokers are used, it is not closed
	Topic  string        // for messages without one

	Acks                 int16 // -1 all in-sync replicas, 1 the leader, 0 nobody
	Compression          sarama.CompressionCodec
	CompressionLevel     int  // 0 and sarama.CompressionLevelDefault: the codec's own
	Idempotent           bool // no doubles, no reordering by retries; forces Acks to -1
	TransactionalID      string
	TransactionTimeout   time.Duration // default 1 min
	MaxInFlight          int           // batches a partition counted from the oldest unfinished; default 5, at most 5 when idempotent
	BatchBytes           int           // default 1 MiB
	BatchRecords         int           // default 16384, also the most
	Linger               time.Duration // 0: at once when nothing is in flight to the broker, else with the next answer or after 5 ms
	DeliveryTimeout      time.Duration // default 120 s
	MetadataTimeout      time.Duration // how long an unknown topic is asked for; default 4 s
	BufferBytes          int64         // memory of unfinished records, bookkeeping included; default 48 MiB
	Partitioner          Partitioner   // default Murmur2
	StickyBytes          int           // records without a key change partition after so many; default 16 KiB
	MaxMessageBytes      int           // largest batch before compression; default 1 MiB
	MaxRequestsPerBroker int           // in flight on one connection; default 5
	Metrics              *Metrics      // shared with other producers; nil: a set that nobody sees
	Log                  *slog.Logger

	retryBackoff time.Duration // first wait before a retry; tests shorten it
	refreshEvery time.Duration // how often the topics in use are looked at
}

// DefaultConfig returns the safe settings: acks all, idempotent.
func DefaultConfig(client sarama.Client, topic string) Config {
	return Config{
		Client: client, Topic: topic,
		Acks: -1, Idempotent: true, CompressionLevel: sarama.CompressionLevelDefault,
	}
}

const (
	mostRecords  = 16384
	windowLimit  = 5 // batches a broker remembers for a producer and partition (KIP-98)
	groupWait    = 5 * time.Millisecond
	chunkRecords = 1024
)

func (c *Config) complete() error {
	if c.Client == nil {
		return connector.Errorf(connector.Invalid, "create a producer: no client given")
	}
	if c.Acks < -1 || c.Acks > 1 {
		return connector.Errorf(connector.Invalid, "create a producer: acks %d; use -1, 0 or 1", c.Acks)
	}
	if c.TransactionalID != "" && !c.Idempotent {
		return connector.Errorf(connector.Invalid, "create a producer: transactions need idempotence; leave it on")
	}
	if c.Compression < sarama.CompressionNone || c.Compression > sarama.CompressionZSTD {
		return connector.Errorf(connector.Invalid, "create a producer: compression codec %d; use 0 to 4", int(c.Compression))
	}
	if c.CompressionLevel == 0 {
		c.CompressionLevel = sarama.CompressionLevelDefault
	}
	if c.Compression == sarama.CompressionGZIP && c.CompressionLevel != sarama.CompressionLevelDefault &&
		(c.CompressionLevel < -3 || c.CompressionLevel > 9) {
		return connector.Errorf(connector.Invalid, "create a producer: gzip level %d; use 1 to 9", c.CompressionLevel)
	}
	orInt(&c.MaxInFlight, windowLimit)
	orInt(&c.MaxRequestsPerBroker, 5)
	orInt(&c.MaxMessageBytes, 1<<20)
	orInt(&c.BatchBytes, 1<<20)
	orInt(&c.StickyBytes, 16<<10)
	orInt(&c.BatchRecords, mostRecords)
	orDuration(&c.TransactionTimeout, time.Minute)
	orDuration(&c.DeliveryTimeout, 2*time.Minute)
	orDuration(&c.MetadataTimeout, 4*time.Second)
	orDuration(&c.retryBackoff, 25*time.Millisecond)
	orDuration(&c.refreshEvery, 5*time.Second)
	if c.BufferBytes <= 0 {
		c.BufferBytes = 48 << 20
	}
	c.BatchBytes = min(c.BatchBytes, c.MaxMessageBytes)
	c.BatchRecords = min(c.BatchRecords, mostRecords)
	// One record of the largest size must always fit into the buffer.
	c.BufferBytes = max(c.BufferBytes, 2*int64(c.MaxMessageBytes+recordOverhead))
	switch {
	case c.Idempotent:
		c.Acks = -1
		c.MaxInFlight = min(c.MaxInFlight, windowLimit)
	case c.Acks != 0:
		// Without sequence numbers a retry overtakes what is in flight.
		c.MaxInFlight = 1
	}
	if c.Partitioner == nil {
		c.Partitioner = Murmur2
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

func orInt(v *int, def int) {
	if *v <= 0 {
		*v = def
	}
}

func orDuration(v *time.Duration, def time.Duration) {
	if *v <= 0 {
		*v = def
	}
}
