package producer

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
)

// TestRoundTrip writes records of every shape in every mode and reads them
// back as they were, where the results said.
func TestRoundTrip(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_123)
	var big []*connector.Message
	for i := range 3000 { // more than one chunk and more than one slab
		big = append(big, &connector.Message{Partition: int32(i % 3), Value: fmt.Appendf(nil, "value %d", i), Time: at.Add(time.Duration(i%50) * time.Millisecond)})
	}
	shapes := []*connector.Message{
		{Partition: 0, Key: []byte("k"), Value: []byte("v"), Time: at},
		{Partition: 0, Key: nil, Value: nil, Time: at.Add(-time.Hour)},
		{Partition: 0, Key: []byte{}, Value: []byte{}, Time: at.Add(time.Hour)},
		{Partition: 2, Value: []byte("h"), Time: at, Headers: []connector.Header{
			{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("2")}, {Key: "null"}, {Key: "", Value: []byte{}},
		}},
	}
	modes := map[string]func(*Config){
		"idempotent": func(*Config) {},
		"acks all":   func(c *Config) { c.Idempotent = false },
		"acks 1":     func(c *Config) { c.Idempotent, c.Acks = false, 1 },
		"gzip":       func(c *Config) { c.Compression, c.CompressionLevel = sarama.CompressionGZIP, 9 },
		"snappy":     func(c *Config) { c.Compression = sarama.CompressionSnappy },
		"lz4":        func(c *Config) { c.Compression = sarama.CompressionLZ4 },
		"zstd":       func(c *Config) { c.Compression, c.CompressionLevel = sarama.CompressionZSTD, 3 },
	}
	for name, change := range modes {
		t.Run(name, func(t *testing.T) {
			c := broker(t, kfake.NumBrokers(3), kfake.SeedTopics(3, "t"))
			p := start(t, c, "t", change)
			all := append(append([]*connector.Message(nil), shapes...), big...)
			results := send(t, p, all...)
			back := stored(t, c, "t")
			total := 0
			for _, rs := range back {
				total += len(rs)
			}
			if total != len(all) {
				t.Fatalf("%d records stored, want %d", total, len(all))
			}
			for i, r := range results {
				if r.Err != nil {
					t.Fatalf("record %d: %v", i, r.Err)
				}
				sameRecord(t, all[i], r, back[r.Partition][r.Offset])
			}
		})
	}
}

func sameRecord(t *testing.T, m *connector.Message, r connector.Result, got *kgo.Record) {
	t.Helper()
	if m.Partition >= 0 && r.Partition != m.Partition {
		t.Errorf("partition %d, want %d", r.Partition, m.Partition)
	}
	if r.Timestamp != m.Time.UnixMilli() || got.Timestamp.UnixMilli() != m.Time.UnixMilli() {
		t.Errorf("timestamp %d reported, %d stored, want %d", r.Timestamp, got.Timestamp.UnixMilli(), m.Time.UnixMilli())
	}
	if r.Offset != got.Offset {
		t.Errorf("offset %d, want %d", r.Offset, got.Offset)
	}
	var hs []connector.Header
	for _, h := range got.Headers {
		hs = append(hs, connector.Header{Key: h.Key, Value: h.Value})
	}
	want := []any{m.Key, m.Value, m.Headers}
	if diff := cmp.Diff(want, []any{got.Key, got.Value, hs}); diff != "" {
		t.Errorf("record differs (-want +got):\n%s", diff)
	}
}

func TestAcksZeroHasNoOffset(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	p := start(t, c, "t", func(c *Config) { c.Idempotent, c.Acks = false, 0 })
	for _, r := range send(t, p, message("a"), message("b")) {
		if r.Err != nil || r.Offset != -1 || r.Timestamp == 0 {
			t.Errorf("got %+v, want offset -1 and the record's own time", r)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if c.PartitionInfo("t", 0).HighWatermark == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the records never arrived")
		}
	}
}

func TestLogAppendTime(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1))
	when := int64(1_800_000_000_000)
	if err := c.CreateTopic("t", 1, nil); err != nil {
		t.Fatal(err)
	}
	appendTime(c, when)
	p := start(t, c, "t", nil)
	if r := send(t, p, message("a"))[0]; r.Err != nil || r.Timestamp != when {
		t.Errorf("got %+v, want the broker's time %d", r, when)
	}
}

// TestRefusals are records that fail alone while their neighbours are stored.
func TestRefusals(t *testing.T) {
	long := make([]byte, 20_000)
	cases := map[string]struct {
		change func(*Config)
		bad    *connector.Message
		kind   connector.Kind
	}{
		"over our limit":       {func(c *Config) { c.MaxMessageBytes = 10_000 }, &connector.Message{Partition: -1, Value: long}, connector.TooLarge},
		"over the broker's":    {func(*Config) {}, &connector.Message{Partition: -1, Value: long}, connector.TooLarge},
		"negative partition":   {func(*Config) {}, &connector.Message{Partition: -2, Value: []byte("x")}, connector.NotFound},
		"no such partition":    {func(*Config) {}, &connector.Message{Partition: 3, Value: []byte("x")}, connector.NotFound},
		"no such topic":        {func(*Config) {}, &connector.Message{Topic: "absent", Partition: -1}, connector.NotFound},
		"a name no topic has":  {func(*Config) {}, &connector.Message{Topic: "a b", Partition: -1}, connector.NotFound},
		"a time before 1970":   {func(*Config) {}, &connector.Message{Partition: -1, Time: time.Unix(-1, 0)}, connector.Invalid},
		"a time after 2262":    {func(*Config) {}, &connector.Message{Partition: -1, Time: time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)}, connector.Invalid},
		"no partition named":   {func(c *Config) { c.Partitioner = Explicit }, &connector.Message{Partition: -1}, connector.Invalid},
		"a partitioner's slip": {func(c *Config) { c.Partitioner = func([]byte, int32) int32 { return -7 } }, &connector.Message{Partition: -1}, connector.Invalid},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := broker(t, kfake.NumBrokers(1))
			if err := c.CreateTopic("t", 2, map[string]string{"max.message.bytes": "12000"}); err != nil {
				t.Fatal(err)
			}
			p := start(t, c, "t", func(c *Config) {
				c.MetadataTimeout = 300 * time.Millisecond
				tc.change(c)
			})
			good := func(s string) *connector.Message { return &connector.Message{Partition: 1, Value: []byte(s)} }
			begin := time.Now()
			rs := send(t, p, good("a"), tc.bad, good("b"))
			if k := connector.KindOf(rs[1].Err); rs[1].Err == nil || k != tc.kind || rs[1].Outcome != connector.Failed {
				t.Errorf("bad record: %v (%v), want kind %v", rs[1].Err, k, tc.kind)
			}
			if rs[0].Err != nil || rs[2].Err != nil || rs[2].Offset != rs[0].Offset+1 && tc.kind != connector.TooLarge {
				t.Errorf("neighbours: %+v, %+v", rs[0], rs[2])
			}
			if took := time.Since(begin); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestBigBatchIsSplit: a batch over the topic's limit is divided until it fits.
func TestBigBatchIsSplit(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1))
	if err := c.CreateTopic("t", 1, map[string]string{"max.message.bytes": "3000"}); err != nil {
		t.Fatal(err)
	}
	p := start(t, c, "t", nil)
	var ms []*connector.Message
	for i := range 200 {
		ms = append(ms, message(fmt.Sprintf("%0200d", i)))
	}
	ms[77] = message(string(make([]byte, 5000)))
	for i, r := range send(t, p, ms...) {
		switch {
		case i == 77 && connector.KindOf(r.Err) != connector.TooLarge:
			t.Errorf("record 77: %v, want too large", r.Err)
		case i != 77 && r.Err != nil:
			t.Errorf("record %d: %v", i, r.Err)
		}
	}
	rs := stored(t, c, "t")[0]
	if len(rs) != 199 {
		t.Fatalf("%d records stored, want 199", len(rs))
	}
	for i, r := range rs[78:] {
		if string(r.Value) != fmt.Sprintf("%0200d", i+79) {
			t.Fatalf("record %d is %.20q…: order was not kept", i, r.Value)
		}
	}
}

// TestGroupCommit: single records of many callers share requests.
func TestGroupCommit(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(4, "t"))
	requests := countProduce(c)
	p := start(t, c, "t", nil)
	const callers, each = 64, 50
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for k := range each {
				done := make(chan error, 1)
				p.Write(context.Background(), []*connector.Message{keyed(fmt.Sprint(i), fmt.Sprint(k))}, func(rs []connector.Result) { done <- rs[0].Err })
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := requests.Load(); n > callers*each/4 {
		t.Errorf("%d requests for %d records", n, callers*each)
	}
	last := make(map[string]int)
	for _, rs := range stored(t, c, "t") {
		for _, r := range rs {
			if want := fmt.Sprint(last[string(r.Key)]); string(r.Value) != want {
				t.Fatalf("key %s: %s stored where %s belongs", r.Key, r.Value, want)
			}
			last[string(r.Key)]++
		}
	}
}
