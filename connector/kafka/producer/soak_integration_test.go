//go:build integration

package producer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

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
	begin := time.Now()
	for round := 0; time.Since(begin) < length && !t.Failed(); round++ {
		for name, fault := range faults { // in any order
			if round > 0 && time.Since(begin) >= length {
				break
			}
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
