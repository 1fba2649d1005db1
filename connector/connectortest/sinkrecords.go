package connectortest

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/connector"
)

func (h *SinkHarness) everything(t *testing.T) {
	d := h.Open(t)
	const writes, each = 20, 50
	writeAll(t, d, writes, each, func(n int) *connector.Message { return text(strconv.Itoa(n)) })
	seen := map[string]int{}
	for _, m := range d.Stored(t) {
		seen[string(m.Value)]++
	}
	for i := range writes * each {
		if seen[strconv.Itoa(i)] != 1 {
			t.Fatalf("record %d is stored %d times", i, seen[strconv.Itoa(i)])
		}
	}
}

func (h *SinkHarness) roundTrip(t *testing.T) {
	for _, tc := range []struct {
		name string
		can  bool
		make func(d Destination) *connector.Message
	}{
		{"a value", true, func(Destination) *connector.Message { return text(`{"a":"é","b":[1,null]}`) }},
		{"a key", h.Caps.Keys || h.Caps.ValueOnly, func(Destination) *connector.Message {
			return &connector.Message{Partition: connector.AnyPartition, Key: []byte("k1"), Value: []byte("1")}
		}},
		{"a tombstone", h.Caps.Tombstones, func(Destination) *connector.Message {
			return &connector.Message{Partition: connector.AnyPartition, Key: []byte("k1")}
		}},
		{"an empty value", h.Caps.Empty, func(Destination) *connector.Message {
			m := text("")
			if h.Caps.Keys {
				m.Key = []byte("k1")
			}
			return m
		}},
		{"bytes", h.Caps.Binary, func(Destination) *connector.Message { return text("\x00\xff\n\r\"") }},
		{"headers", h.Caps.Headers || h.Caps.ValueOnly, func(Destination) *connector.Message {
			m := text("1")
			m.Headers = []connector.Header{{Key: "b", Value: []byte("1")}, {Key: "a", Value: []byte("é")}, {Key: "b", Value: []byte("2")}, {Key: "n"}}
			return m
		}},
		{"a time", h.Caps.Times || h.Caps.ValueOnly, func(Destination) *connector.Message {
			m := text("1")
			m.Time = time.UnixMilli(1_700_000_000_123)
			return m
		}},
		{"a partition", h.Caps.Partitions || h.Caps.ValueOnly, func(Destination) *connector.Message {
			m := text("1")
			m.Partition = 0
			return m
		}},
		{"a topic", h.Caps.Topics || h.Caps.ValueOnly, func(d Destination) *connector.Message {
			m := text("1")
			m.Topic = d.Topic
			return m
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := h.Open(t)
			m := tc.make(d)
			want := *m
			r := write(t.Context(), t, d.Sink, m)
			shut(t, d.Sink)
			stored := d.Stored(t)
			if h.Caps.ValueOnly {
				want = connector.Message{Partition: connector.AnyPartition, Value: want.Value}
			}
			if !tc.can {
				if connector.KindOf(r[0].Err) != connector.Invalid || len(stored) != 0 {
					t.Errorf("result %v, %d stored; the destination lacks this, so it should be refused as invalid", r[0].Err, len(stored))
				}
				return
			}
			if r[0].Err != nil || len(stored) != 1 {
				t.Fatalf("result %v, %d stored", r[0].Err, len(stored))
			}
			if err := h.same(want, stored[0]); err != nil {
				t.Error(err)
			}
		})
	}
}

// same compares what a destination can keep. A partition and topic that were
// not asked for are the destination's.
func (h *SinkHarness) same(want, got connector.Message) error {
	if (want.Value == nil) != (got.Value == nil) || !bytes.Equal(want.Value, got.Value) {
		return fmt.Errorf("value %q became %q", want.Value, got.Value)
	}
	if !bytes.Equal(want.Key, got.Key) || (want.Key == nil) != (got.Key == nil) {
		return fmt.Errorf("key %q became %q", want.Key, got.Key)
	}
	if diff := cmp.Diff(want.Headers, got.Headers); diff != "" {
		return fmt.Errorf("headers: %s", diff)
	}
	if !want.Time.IsZero() && !want.Time.Equal(got.Time) || want.Time.IsZero() && !got.Time.IsZero() && !h.Caps.Timestamped {
		return fmt.Errorf("time %v became %v", want.Time, got.Time)
	}
	if want.Topic != "" && want.Topic != got.Topic || want.Partition >= 0 && want.Partition != got.Partition {
		return fmt.Errorf("topic %q, partition %d became %q, %d", want.Topic, want.Partition, got.Topic, got.Partition)
	}
	return nil
}

func (h *SinkHarness) badRecord(t *testing.T) {
	d := h.Open(t)
	if d.Bad == nil {
		t.Fatal("the harness has no record that the destination refuses")
	}
	r := write(t.Context(), t, d.Sink, text("1"), d.Bad, text("3"))
	shut(t, d.Sink)
	if r[0].Err != nil || r[2].Err != nil || !connector.KindOf(r[1].Err).Permanent() {
		t.Errorf("results %v, %v, %v; only the second record is bad, for good", r[0].Err, r[1].Err, r[2].Err)
	}
	var values []string
	for _, m := range d.Stored(t) {
		values = append(values, string(m.Value))
	}
	if slices.Sort(values); !slices.Equal(values, []string{"1", "3"}) { // without a key the order is the destination's
		t.Errorf("%q are stored, want the two good records", values)
	}
}

func (h *SinkHarness) order(t *testing.T) {
	d := h.Open(t)
	const writes, each, keys = 100, 20, 7
	writeAll(t, d, writes, each, func(n int) *connector.Message {
		m := text(strconv.Itoa(n))
		if h.Caps.Keys {
			m.Key = []byte{byte('a' + n%keys)}
		}
		return m
	})
	last := map[string]int{}
	stored := d.Stored(t)
	for _, m := range stored {
		n, err := strconv.Atoi(string(m.Value))
		if err != nil {
			t.Fatal(err)
		}
		if before, ok := last[string(m.Key)]; ok && n <= before {
			t.Fatalf("key %q: record %d stands behind %d", m.Key, n, before)
		}
		last[string(m.Key)] = n
	}
	if len(stored) != writes*each {
		t.Errorf("%d records stored, want %d", len(stored), writes*each)
	}
}
