package formats

import (
	"context"
	"encoding/json"
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
	"github.com/headrace/headrace/connector/connectortest"
	"github.com/headrace/headrace/connector/intake"
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
			m.Finish(connector.Result{Outcome: connector.Acknowledged})
		}
	}
	l.batches = nil
}

func split(t testing.TB, cfg Config, src io.Reader, start Position, header []string) (got []record, columns []string, end Position) {
	t.Helper()
	out := &late{hold: 3}
	flushed := connector.PublisherFunc(out.Publish)
	end, err := runFlushed(t.Context(), cfg, Stream{Name: "in", Src: src, Fill: true, Start: start, Header: header,
		Named: func(c []string) { columns = c }}, flushed, out.ack)
	if err != nil {
		t.Fatal(err)
	}
	return out.got, columns, end
}

// run publishes a stream as a source does, and returns where it ended.
func run(ctx context.Context, cfg Config, stream Stream, out connector.Publisher) (Position, error) {
	return runFlushed(ctx, cfg, stream, out, nil)
}

// runFlushed is run with something that is called when the stream has ended.
func runFlushed(ctx context.Context, cfg Config, stream Stream, out connector.Publisher, flush func()) (end Position, err error) {
	stream.Place = func(p Position) connector.Position {
		text, err := json.Marshal(p)
		if err != nil {
			panic(err)
		}
		return connector.Position{Part: "in", At: text}
	}
	source := kept{connector.SourceFunc(func(ctx context.Context, _ connector.Start, out connector.Output) error {
		return cfg.Publish(ctx, stream, out)
	})}
	var left connectortest.Positions
	err = intake.Run(ctx, intake.Config{Source: source, Out: out, Flush: flush, Positions: &left})
	byPart, _ := left.Positions()
	if text := byPart["in"]; text != nil {
		if err := json.Unmarshal(text, &end); err != nil {
			panic(err)
		}
	}
	return end, err
}

// kept is a source whose positions stay.
type kept struct{ connector.SourceFunc }

func (kept) Incremental() bool { return true }

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
			var places []Position
			var counts []int
			n := 0
			out := outFunc(func(_ context.Context, b connector.Batch) error {
				n += len(b.Messages)
				var p Position
				if err := json.Unmarshal(b.After.At, &p); err != nil {
					t.Fatal(err)
				}
				if len(places) == 0 || places[len(places)-1] != p {
					places, counts = append(places, p), append(counts, n)
				}
				if b.Release != nil {
					b.Release()
				}
				return nil
			})
			stream := Stream{Name: "in", Src: strings.NewReader(tc.text), Fill: true, Place: func(p Position) connector.Position {
				at, _ := json.Marshal(p)
				return connector.Position{At: at}
			}}
			if err := cfg.Publish(t.Context(), stream, out); err != nil {
				t.Fatal(err)
			}
			if len(places) < 3 {
				t.Fatalf("only %d places", len(places))
			}
			for i := 0; i < len(places); i += 1 + len(places)/8 {
				p := places[i]
				if p.TailEnd != p.Offset || p.Tail != Checksum([]byte(tc.text[p.Offset-int64(p.TailBytes):p.Offset])) || p.TailBytes == 0 {
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

type outFunc func(context.Context, connector.Batch) error

func (f outFunc) Publish(ctx context.Context, b connector.Batch) error { return f(ctx, b) }
func (outFunc) Flush()                                                 {}

// TestBehindEveryRecord asks for the place behind each record of a batch, and
// goes on there.
func TestBehindEveryRecord(t *testing.T) {
	for _, tc := range []struct{ format, text string }{
		{NDJSON, "1\n\n2\r\n3\n\n\n4"}, {Text, "\xef\xbb\xbfa\nb\n\nc\n"}, {CSV, "n,s\n1,\"a\nb\"\n\n2,c\n3,d\n"},
	} {
		cfg := configOf(tc.format, 100)
		all, header, _ := split(t, cfg, strings.NewReader(tc.text), Position{}, nil)
		n := 0
		stream := Stream{Name: "in", Src: strings.NewReader(tc.text), Fill: true, Place: func(p Position) connector.Position {
			at, _ := json.Marshal(p)
			return connector.Position{At: at}
		}}
		err := cfg.Publish(t.Context(), stream, outFunc(func(_ context.Context, b connector.Batch) error {
			for i := range b.Messages {
				var p Position
				if err := json.Unmarshal(b.Behind(i).At, &p); err != nil {
					t.Fatal(err)
				}
				n++
				rest, _, _ := split(t, cfg, strings.NewReader(tc.text[p.Offset:]), p, header)
				if diff := cmp.Diff(all[n:], rest, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s behind record %d, %+v: %s", tc.format, n, p, diff)
				}
			}
			return nil
		}))
		if err != nil || n != len(all) {
			t.Errorf("%d of %d records, %v", n, len(all), err)
		}
	}
}

// TestAReaderGoesOn feeds a stream in pieces: what has no line end waits.
func TestAReaderGoesOn(t *testing.T) {
	var src growing
	var got []string
	out := outFunc(func(_ context.Context, b connector.Batch) error {
		for _, m := range b.Messages {
			got = append(got, string(m.Value))
		}
		return nil
	})
	cfg := configOf(CSV, 100)
	r, err := cfg.Reader(Stream{Name: "in", Src: &src, Fill: true, GoesOn: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		add  string
		want string
	}{
		{"id,amo", ""}, {"unt\n1,5", ""}, {"\n2,25", `{"id":"1","amount":"5"}`}, {"", ""}, {"000\n3,1\n", `{"id":"2","amount":"25000"} {"id":"3","amount":"1"}`},
	} {
		got = nil
		src.text += step.add
		if err := r.Read(t.Context(), out); err != nil || strings.Join(got, " ") != step.want {
			t.Errorf("after %q: %q, %v; want %q", step.add, got, err, step.want)
		}
		r.Rest()
	}
	src.text += "4,7"
	got = nil
	if err := r.Read(t.Context(), out); err != nil || len(got) > 0 || r.Waiting() != 3 {
		t.Errorf("%q, %d bytes wait, %v", got, r.Waiting(), err)
	}
	if err := r.Finish(t.Context(), out); err != nil || strings.Join(got, " ") != `{"id":"4","amount":"7"}` {
		t.Errorf("the last record: %q, %v", got, err)
	}
}

// growing is a file to which more is added.
type growing struct {
	text string
	at   int
}

func (g *growing) Read(p []byte) (int, error) {
	n := copy(p, g.text[g.at:])
	g.at += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func TestABrokenStreamDeliversWhatIsWhole(t *testing.T) {
	broken := errors.New("broken cable")
	var out late
	src := io.MultiReader(strings.NewReader("one\ntwo\nthr"), iotest.ErrReader(broken))
	cfg := configOf(Text, 100)
	_, err := runFlushed(t.Context(), cfg, Stream{Name: "in", Src: src, Fill: true}, &out, out.ack)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "in:3: read behind byte 11") {
		t.Errorf("error %v", err)
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
	cfg := configOf(NDJSON, 1<<20)
	var before, after runtime.MemStats
	var batches int
	runtime.GC()
	runtime.ReadMemStats(&before)
	_, err := runFlushed(t.Context(), cfg, Stream{Name: "in", Src: r}, &out, func() {
		runtime.GC()
		runtime.ReadMemStats(&after)
		batches = len(out.batches)
		out.ack()
	})
	if err != nil {
		t.Fatal(err)
	}
	if batches != n {
		t.Errorf("%d batches of %d writes: lines waited for others", batches, n)
	}
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 8<<20 {
		t.Errorf("%d lines in flight hold %d bytes", n, held)
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
			m.Finish(connector.Result{Outcome: connector.Acknowledged})
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
				if _, err := run(b.Context(), cfg, Stream{Name: "in", Src: strings.NewReader(bc.text), Fill: true}, out); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/record")
		})
	}
}
