package producer

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
)

// entry is one record of a writer and what was reported of it.
type entry struct {
	partition int32
	reports   atomic.Int32
	result    connector.Result
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
			if before, ok := last[pl.w]; ok && e.result.Err == nil && before >= pl.i && !m.plan.plain {
				bad("partition %d: record %v after %d of the same writer", part, pl, before)
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
			case m.plan.plain && len(copies) > 0:
				continue
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
