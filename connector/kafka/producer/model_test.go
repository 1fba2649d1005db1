package producer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net"
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
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/headrace/headrace/connector"
)

// TestModel runs random schedules of faults against the model of what is
// promised: per partition the log holds every acknowledged record exactly
// once, at the offset that was reported and in the order of its writer; a
// failed record is there at most once; every record is reported exactly once.
//
// HEADRACE_MODEL_TIME=3m runs longer, HEADRACE_MODEL_SEED=n runs one seed.
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
	length := 12 * time.Second
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
}

// plan is what a seed draws once.
type plan struct {
	brokers, partitions, writers, writes, most int

	errors    float64 // chance of an error in a partition's answer
	drops     float64 // chance that a connection breaks before a request or an answer
	delays    float64
	moves     bool // of leaders
	fatal     bool // errors that fail records
	sequences bool // errors that make a new epoch
	timeout   time.Duration
	closing   bool // close in the middle
	config    Config
}

func newModel(seed uint64) *model {
	r := rand.New(rand.NewPCG(seed, 1))
	pl := plan{
		brokers: 1 + r.IntN(3), partitions: 1 + r.IntN(3), writers: 1 + r.IntN(3), writes: 5 + r.IntN(40), most: 1 + r.IntN(12),
		errors: r.Float64() * .3, drops: r.Float64() * .1, delays: r.Float64() * .3,
		moves: r.IntN(2) == 0, fatal: r.IntN(3) == 0, sequences: r.IntN(2) == 0,
		timeout: time.Minute, closing: r.IntN(8) == 0,
	}
	if r.IntN(4) == 0 {
		pl.timeout = time.Duration(5+r.IntN(60)) * time.Millisecond
	}
	pl.config.MaxInFlight = 1 + r.IntN(5)
	pl.config.MaxRequestsPerBroker = 1 + r.IntN(6)
	pl.config.BatchRecords = 1 + r.IntN(20)
	pl.config.BufferBytes = 1 << (12 + r.IntN(10))
	pl.config.MaxMessageBytes = 2000
	pl.config.Compression = sarama.CompressionCodec(r.IntN(2) * int(sarama.CompressionLZ4))
	return &model{seed: seed, plan: pl, rng: r, seen: make(map[string]bool)}
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
	cfg.DeliveryTimeout = m.plan.timeout
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
}

// entry is one record of a writer and what was reported of it.
type entry struct {
	partition int32
	reports   atomic.Int32
	result    connector.Result
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
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if m.plan.moves && m.chance(.2) {
			m.faults.Add(1)
			m.mu.Lock()
			part, node := int32(m.rng.IntN(m.plan.partitions)), int32(m.rng.IntN(m.plan.brokers))
			m.mu.Unlock()
			_ = m.cluster.MoveTopicPartition("t", part, node)
		}
		if m.plan.closing && n == 5 {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
			_ = p.Close(ctx) // the check is what became of the records
			cancel()
		}
	}
}

// Errors that say that nothing was stored, errors after which something is,
// errors that fail records, and errors about sequences.
var (
	modelRetry    = []*kerr.Error{kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition, kerr.KafkaStorageError, kerr.CorruptMessage, kerr.UnknownServerError, kerr.BrokerNotAvailable}
	modelStored   = []*kerr.Error{kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut}
	modelFatal    = []*kerr.Error{kerr.TopicAuthorizationFailed, kerr.MessageTooLarge, kerr.InvalidRecord, kerr.PolicyViolation, kerr.RecordListTooLarge}
	modelSequence = []*kerr.Error{kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch, kerr.InvalidProducerIDMapping}
)

// rig installs the faults: a control draws what happens to each partition of a
// request, and one fault for each error carries it out inside the broker.
func (m *model) rig() {
	onProduce(m.cluster, func(req *kmsg.ProduceRequest) (kmsg.Response, error, bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.verdicts = make(map[int32]*kerr.Error)
		for _, rt := range req.Topics {
			for i := range rt.Partitions {
				rp := &rt.Partitions[i]
				ownProducer(rp)
				m.draw(rp)
			}
		}
		return nil, nil, false
	})
	for part := range int32(m.plan.partitions) {
		for _, list := range [][]*kerr.Error{modelRetry, modelStored, modelFatal, modelSequence} {
			for _, e := range list {
				m.cluster.Fault(kfake.Fault{
					Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{part}, Err: e, Count: -1,
					When: func(kmsg.Request) bool {
						m.mu.Lock()
						defer m.mu.Unlock()
						return m.verdicts[part] == e
					},
				})
			}
		}
	}
}

// draw decides on one batch.
func (m *model) draw(rp *kmsg.ProduceRequestTopicPartition) {
	// A broker never calls a stored batch out of sequence or refuses it, so
	// those errors are only for batches that it sees for the first time.
	id := fmt.Sprintf("%d %x", rp.Partition, rp.Records[43:57])
	first := !m.seen[id]
	m.seen[id] = true
	if m.rng.Float64() >= m.plan.errors {
		return
	}
	m.faults.Add(1)
	pick := func(es []*kerr.Error) { m.verdicts[rp.Partition] = es[m.rng.IntN(len(es))] }
	switch k := m.rng.IntN(10); {
	case k < 2 && first && m.plan.sequences:
		pick(modelSequence)
	case k == 2 && first && m.plan.fatal:
		pick(modelFatal)
	case k < 6:
		pick(modelStored)
	default:
		pick(modelRetry)
	}
}

// ownProducer gives each partition a producer id of its own inside the broker:
// kfake keeps one epoch for a producer, Kafka one for a producer and partition.
func ownProducer(rp *kmsg.ProduceRequestTopicPartition) {
	id := binary.BigEndian.Uint64(rp.Records[43:])
	binary.BigEndian.PutUint64(rp.Records[43:], id&(1<<56-1)|uint64(rp.Partition+1)<<56)
	crc := crc32.Checksum(rp.Records[21:], crc32.MakeTable(crc32.Castagnoli))
	binary.BigEndian.PutUint32(rp.Records[17:], crc)
}

// listen makes connections that break and stall, before requests are read and
// before answers are written.
func (m *model) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	return &faultyListener{Listener: l, m: m}, err
}

type faultyListener struct {
	net.Listener
	m *model
}

func (l *faultyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: c, m: l.m}, nil
}

type faultyConn struct {
	net.Conn
	m *model
	n atomic.Int32 // calls; the first ones are left alone, so that connecting succeeds
}

var errCut = errors.New("cut by the test")

func (c *faultyConn) fault() error {
	if c.n.Add(1) < 6 {
		return nil
	}
	if !c.m.calm.Load() && c.m.chance(c.m.plan.drops) {
		c.m.faults.Add(1)
		_ = c.Conn.Close()
		return errCut
	}
	return nil
}

func (c *faultyConn) Read(b []byte) (int, error) {
	if err := c.fault(); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *faultyConn) Write(b []byte) (int, error) {
	if !c.m.calm.Load() && c.m.chance(c.m.plan.delays) {
		time.Sleep(time.Duration(1+len(b)%7) * 300 * time.Microsecond) // a slow answer is part of the schedule
	}
	if err := c.fault(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// check compares the logs of the partitions with the reports.
func (m *model) check(t *testing.T, logs [][]*entry) {
	bad := func(format string, args ...any) {
		t.Errorf("seed %d (HEADRACE_MODEL_SEED=%d replays it): %s\n%+v", m.seed, m.seed, fmt.Sprintf(format, args...), m.plan)
	}
	m.calm.Store(true) // what is read back comes over the same connections
	type place struct{ w, i int }
	at := make(map[place][]*kgo.Record)
	for part, rs := range stored(t, m.cluster, "t") {
		last := make(map[int]int)
		for _, r := range rs {
			var pl place
			if _, err := fmt.Sscanf(string(r.Value), "%d/%d", &pl.w, &pl.i); err != nil {
				bad("a record %q that nobody wrote", r.Value)
				return
			}
			at[pl] = append(at[pl], r)
			e := logs[pl.w][pl.i]
			if e.partition != part {
				bad("record %v in partition %d, want %d", pl, part, e.partition)
			}
			if before, ok := last[pl.w]; ok && e.result.Err == nil {
				if before >= pl.i {
					bad("partition %d: record %v after %d of the same writer", part, pl, before)
				}
			}
			if e.result.Err == nil {
				last[pl.w] = pl.i
			}
		}
	}
	for w, log := range logs {
		for i, e := range log {
			pl := place{w, i}
			copies := at[pl]
			switch {
			case e.reports.Load() != 1:
				bad("record %v reported %d times", pl, e.reports.Load())
			case e.result.Err != nil && len(copies) > 1:
				bad("record %v failed (%v) and is stored %d times", pl, e.result.Err, len(copies))
			case e.result.Err == nil && len(copies) != 1:
				bad("record %v acknowledged and stored %d times", pl, len(copies))
			case e.result.Err == nil && e.result.Offset != -1 && e.result.Offset != copies[0].Offset:
				bad("record %v reported at %d, stored at %d", pl, e.result.Offset, copies[0].Offset)
			case e.result.Err != nil && !m.mayFail():
				bad("record %v failed: %v", pl, e.result.Err)
			default:
				continue
			}
			return
		}
	}
}

// mayFail reports whether the plan holds something that fails records.
func (m *model) mayFail() bool {
	return m.plan.fatal || m.plan.closing || m.plan.timeout < time.Minute || m.plan.errors > .1
}
