package kafka

import (
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
)

// ProducerSettings are the delivery keys of an exporter block.
type ProducerSettings struct {
	Acks              string `mapstructure:"acks" enum:"all,-1,0,1" doc:"acknowledgements a record needs; default all"`
	CompressionType   string `mapstructure:"compression_type" enum:"none,gzip,snappy,lz4,zstd" doc:"compression of the batches; default none"`
	CompressionLevel  *int   `mapstructure:"compression_level" doc:"level of the codec; default the codec's own"`
	Idempotence       *bool  `mapstructure:"idempotence" doc:"no doubles from retries; default true"`
	Transactional     bool   `mapstructure:"transactional" doc:"write in Kafka transactions"`
	TransactionalID   string `mapstructure:"transactional_id" doc:"name of the transactions; needed with transactional, must be unique to the writer"`
	MaxMessageBytes   int    `mapstructure:"max_message_bytes" doc:"largest record; default 1048576"`
	DeliveryTimeoutMS int    `mapstructure:"delivery_timeout_ms" doc:"longest time a record is retried; default 120000"`
	Partitioner       string `mapstructure:"partitioner" enum:"default,murmur2,sticky,round_robin,consistent,consistent_random,explicit" doc:"how records without a partition are placed; default by the key as Java's clients do, without key sticky"`
	StickyBytes       int    `mapstructure:"partitioner_sticky_bytes" doc:"records without a key change partition after so many bytes, or after 10 ms when fewer come; default 16384"`
}

// Defaults of the delivery keys.
const (
	DefaultMaxMessageBytes   = 1 << 20
	DefaultDeliveryTimeoutMS = 120_000
	DefaultStickyBytes       = 16 << 10
)

// DefaultProducerSettings are the values set before decoding: acks=all,
// idempotent, order kept per key.
func DefaultProducerSettings() ProducerSettings {
	return ProducerSettings{
		Acks:              "all",
		CompressionType:   "none",
		MaxMessageBytes:   DefaultMaxMessageBytes,
		DeliveryTimeoutMS: DefaultDeliveryTimeoutMS,
		Partitioner:       "default",
		StickyBytes:       DefaultStickyBytes,
	}
}

// levels are the compression levels each codec knows.
var levels = map[string][2]int{"gzip": {1, 9}, "zstd": {1, 22}, "lz4": {1, 12}}

// Validate reports every fault of the delivery keys.
func (p *ProducerSettings) Validate() []connector.Fault {
	var f faults
	acks, ok := p.acks()
	if !ok {
		f.add("acks", "must be all, -1, 0 or 1")
	}
	if ok && acks != -1 && p.Idempotence != nil && *p.Idempotence {
		f.add("acks", "must be all when idempotence is true; remove one of the two")
	}
	codec := strings.ToLower(p.CompressionType)
	if _, ok := p.compression(); !ok {
		f.add("compression_type", "must be none, gzip, snappy, lz4 or zstd")
	} else if p.CompressionLevel != nil {
		lim, has := levels[codec]
		switch {
		case !has:
			f.add("compression_level", "compression_type %s has no levels; remove it", orDefault(codec, "none"))
		case *p.CompressionLevel < lim[0] || *p.CompressionLevel > lim[1]:
			f.add("compression_level", "must be between %d and %d for %s", lim[0], lim[1], codec)
		}
	}
	if p.Transactional {
		if p.TransactionalID == "" {
			f.add("transactional_id", "is missing; transactional needs a name that no other writer uses")
		}
		if ok && acks != -1 {
			f.add("acks", "must be all with transactional")
		}
		if p.Idempotence != nil && !*p.Idempotence {
			f.add("idempotence", "cannot be false with transactional")
		}
	} else if p.TransactionalID != "" {
		f.add("transactional_id", "has no effect without transactional: true")
	}
	if p.MaxMessageBytes < 0 || p.MaxMessageBytes > 1<<30 {
		f.add("max_message_bytes", "must be between 1 and 1073741824")
	}
	if p.DeliveryTimeoutMS < 0 || p.DeliveryTimeoutMS > 86_400_000 {
		f.add("delivery_timeout_ms", "must be between 1 and 86400000 ms")
	}
	if !oneOf(strings.ToLower(p.Partitioner), "", "default", "murmur2", "sticky", "round_robin", "consistent", "consistent_random", "explicit") {
		f.add("partitioner", "must be default, murmur2, sticky, round_robin, consistent, consistent_random or explicit")
	}
	if p.StickyBytes < 0 || p.StickyBytes > 1<<30 {
		f.add("partitioner_sticky_bytes", "must be between 1 and 1073741824")
	}
	return f
}

// idempotent is true unless it is switched off or acks forbids it.
func (p *ProducerSettings) idempotent() bool {
	if p.Idempotence != nil {
		return *p.Idempotence
	}
	acks, _ := p.acks()
	return acks == -1
}

func (p *ProducerSettings) acks() (n int16, ok bool) {
	switch strings.ToLower(strings.TrimSpace(p.Acks)) {
	case "", "all", "-1":
		return -1, true
	case "0":
		return 0, true
	case "1":
		return 1, true
	}
	return 0, false
}

func (p *ProducerSettings) compression() (sarama.CompressionCodec, bool) {
	switch strings.ToLower(p.CompressionType) {
	case "", "none":
		return sarama.CompressionNone, true
	case "gzip":
		return sarama.CompressionGZIP, true
	case "snappy":
		return sarama.CompressionSnappy, true
	case "lz4":
		return sarama.CompressionLZ4, true
	case "zstd":
		return sarama.CompressionZSTD, true
	}
	return 0, false
}

func (p *ProducerSettings) compressionLevel() int {
	if p.CompressionLevel == nil {
		return sarama.CompressionLevelDefault
	}
	return *p.CompressionLevel
}

func (p *ProducerSettings) deliveryTimeout() time.Duration {
	return time.Duration(positive(p.DeliveryTimeoutMS, DefaultDeliveryTimeoutMS)) * time.Millisecond
}

// faults collects what is wrong.
type faults []connector.Fault

func (f *faults) add(path, format string, args ...any) {
	*f = append(*f, connector.Fault{Path: path, Message: fmt.Sprintf(format, args...)})
}

func oneOf(v string, set ...string) bool {
	for _, s := range set {
		if v == s {
			return true
		}
	}
	return false
}

func orDefault(v, def string) string {
	if v == "" {
		return def
	}
	return v
}

func positive(v, def int) int {
	if v <= 0 {
		return def
	}
	return v
}
