package producer

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/headrace/headrace/connector"
)

// TestAllocations bounds what a record costs once pools are warm: at most a
// tenth of an allocation, the broker in this process included.
func TestAllocations(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(3, "t"), kfake.BlackholeProduce())
	p := start(t, c, "t", nil)
	for name, key := range map[string][]byte{"no key": nil, "key": []byte("key")} {
		t.Run(name, func(t *testing.T) {
			ms := make([]*connector.Message, 5000)
			for i := range ms {
				ms[i] = &connector.Message{Partition: connector.AnyPartition, Key: key, Value: make([]byte, 100)}
				if key != nil {
					ms[i].Key = []byte{byte(i), byte(i >> 8)}
				}
			}
			report := func([]connector.Result) {}
			allocs := testing.AllocsPerRun(20, func() {
				p.Write(context.Background(), ms, report)
				if err := p.Flush(context.Background()); err != nil {
					t.Fatal(err)
				}
			})
			if each := allocs / float64(len(ms)); each > 0.1 {
				t.Errorf("%.3f allocations a record, want at most 0.1", each)
			}
		})
	}
}

// FuzzBatch sends records of any shape and compares what another
// implementation decodes from the wire with what was written.
func FuzzBatch(f *testing.F) {
	f.Add([]byte("key"), []byte("value"), "header", []byte("x"), int64(1_700_000_000_000), int64(5), uint8(3), uint8(0))
	f.Add([]byte(nil), []byte(nil), "", []byte(nil), int64(0), int64(-1), uint8(40), uint8(1))
	f.Add([]byte{}, []byte{}, "h", []byte{}, int64(9_000_000_000_000), int64(200), uint8(255), uint8(7))
	c := broker(f, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	wire := make(chan []byte, 100)
	onProduce(c, func(req *kmsg.ProduceRequest) (kmsg.Response, error, bool) {
		wire <- req.Topics[0].Partitions[0].Records
		return nil, nil, false
	})
	p := start(f, c, "t", nil)
	f.Fuzz(func(t *testing.T, key, value []byte, name string, header []byte, ms, step int64, n, nils uint8) {
		batch := make([]*connector.Message, 1+int(n))
		for i := range batch {
			at := (ms&(1<<43-1) + int64(i)*(step%1000)) & (1<<43 - 1)
			m := &connector.Message{Key: key, Value: value, Time: time.UnixMilli(at)}
			if nils&1 != 0 && i%2 == 0 {
				m.Key = nil
			}
			if nils&2 != 0 && i%3 == 0 {
				m.Value = nil
			}
			if nils&4 != 0 {
				m.Headers = []connector.Header{{Key: name, Value: header}, {Key: name}}
			}
			batch[i] = m
		}
		rs := send(t, p, batch...)
		if rs[0].Err != nil {
			t.Fatal(rs[0].Err)
		}
		for from := 0; from < len(batch); {
			from += compareWire(t, <-wire, batch[from:])
		}
	})
}

// compareWire checks one batch off the wire against the messages it begins
// with and returns how many it held.
func compareWire(t *testing.T, raw []byte, want []*connector.Message) int {
	t.Helper()
	var b kmsg.RecordBatch
	if err := b.ReadFrom(raw); err != nil {
		t.Fatal(err)
	}
	size := batchHeader
	rest := b.Records
	var latest int64
	for i := range int(b.NumRecords) {
		var r kmsg.Record
		if err := r.ReadFrom(rest); err != nil {
			t.Fatal(err)
		}
		rest = rest[len(r.AppendTo(nil)):]
		m := want[i]
		size += recordSize(m)
		if !bytes.Equal(r.Key, m.Key) || (r.Key == nil) != (m.Key == nil) || !bytes.Equal(r.Value, m.Value) || (r.Value == nil) != (m.Value == nil) {
			t.Fatalf("record %d: %q=%q, want %q=%q", i, r.Key, r.Value, m.Key, m.Value)
		}
		if at := b.FirstTimestamp + r.TimestampDelta64; at != m.Time.UnixMilli() || int(r.OffsetDelta) != i {
			t.Fatalf("record %d: time %d, offset %d", i, at, r.OffsetDelta)
		}
		latest = max(latest, m.Time.UnixMilli())
		if len(r.Headers) != len(m.Headers) {
			t.Fatalf("record %d: %d headers, want %d", i, len(r.Headers), len(m.Headers))
		}
		for k, h := range r.Headers {
			if h.Key != m.Headers[k].Key || !bytes.Equal(h.Value, m.Headers[k].Value) || (h.Value == nil) != (m.Headers[k].Value == nil) {
				t.Fatalf("record %d: header %+v, want %+v", i, h, m.Headers[k])
			}
		}
	}
	if len(rest) != 0 || b.MaxTimestamp != latest || int(b.LastOffsetDelta) != int(b.NumRecords)-1 {
		t.Fatalf("batch: %d bytes left, max time %d, last offset %d", len(rest), b.MaxTimestamp, b.LastOffsetDelta)
	}
	if len(raw) > size {
		t.Fatalf("%d bytes on the wire, estimated at most %d", len(raw), size)
	}
	return int(b.NumRecords)
}
