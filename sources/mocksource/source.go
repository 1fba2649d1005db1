// Package mocksource makes records at an interval, for trying a pipeline
// without data. Its keys are those of Gravitee's mock endpoint.
package mocksource

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/plugin"
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
func New(cfg Config, env plugin.Env) connector.Source {
	return connector.SourceFunc(func(ctx context.Context, out connector.Publisher) error {
		m := &maker{cfg: cfg, out: out}
		err := m.run(ctx)
		env.End()
		m.wg.Wait()
		return errors.Join(err, m.failure)
	})
}

type maker struct {
	cfg Config
	out connector.Publisher
	wg  sync.WaitGroup

	mu      sync.Mutex
	failure error
}

func (m *maker) run(ctx context.Context) error {
	var tick <-chan time.Time
	n := int64(perBatch)
	if m.cfg.Interval > 0 {
		t := time.NewTicker(time.Duration(m.cfg.Interval) * time.Millisecond)
		defer t.Stop()
		tick, n = t.C, 1
	}
	for made := int64(0); ctx.Err() == nil && !m.failed(); made += n {
		if m.cfg.Count > 0 {
			n = min(n, m.cfg.Count-made)
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
		if err := m.publish(ctx, made, int(n)); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func (m *maker) publish(ctx context.Context, first int64, n int) error {
	slab := make([]connector.Message, n)
	batch := make([]*connector.Message, n)
	for i := range slab {
		slab[i] = connector.Message{Partition: connector.AnyPartition, Value: []byte(m.cfg.Content), Seq: first + int64(i), Ack: m.ack}
		if m.cfg.Key != "" {
			slab[i].Key = []byte(m.cfg.Key)
		}
		batch[i] = &slab[i]
	}
	m.wg.Add(n)
	err := m.out.Publish(ctx, batch)
	if err != nil {
		m.wg.Add(-n)
	}
	return err
}

func (m *maker) ack(_ *connector.Message, r connector.Result) {
	if r.Outcome == connector.Failed {
		m.mu.Lock()
		if m.failure == nil {
			m.failure = r.Err
		}
		m.mu.Unlock()
	}
	m.wg.Done()
}

func (m *maker) failed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failure != nil
}
