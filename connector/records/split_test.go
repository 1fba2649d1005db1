package records

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/headrace/headrace/connector"
)

// late acknowledges a batch only when some more have come, newest first, so
// that a block which is used again too early shows.
type late struct {
	batches [][]*connector.Message
	got     []record
	hold    int
}

type record struct {
	Value string
	Line  int64
	Bad   bool
}

func (l *late) Publish(_ context.Context, batch []*connector.Message) error {
	l.batches = append(l.batches, copied(batch))
	if len(l.batches) > l.hold {
		l.ack()
	}
	return nil
}

func copied(batch []*connector.Message) []*connector.Message {
	return append([]*connector.Message(nil), batch...)
}

func (l *late) ack() {
	for _, b := range l.batches {
		for _, m := range b {
			l.got = append(l.got, record{string(m.Value), m.Seq, m.Err != nil})
		}
	}
	for i := len(l.batches) - 1; i >= 0; i-- {
		for _, m := range l.batches[i] {
			m.Finish(connector.Result{})
		}
	}
	l.batches = nil
}

func split(t testing.TB, cfg Config, src io.Reader, start Position, header []string) (got []record, columns []string, end Position) {
	t.Helper()
	tracker := NewTracker(t.Context())
	out := &late{hold: 3}
	err := cfg.Publish(tracker, Stream{Name: "in", Src: src, Fill: true, Start: start, Header: header,
		Named: func(c []string) { columns = c }}, out)
	out.ack()
	if werr := tracker.Wait(); err != nil || werr != nil {
		t.Fatal(err, werr)
	}
	end, _ = tracker.Position()
	return out.got, columns, end
}

func configOf(format string, limit int) Config {
	cfg := DefaultConfig()
	cfg.Format, cfg.MaxRecordBytes = format, connector.ByteSize(limit)
	return cfg
}

// wantLines is what text lines are, told plainly.
func wantLines(text string, limit int) (want []record) {
	text = strings.TrimPrefix(text, "\xef\xbb\xbf")
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			continue
		}
		if len(line) > limit {
			want = append(want, record{line[:min(len(line), badBytes)], int64(i + 1), true})
		} else {
			want = append(want, record{line, int64(i + 1), false})
		}
	}
	return want
}

func TestLinesOfAllLengths(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, limit := range []int{10, 1000, 1 << 20} {
		var b strings.Builder
		for b.Len() < 5<<20 {
			n := rng.IntN(200)
			if rng.IntN(300) == 0 {
				n = rng.IntN(1<<20 + 200_000) // longer than a block, or than the limit
			}
			b.WriteString(strings.Repeat(string(rune('a'+rng.IntN(26))), n))
			b.WriteString([]string{"\n", "\r\n"}[rng.IntN(2)])
		}
		want := wantLines(b.String(), limit)
		got, _, end := split(t, configOf(Text, limit), strings.NewReader(b.String()), Position{}, nil)
		if len(got) != len(want) {
			t.Fatalf("limit %d: %d records, want %d", limit, len(got), len(want))
		}
		for i := range want {
			if got[i].Line != want[i].Line || got[i].Bad != want[i].Bad || !got[i].Bad && got[i].Value != want[i].Value ||
				got[i].Bad && (got[i].Value == "" || !strings.HasPrefix(want[i].Value, got[i].Value)) {
				t.Fatalf("limit %d, record %d: line %d, %d bytes, bad %v; want line %d, %d bytes, bad %v", limit, i,
					got[i].Line, len(got[i].Value), got[i].Bad, want[i].Line, len(want[i].Value), want[i].Bad)
			}
		}
		if end.Offset != int64(b.Len()) || end.Line != int64(strings.Count(b.String(), "\n")) {
			t.Errorf("limit %d: ended at %+v", limit, end)
		}
	}
}

// TestEveryPlaceIsAPlaceToGoOn restarts at each position that is reported.
func TestEveryPlaceIsAPlaceToGoOn(t *testing.T) {
	var text, rows strings.Builder
	rows.WriteString("n,s\n")
	for i := range 30_000 {
		fmt.Fprintf(&text, "{\"n\":%d}\n", i)
		if i%7500 == 0 {
			text.WriteString("\n" + strings.Repeat("y", 2<<20) + "\n")
		}
		fmt.Fprintf(&rows, "%d,\"a\n%d\"\n", i, i)
	}
	for _, tc := range []struct{ format, text string }{{NDJSON, text.String()}, {CSV, rows.String()}} {
		t.Run(tc.format, func(t *testing.T) {
			cfg := configOf(tc.format, 1<<20)
			all, header, _ := split(t, cfg, strings.NewReader(tc.text), Position{}, nil)
			tracker := NewTracker(t.Context())
			var places []Position
			var counts []int
			n := 0
			out := connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
				n += len(batch)
				for _, m := range batch {
					m.Finish(connector.Result{})
				}
				if p, ok := tracker.Position(); ok && (len(places) == 0 || places[len(places)-1] != p) {
					places, counts = append(places, p), append(counts, n)
				}
				return nil
			})
			if err := cfg.Publish(tracker, Stream{Name: "in", Src: strings.NewReader(tc.text), Fill: true}, out); err != nil {
				t.Fatal(err)
			}
			if err := tracker.Wait(); err != nil {
				t.Fatal(err)
			}
			if len(places) < 3 {
				t.Fatalf("only %d places", len(places))
			}
			for i := 0; i < len(places); i += 1 + len(places)/8 {
				p := places[i]
				if p.Tail != Checksum([]byte(tc.text[p.Offset-int64(p.TailBytes):p.Offset])) || p.TailBytes == 0 {
					t.Errorf("place %+v: the checksum is not that of the bytes before it", p)
				}
				rest, _, _ := split(t, cfg, strings.NewReader(tc.text[p.Offset:]), p, header)
				// A record over the limit is not passed before its end was read, so
				// it may come twice.
				want := all[counts[i]:]
				if len(rest) == len(want)+1 && rest[0].Bad {
					rest = rest[1:]
				}
				if diff := cmp.Diff(want, rest, cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("from %+v: %.500s", p, diff)
				}
			}
		})
	}
}

func TestABrokenStreamDeliversWhatIsWhole(t *testing.T) {
	broken := errors.New("broken cable")
	var out late
	tracker := NewTracker(t.Context())
	src := io.MultiReader(strings.NewReader("one\ntwo\nthr"), iotest.ErrReader(broken))
	cfg := configOf(Text, 100)
	err := cfg.Publish(tracker, Stream{Name: "in", Src: src, Fill: true}, &out)
	out.ack()
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "in:3: read behind byte 11") {
		t.Errorf("error %v", err)
	}
	if err := tracker.Wait(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]record{{"one", 1, false}, {"two", 2, false}}, out.got); diff != "" {
		t.Error(diff)
	}
}

// TestSmallReadsHoldLittle reads single lines, none of which is acknowledged:
// each must cost about what it holds, not a block.
func TestSmallReadsHoldLittle(t *testing.T) {
	const n = 5000
	r, w := io.Pipe()
	go func() {
		for range n {
			_, _ = w.Write([]byte("{\"a\":\"some text of a line\"}\n"))
		}
		_ = w.Close()
	}()
	var out late
	out.hold = n + 1
	tracker := NewTracker(t.Context())
	cfg := configOf(NDJSON, 1<<20)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := cfg.Publish(tracker, Stream{Name: "in", Src: r}, &out); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if len(out.batches) != n {
		t.Errorf("%d batches of %d writes: lines waited for others", len(out.batches), n)
	}
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 8<<20 {
		t.Errorf("%d lines in flight hold %d bytes", n, held)
	}
	out.ack()
	if err := tracker.Wait(); err != nil {
		t.Error(err)
	}
}

// TestUnacknowledgedBlocksAreBounded reads without end into a publisher that
// takes everything and acknowledges nothing.
func TestUnacknowledgedBlocksAreBounded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tracker := NewTracker(ctx)
	line := []byte(strings.Repeat("x", 1000) + "\n")
	taken, idle := 0, make(chan struct{}, 1)
	var held [][]*connector.Message
	out := connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
		held = append(held, copied(batch))
		for _, m := range batch {
			taken += len(m.Value)
		}
		return nil
	})
	src := readerFunc(func(p []byte) (int, error) {
		if tracker.room.TryAcquire(1 << 20) {
			tracker.room.Release(1 << 20)
		} else {
			select {
			case idle <- struct{}{}:
			default:
			}
		}
		n := 0
		for n+len(line) <= len(p) {
			n += copy(p[n:], line)
		}
		if n == 0 {
			n = copy(p, "\n")
		}
		return n, nil
	})
	done := make(chan error, 1)
	cfg := configOf(Text, 1<<20)
	go func() { done <- cfg.Publish(tracker, Stream{Name: "in", Src: src, Fill: true}, out) }()
	<-idle
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if taken > inFlightBytes || taken < inFlightBytes/2 {
		t.Errorf("%d bytes were given out, the bound is %d", taken, inFlightBytes)
	}
	for _, b := range held {
		for _, m := range b {
			m.Finish(connector.Result{Outcome: connector.Failed, Err: context.Canceled})
		}
	}
	if err := tracker.Wait(); err != nil {
		t.Errorf("records that failed because the run was stopped: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestStoppable(t *testing.T) {
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	s := Stoppable(ctx, r)
	go func() { _, _ = w.Write([]byte("hi")) }()
	p := make([]byte, 10)
	if n, err := s.Read(p); n != 2 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
	cancel()
	if _, err := s.Read(p); !errors.Is(err, context.Canceled) {
		t.Errorf("read of a stopped reader: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	s = Stoppable(ctx, readerFunc(func(p []byte) (int, error) { cancel(); return r.Read(p) }))
	if _, err := s.Read(p); !errors.Is(err, context.Canceled) {
		t.Errorf("a read that waits: %v", err)
	}
	_ = w.Close() // lets the read that was left behind end
}

func BenchmarkSplit(b *testing.B) {
	line := `{"id":123456,"status":"paid","customer_id":9876,"amount":12.5,"items":[{"sku":"A-1","n":2},{"sku":"B-7","n":1}],"note":"an ordinary order of the shop, 185","at":"2026-01-02T03:04:05Z"}` + "\n"
	row := "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z\n"
	header := "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour\n"
	out := connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
		for _, m := range batch {
			m.Finish(connector.Result{})
		}
		return nil
	})
	for _, bc := range []struct{ format, text string }{
		{NDJSON, strings.Repeat(line, 100_000)}, {Text, strings.Repeat(line, 100_000)}, {CSV, header + strings.Repeat(row, 100_000)},
	} {
		b.Run(bc.format, func(b *testing.B) {
			cfg := configOf(bc.format, 1<<20)
			cfg.DefaultType = "auto"
			b.SetBytes(int64(len(bc.text)))
			b.ReportAllocs()
			for b.Loop() {
				tracker := NewTracker(b.Context())
				if err := cfg.Publish(tracker, Stream{Name: "in", Src: strings.NewReader(bc.text), Fill: true}, out); err != nil {
					b.Fatal(err)
				}
				if err := tracker.Wait(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/record")
		})
	}
}
