// Package mocksource makes records at an interval, for trying a pipeline
// without data. Its keys are those of Gravitee's mock endpoint.
package mocksource

import (
	"context"
	"time"
	"unsafe"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
)

// Config are the keys of a mock block.
type Config struct {
	Interval int    `mapstructure:"message_interval" doc:"ms between two messages; 0 makes them as fast as they are taken"`
	Content  string `mapstructure:"message_content" doc:"value of each message"`
	Count    int64  `mapstructure:"message_count" doc:"how many messages; 0 goes on without end"`
	Key      string `mapstructure:"message_key" doc:"key of each message"`
}

// DefaultConfig returns the values of keys that are not written.
func DefaultConfig() Config { return Config{Interval: 1000, Content: "mock message"} }

// Validate reports values that cannot work.
func (c *Config) Validate() []connector.Fault {
	var faults []connector.Fault
	if c.Interval < 0 {
		faults = append(faults, connector.Fault{Path: "message_interval", Message: "must be 0 or more"})
	}
	if c.Count < 0 {
		faults = append(faults, connector.Fault{Path: "message_count", Message: "must be 0 or more"})
	}
	return faults
}

// perBatch is how many messages are made at once without an interval.
const perBatch = 500

// New returns a Source that makes messages.
func New(cfg Config, _ block.Env) connector.Source {
	return connector.SourceFunc(func(ctx context.Context, _ connector.Start, out connector.Output) error {
		var tick <-chan time.Time
		n := int64(perBatch)
		if cfg.Interval > 0 {
			t := time.NewTicker(time.Duration(cfg.Interval) * time.Millisecond)
			defer t.Stop()
			tick, n = t.C, 1
		}
		for made := int64(0); ctx.Err() == nil; made += n {
			if cfg.Count > 0 {
				n = min(n, cfg.Count-made)
			}
			if n == 0 {
				return nil
			}
			if tick != nil && made > 0 {
				select {
				case <-tick:
				case <-ctx.Done():
					return nil
				}
			}
			if err := out.Publish(ctx, cfg.batch(made, int(n))); err != nil && ctx.Err() == nil {
				return err
			}
		}
		return nil
	})
}

func (c *Config) batch(first int64, n int) connector.Batch {
	slab := make([]connector.Message, n)
	batch := make([]*connector.Message, n)
	for i := range slab {
		slab[i] = connector.Message{Partition: connector.AnyPartition, Value: []byte(c.Content), Seq: first + int64(i)}
		if c.Key != "" {
			slab[i].Key = []byte(c.Key)
		}
		batch[i] = &slab[i]
	}
	return connector.Batch{Messages: batch, Bytes: n * (len(c.Content) + len(c.Key) + int(unsafe.Sizeof(slab[0])))}
}
