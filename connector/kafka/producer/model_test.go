package producer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/headrace/headrace/connector"
)

// TestModel runs random schedules of faults against the model of what is
// promised: per partition the log holds every acknowledged record exactly
// once, at the offset that was reported and in the order of its writer; a
// failed record is there at most once; every record is reported exactly once.
//
// HEADRACE_MODEL_TIME=3m runs longer, HEADRACE_MODEL_SEED=n runs one seed.
// docs/delivery.md lists the mistakes that were put into the producer to see
// the model find them.
func TestModel(t *testing.T) {
	if s := os.Getenv("HEADRACE_MODEL_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 { // goroutines interleave differently each time
			newModel(seed).run(t)
		}
		return
	}
	length := modelTime
	if s := os.Getenv("HEADRACE_MODEL_TIME"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	var seed, faults, records atomic.Uint64
	seed.Store(uint64(time.Now().UnixNano()))
	first, end := seed.Load(), time.Now().Add(length)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) + 1 {
		wg.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				m := newModel(seed.Add(1))
				m.run(t)
				faults.Add(m.faults.Load())
				records.Add(uint64(m.total))
			}
		})
	}
	wg.Wait()
	t.Logf("%d seeds, %d records, %d faults", seed.Load()-first, records.Load(), faults.Load())
	if faults.Load() == 0 {
		t.Error("no fault was injected")
	}
}

// model is one schedule.
type model struct {
	seed    uint64
	plan    plan
	cluster *kfake.Cluster
	total   int

	mu   sync.Mutex
	rng  *rand.Rand
	seen map[string]bool // batches that the broker was given before
	// what to do with the request being handled, by partition
	verdicts map[int32]*kerr.Error
	faults   atomic.Uint64
	calm     atomic.Bool // connections neither break nor stall any more
	conns    map[*faultyConn]struct{}
}

// plan is what a seed draws once.
type plan struct {
	brokers, partitions, writers, writes, most int

	errors    float64 // chance of an error in a partition's answer
	drops     float64 // chance that a connection breaks before a request or an answer
	delays    float64
	late      float64 // chance that a request waits in the broker while its connection breaks and a retry overtakes it
	moves     float64 // chance that a leader moves, each half millisecond
	plain     bool    // not idempotent: at least once is all that is promised
	fatal     bool    // errors that fail records
	sequences bool    // errors that make a new epoch
	timeout   time.Duration
	closing   bool // close in the middle
	config    Config
}

func newModel(seed uint64) *model {
	r := rand.New(rand.NewPCG(seed, 1))
	pl := plan{
		brokers: 1 + r.IntN(3), partitions: 1 + r.IntN(3), writers: 1 + r.IntN(3), writes: 5 + r.IntN(40), most: 1 + r.IntN(12),
		errors: r.Float64() * .3, drops: r.Float64() * .1, delays: r.Float64() * .3,
		fatal: r.IntN(3) == 0, sequences: r.IntN(2) == 0,
		timeout: time.Minute, closing: r.IntN(8) == 0,
	}
	if r.IntN(4) == 0 {
		pl.timeout = time.Duration(5+r.IntN(60)) * time.Millisecond
	}
	if r.IntN(2) == 0 {
		pl.late = r.Float64() * .05
	}
	if r.IntN(2) == 0 {
		pl.moves = r.Float64() * .2
	}
	pl.plain = r.IntN(8) == 0
	pl.config.MaxInFlight = 1 + r.IntN(12) // the producer must not go over five
	pl.config.MaxRequestsPerBroker = 1 + r.IntN(12)
	pl.config.BatchRecords = 1 + r.IntN(20)
	pl.config.BufferBytes = 1 << (12 + r.IntN(10))
	pl.config.MaxMessageBytes = 2000
	pl.config.Compression = sarama.CompressionCodec(r.IntN(2) * int(sarama.CompressionLZ4))
	return &model{seed: seed, plan: pl, rng: r, seen: make(map[string]bool), conns: make(map[*faultyConn]struct{})}
}

// chance draws from the seed; the order of draws depends on the goroutines.
func (m *model) chance(p float64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rng.Float64() < p
}

func (m *model) run(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(m.plan.brokers), kfake.SeedTopics(int32(m.plan.partitions), "t"), kfake.ListenFn(m.listen))
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	m.cluster = c
	m.rig()
	conf := clientConfig()
	conf.Metadata.Retry.Max = 20
	conf.Metadata.Retry.Backoff = time.Millisecond
	cl, err := sarama.NewClient(c.ListenAddrs(), conf)
	for err != nil {
		cl, err = sarama.NewClient(c.ListenAddrs(), conf) // connections drop from the start
	}
	defer cl.Close()

	cfg := DefaultConfig(cl, "t")
	own := m.plan.config
	cfg.MaxInFlight, cfg.MaxRequestsPerBroker, cfg.BatchRecords = own.MaxInFlight, own.MaxRequestsPerBroker, own.BatchRecords
	cfg.BufferBytes, cfg.MaxMessageBytes, cfg.Compression = own.BufferBytes, own.MaxMessageBytes, own.Compression
	cfg.DeliveryTimeout, cfg.Idempotent = m.plan.timeout, !m.plan.plain
	cfg.retryBackoff = 200 * time.Microsecond
	p, err := New(cfg)
	if err != nil {
		t.Error(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	logs := m.write(ctx, p)
	if err := p.Close(ctx); err != nil {
		t.Errorf("seed %d: close: %v\n%+v", m.seed, err, m.plan)
		return
	}
	m.check(t, logs)
	if p.memory.free != p.cfg.BufferBytes {
		t.Errorf("seed %d: %d of %d bytes free at the end\n%+v", m.seed, p.memory.free, p.cfg.BufferBytes, m.plan)
	}
}

// write lets every writer write its records, and returns when all are handed
// over. Leaders move meanwhile.
func (m *model) write(ctx context.Context, p *Producer) [][]*entry {
	logs := make([][]*entry, m.plan.writers)
	var writers sync.WaitGroup
	for w := range logs {
		r := rand.New(rand.NewPCG(m.seed, uint64(w)+2))
		writers.Go(func() {
			for range m.plan.writes {
				logs[w] = append(logs[w], m.writeOne(ctx, p, w, len(logs[w]), r)...)
				if r.IntN(6) == 0 {
					time.Sleep(time.Duration(r.IntN(1500)) * time.Microsecond) // part of the schedule: let queues drain
				}
			}
		})
	}
	stop := make(chan struct{})
	var chaos sync.WaitGroup
	chaos.Go(func() { m.chaos(p, stop) })
	writers.Wait()
	if !m.plan.closing {
		_ = p.Flush(ctx) // Close reports it
	}
	close(stop)
	chaos.Wait()
	for _, log := range logs {
		m.total += len(log)
	}
	return logs
}

func (m *model) writeOne(ctx context.Context, p *Producer, w, from int, r *rand.Rand) []*entry {
	n := 1 + r.IntN(m.plan.most)
	batch := make([]*connector.Message, n)
	entries := make([]*entry, n)
	for i := range batch {
		entries[i] = &entry{partition: int32(r.IntN(m.plan.partitions))}
		batch[i] = &connector.Message{Partition: entries[i].partition, Value: fmt.Appendf(nil, "%d/%d", w, from+i)}
		if r.IntN(20) == 0 {
			batch[i].Key = make([]byte, r.IntN(1500))
		}
	}
	p.Write(ctx, batch, func(rs []connector.Result) {
		for i, res := range rs {
			entries[i].result = res
			entries[i].reports.Add(1)
		}
	})
	return entries
}

func (m *model) chaos(p *Producer, stop chan struct{}) {
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if m.chance(m.plan.moves) {
			m.faults.Add(1)
			m.mu.Lock()
			part, node := int32(m.rng.IntN(m.plan.partitions)), int32(m.rng.IntN(m.plan.brokers))
			m.mu.Unlock()
			_ = m.cluster.MoveTopicPartition("t", part, node)
		}
		if m.plan.closing && n == 20 {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
			_ = p.Close(ctx) // the check is what became of the records
			cancel()
		}
	}
}
