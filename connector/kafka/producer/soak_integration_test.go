//go:build integration

package producer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/test/services"
)

// TestProducerFaults lets records flow to three brokers, replication 3 with two
// in sync, while these are killed, frozen and restarted in turn, replicas move
// and the topic grows, each at least once and for a minute at least. Then
// everything is read back: what was acknowledged is there once, what failed at
// most once, in the order of its writer. HEADRACE_SOAK goes on for that long.
func TestProducerFaults(t *testing.T) {
	length := time.Minute
	if text := os.Getenv("HEADRACE_SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	s := startSoak(t, rand.New(rand.NewPCG(seed, 0)))
	writers := make([]*soakWriter, 3)
	stop := make(chan struct{})
	var flow sync.WaitGroup
	for w := range writers {
		writers[w] = &soakWriter{id: w}
		flow.Go(func() { writers[w].run(t.Context(), s.p, stop) })
	}
	faults := map[string]func() error{
		"kill -9": s.kill, "freeze": s.freeze, "rolling restart": s.roll, "reassignment": s.reassign, "growth": s.grow,
	}
	for begin := time.Now(); time.Since(begin) < length && !t.Failed(); {
		for name, fault := range faults { // in any order
			from, before := time.Now(), writers[0].acked.Load()
			if err := fault(); err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
			t.Logf("%s: %s, %d records meanwhile", name, time.Since(from).Round(time.Millisecond), writers[0].acked.Load()-before)
		}
	}
	close(stop)
	flow.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := s.p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	s.check(t, writers)
}

type soak struct {
	kafka *services.KafkaCluster
	adm   *kadm.Client
	p     *Producer
	r     *rand.Rand
	parts int
}

const soakTopic = "soak"

func startSoak(t *testing.T, r *rand.Rand) *soak {
	t.Helper()
	k, stop, err := services.StartKafka(t.Context(), services.KafkaOptions{Brokers: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Bootstrap...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	s := &soak{kafka: k, adm: kadm.NewClient(cl), r: r, parts: 4}
	if _, err := s.adm.CreateTopic(t.Context(), int32(s.parts), 3, nil, soakTopic); err != nil {
		t.Fatal(err)
	}
	conf := clientConfig()
	conf.Metadata.RefreshFrequency = 10 * time.Second // to see added partitions soon
	client, err := sarama.NewClient(k.Bootstrap, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if s.p, err = New(DefaultConfig(client, soakTopic)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.p.Close(ctx) // a test that failed before its own
	})
	return s
}

func (s *soak) kill() error {
	n := s.r.IntN(3)
	s.kafka.Kill(n)
	time.Sleep(time.Duration(s.r.IntN(3000)) * time.Millisecond) // how long it is dead
	return s.kafka.Restart(context.Background(), n)
}

func (s *soak) freeze() error {
	n := s.r.IntN(3)
	if err := s.kafka.Pause(n); err != nil {
		return err
	}
	time.Sleep(time.Duration(1000+s.r.IntN(12000)) * time.Millisecond) // shorter and longer than its session
	return s.kafka.Resume(n)
}

func (s *soak) roll() error {
	for n := range 3 {
		if err := s.kafka.Restart(context.Background(), n); err != nil {
			return err
		}
	}
	return nil
}

// reassign gives each partition two replicas in a new order, then three.
func (s *soak) reassign() error {
	for _, n := range []int{2, 3} {
		var req kadm.AlterPartitionAssignmentsReq
		for part := range s.parts {
			var to []int32
			for _, b := range s.r.Perm(3)[:n] {
				to = append(to, int32(b+1))
			}
			req.Assign(soakTopic, int32(part), to)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for {
			resp, err := s.adm.AlterPartitionAssignments(ctx, req)
			if err == nil && resp.Error() == nil {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("%w (%w)", err, resp.Error())
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	return nil
}

func (s *soak) grow() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		resp, err := s.adm.CreatePartitions(ctx, 1, soakTopic)
		if err == nil {
			if err = resp[soakTopic].Err; err == nil {
				s.parts++
				return nil
			}
		}
		if ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// soakWriter writes numbered records and keeps what was reported of each.
type soakWriter struct {
	id    int
	acked atomic.Int64

	mu      sync.Mutex
	reports []int8 // by number: 0 none, 1 stored, 2 failed, 3 more than one
	errs    map[string]int
}

func (w *soakWriter) run(ctx context.Context, p *Producer, stop chan struct{}) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	w.errs = map[string]int{}
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		w.mu.Lock()
		from := len(w.reports)
		w.reports = append(w.reports, make([]int8, 40)...)
		w.mu.Unlock()
		batch := make([]*connector.Message, 40)
		for i := range batch {
			n := from + i
			batch[i] = &connector.Message{Partition: connector.AnyPartition, Key: fmt.Append(nil, n%97), Value: fmt.Appendf(nil, "%d/%d", w.id, n)}
		}
		p.Write(ctx, batch, func(rs []connector.Result) { w.report(from, rs) })
	}
}

func (w *soakWriter) report(from int, rs []connector.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, r := range rs {
		at := &w.reports[from+i]
		switch {
		case *at != 0:
			*at = 3
		case r.Err != nil:
			*at = 2
			w.errs[r.Err.Error()]++
		default:
			*at = 1
			w.acked.Add(1)
		}
	}
}

// check reads the topic back and compares.
func (s *soak) check(t *testing.T, writers []*soakWriter) {
	seen := make([][]int8, len(writers))
	for w := range writers {
		seen[w] = make([]int8, len(writers[w].reports))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	disorder := 0
	last := map[string]int{}
	err := s.readBack(ctx, func(r *kgo.Record) {
		var w, n int
		if _, err := fmt.Sscanf(string(r.Value), "%d/%d", &w, &n); err != nil {
			t.Errorf("a record %q that nobody wrote", r.Value)
			return
		}
		seen[w][n]++
		at := fmt.Sprint(r.Partition, w)
		if before, ok := last[at]; ok && before >= n && writers[w].reports[n] == 1 {
			disorder++
		}
		last[at] = n
	})
	if err != nil {
		t.Fatal(err)
	}
	total, failed := 0, 0
	for w, writer := range writers {
		for n, report := range writer.reports {
			total++
			if report == 2 {
				failed++
			}
			if report == 0 || report == 3 || report == 1 && seen[w][n] != 1 || report == 2 && seen[w][n] > 1 {
				t.Errorf("record %d/%d: report %d, stored %d times", w, n, report, seen[w][n])
			}
		}
		for err, n := range writer.errs {
			t.Errorf("%d records failed within two minutes: %s", n, err)
		}
	}
	t.Logf("%d records, %d failed, %d out of order", total, failed, disorder)
	if disorder > 0 {
		t.Errorf("%d records out of order", disorder)
	}
}

func (s *soak) readBack(ctx context.Context, each func(*kgo.Record)) error {
	ends, err := s.adm.ListEndOffsets(ctx, soakTopic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return err
	}
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			from[o.Partition], left[o.Partition] = kgo.NewOffset().At(0), o.Offset
		}
	})
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Bootstrap...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{soakTopic: from}))
	if err != nil {
		return err
	}
	defer cl.Close()
	for len(left) > 0 {
		fetched := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("read %s: %w; left %v", soakTopic, ctx.Err(), left)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			each(r)
			if r.Offset >= left[r.Partition]-1 {
				delete(left, r.Partition)
			}
		})
	}
	return nil
}
