//go:build integration

package producer

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
)

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
