package reader

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
)

func TestFetch(t *testing.T) {
	r, _, kc := start(t)
	at := time.UnixMilli(1700000001234)
	full := &kgo.Record{Topic: "t", Partition: 1, Key: []byte("k"), Value: nil, Timestamp: at, Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, {Key: "h"}}}
	if err := kc.ProduceSync(t.Context(), full).FirstErr(); err != nil {
		t.Fatal(err)
	}
	write(t, kc, 0, "a", "b", "c", "dddddddddd")
	tp := TP{Topic: "t", Partition: 0}
	for _, tc := range []struct {
		name string
		req  Request
		want string
		next int64
		kind connector.Kind // of the error
	}{
		{"from the beginning", Request{TP: tp, Offset: 0, MaxBytes: 1000}, "a b c dddddddddd", 4, 0},
		{"earliest", Request{TP: tp, Offset: Earliest, MaxBytes: 1000}, "a b c dddddddddd", 4, 0},
		{"from the middle", Request{TP: tp, Offset: 2, MaxBytes: 1000}, "c dddddddddd", 4, 0},
		{"stops before the limit is reached", Request{TP: tp, Offset: 0, MaxBytes: 3}, "a b", 2, 0},
		{"a larger record passes alone", Request{TP: tp, Offset: 3, MaxBytes: 3}, "dddddddddd", 4, 0},
		{"the end", Request{TP: tp, Offset: 4, MaxBytes: 1000}, "", 4, 0},
		{"latest", Request{TP: tp, Offset: Latest, MaxBytes: 1000}, "", 4, 0},
		{"behind the end", Request{TP: tp, Offset: 5, MaxBytes: 1000}, "", 0, connector.Invalid},
		{"unknown partition", Request{TP: TP{Topic: "t", Partition: 7}, MaxBytes: 1000}, "", 0, connector.NotFound},
		{"unknown topic", Request{TP: TP{Topic: "u", Partition: 0}, MaxBytes: 1000}, "", 0, connector.NotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			records, a, err := fetch(t.Context(), r, tc.req)
			if (err != nil) != (tc.kind != 0) || connector.KindOf(err) != tc.kind {
				t.Fatalf("error %v", err)
			}
			if err == nil && (values(records) != tc.want || a.Next != tc.next || a.HighWatermark != 4) {
				t.Errorf("got %q next %d high %d", values(records), a.Next, a.HighWatermark)
			}
		})
	}
	records, _, err := fetch(t.Context(), r, Request{TP: TP{Topic: "t", Partition: 1}, MaxBytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	want := []Record{{TP: TP{Topic: "t", Partition: 1}, Key: []byte("k"), Timestamp: at, Headers: []connector.Header{{Key: "h", Value: []byte("1")}, {Key: "h"}}}}
	if d := cmp.Diff(want, records); d != "" {
		t.Error(d)
	}
}

// fetch reads all portions of a read into one.
func fetch(ctx context.Context, r *Reader, req Request) (records []Record, a Answer, err error) {
	a, err = r.Fetch(ctx, req, func(portion []Record) error {
		records = append(records, portion...)
		return nil
	})
	return records, a, err
}

// TestFetchInPortions reads a log that needs many requests, compressed far and
// not at all, with limits that end within a portion and between two.
func TestFetchInPortions(t *testing.T) {
	for name, codec := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "zstd": kgo.ZstdCompression()} {
		t.Run(name, func(t *testing.T) {
			r, k, _ := start(t)
			kc, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(64<<10))
			if err != nil {
				t.Fatal(err)
			}
			defer kc.Close()
			const n = 4096
			var batch []*kgo.Record
			for i := range n {
				batch = append(batch, &kgo.Record{Topic: "t", Value: fmt.Appendf(nil, "%01024d", i)})
			}
			if err := kc.ProduceSync(t.Context(), batch...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			for _, limit := range []int{1 << 30, 1<<20 + 1, 1 << 20, 1000, 1} {
				offset, reads := int64(0), 0
				for offset < n && reads < 8 {
					reads++
					records, a, err := fetch(t.Context(), r, Request{TP: TP{Topic: "t", Partition: 0}, Offset: offset, MaxBytes: limit})
					if err != nil || a.HighWatermark != n || a.Next != offset+int64(len(records)) || len(records) == 0 {
						t.Fatalf("limit %d at %d: %d records, %+v, %v", limit, offset, len(records), a, err)
					}
					if len(records) > 1 && len(records)*1024 > limit {
						t.Errorf("limit %d: %d records", limit, len(records))
					}
					for _, rec := range records {
						if rec.Offset != offset || string(rec.Value) != fmt.Sprintf("%01024d", offset) {
							t.Fatalf("limit %d: offset %d where %d was due", limit, rec.Offset, offset)
						}
						offset++
					}
				}
			}
		})
	}
}

// TestFetchEndsWithItsTaker says that an error of take is the read's, at once.
func TestFetchEndsWithItsTaker(t *testing.T) {
	r, _, kc := start(t)
	write(t, kc, 0, "a", "b")
	gone := errors.New("gone")
	if _, err := r.Fetch(t.Context(), Request{TP: TP{Topic: "t", Partition: 0}, MaxBytes: 1000}, func([]Record) error { return gone }); err != gone {
		t.Errorf("got %v", err)
	}
}

func TestFetchWaits(t *testing.T) {
	r, _, kc := start(t)
	go func() {
		// The read below is most likely under way by now; if it is not, the
		// test proves less but does not fail.
		write(t, kc, 2, "late")
	}()
	records, _, err := fetch(t.Context(), r, Request{TP: TP{Topic: "t", Partition: 2}, MaxBytes: 1000, Wait: 10 * time.Second})
	if err != nil || values(records) != "late" {
		t.Errorf("got %q %v", values(records), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, _, err := fetch(ctx, r, Request{TP: TP{Topic: "t", Partition: 2}, Offset: 1, MaxBytes: 1000, Wait: time.Minute}); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

func TestFetchFollowsTheLeader(t *testing.T) {
	r, k, kc := start(t)
	write(t, kc, 0, "a", "b")
	for i := range int32(2) {
		if err := k.MoveTopicPartition("t", 0, i); err != nil {
			t.Fatal(err)
		}
		records, _, err := fetch(t.Context(), r, Request{TP: TP{Topic: "t", Partition: 0}, MaxBytes: 1000, Wait: 10 * time.Second})
		if err != nil || values(records) != "a b" {
			t.Fatalf("leader %d: %q %v", i, values(records), err)
		}
	}
}

func TestOffsetAt(t *testing.T) {
	r, _, kc := start(t)
	for i := range 3 {
		rec := &kgo.Record{Topic: "t", Value: []byte("x"), Timestamp: time.UnixMilli(int64(1000 * (i + 1)))}
		if err := kc.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for at, want := range map[int64]int64{Earliest: 0, Latest: 3, 500: 0, 1000: 0, 1001: 1, 3000: 2, 3001: 3} {
		if got, err := r.OffsetAt(t.Context(), TP{Topic: "t", Partition: 0}, at); err != nil || got != want {
			t.Errorf("%d: got %d %v, want %d", at, got, err, want)
		}
	}
}
