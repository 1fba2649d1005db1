package exporter_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/exporter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBatchesFillAndLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a acks
		sink := &memorySink{}
		e := exporter.New(sink, exporter.Config{BatchSize: 10, Linger: time.Second})
		for i := 0; i < 5; i++ {
			if err := e.Publish(t.Context(), messages(&a, i*5, 5, 1)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := fmt.Sprint(sink.sizes()); got != "[10 10]" {
			t.Errorf("before the linger ends the sink has %s, want [10 10]", got)
		}
		start := time.Now()
		if err := e.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = e.Publish(t.Context(), messages(&a, 25, 1, 1))
		time.Sleep(time.Second)
		synctest.Wait()
		if got := fmt.Sprint(sink.sizes()); got != "[10 10 5 1]" {
			t.Errorf("after the linger the sink has %s, want [10 10 5 1] (%s)", got, time.Since(start))
		}
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := a.counts(t)[connector.Acknowledged]; got != 26 {
			t.Errorf("%d acknowledged, want 26", got)
		}
		if err := e.Publish(t.Context(), messages(&a, 90, 1, 1)); connector.KindOf(err) != connector.Unavailable {
			t.Errorf("publish after close: %v", err)
		}
	})
}

func TestPublishBlocksAtTheBound(t *testing.T) {
	const each = exporter.RecordOverhead + 100
	for name, cfg := range map[string]exporter.Config{
		"at once":              {BatchSize: 10, MaxBytes: 20 * each},
		"concurrent":           {BatchSize: 10, MaxBytes: 20 * each, Concurrent: true},
		"with a linger":        {BatchSize: 10, MaxBytes: 20 * each, Linger: time.Hour},
		"a batch larger still": {BatchSize: 1000, MaxBytes: 20 * each, Linger: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			var a acks
			sink := &memorySink{hold: make(chan struct{})}
			e := exporter.New(sink, cfg)
			for i := 0; i < 2; i++ {
				if err := e.Publish(t.Context(), messages(&a, i*10, 10, 100)); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if err := e.Publish(ctx, messages(&a, 20, 1, 0)); connector.KindOf(err) != connector.Unavailable {
				t.Fatalf("over the bound: %v, want unavailable", err)
			}
			close(sink.hold)
			if err := e.Publish(t.Context(), messages(&a, 20, 1, 100)); err != nil {
				t.Fatal(err)
			}
			_ = e.Close(t.Context())
			if got := a.counts(t)[connector.Acknowledged]; got != 21 {
				t.Errorf("%d acknowledged, want 21", got)
			}
		})
	}
}

// What the documentation says of the bound.
func TestInFlightBytes(t *testing.T) {
	if exporter.RecordOverhead != 224 {
		t.Errorf("a record takes %d bytes next to its own; change the doc of max_in_flight_bytes too", exporter.RecordOverhead)
	}
	b := exporter.DefaultBatching()
	if f := b.Validate(); f != nil {
		t.Errorf("the default: %v", f)
	}
	for _, n := range []connector.ByteSize{0, 64<<10 - 1, 48<<20 + 1} {
		b.MaxInFlightBytes = n
		if f := b.Validate(); len(f) != 1 || f[0].Path != "max_in_flight_bytes" {
			t.Errorf("%d: %v, want one fault", n, f)
		}
	}
}

// Keys and headers are in the bound too.
func TestKeysAndHeadersTakeRoom(t *testing.T) {
	var a acks
	sink := &memorySink{}
	e := exporter.New(sink, exporter.Config{BatchSize: 10, MaxBytes: 2 * (exporter.RecordOverhead + 1000)})
	batch := messages(&a, 0, 6, 0)
	for i, m := range batch {
		switch i % 3 {
		case 0:
			m.Key = make([]byte, 1000)
		case 1:
			m.Headers = []connector.Header{{Key: string(make([]byte, 500)), Value: make([]byte, 500)}}
		case 2:
			m.Value = make([]byte, 1000)
		}
	}
	if err := e.Publish(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	_ = e.Close(t.Context())
	if got := fmt.Sprint(sink.sizes()); got != "[2 2 2]" {
		t.Errorf("batches %s, want two messages each", got)
	}
}

func TestAMessageOverTheWholeBoundPasses(t *testing.T) {
	var a acks
	sink := &memorySink{}
	e := exporter.New(sink, exporter.Config{BatchSize: 10, MaxBytes: 1000})
	if err := e.Publish(t.Context(), messages(&a, 0, 3, 5000)); err != nil {
		t.Fatal(err)
	}
	_ = e.Close(t.Context())
	if got := fmt.Sprint(sink.sizes()); got != "[1 1 1]" {
		t.Errorf("batches %s, want one message each", got)
	}
}

func TestDeadLetters(t *testing.T) {
	rule := func(m *connector.Message) error {
		switch m.Seq % 5 {
		case 0:
			return connector.Errorf(connector.TooLarge, "too large")
		case 1:
			return connector.Errorf(connector.NotFound, "no such topic")
		case 2:
			return connector.Errorf(connector.Unavailable, "gone")
		default:
			return nil
		}
	}
	for _, tc := range []struct {
		name        string
		dead        bool
		topics      bool
		buried, bad int
	}{
		{name: "without dead letters all fail", bad: 12},
		{name: "records wrong by themselves", dead: true, buried: 4, bad: 8},
		{name: "and those without a topic", dead: true, topics: true, buried: 8, bad: 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var a acks
			letters := &memorySink{}
			cfg := exporter.Config{BatchSize: 7, DeadLetterTopics: tc.topics, Origin: exporter.Origin{Pipeline: "p", Topic: "t"}}
			if tc.dead {
				cfg.DeadLetter = letters
			}
			e := exporter.New(&memorySink{refuse: rule}, cfg)
			batch := messages(&a, 0, 20, 3)
			batch[19].Err = connector.Errorf(connector.Invalid, "line 20: not JSON") // 19%5 = 4: would pass
			if err := e.Publish(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			_ = e.Close(t.Context())
			got := a.counts(t)
			extra := 0
			if tc.dead {
				extra = 1
			}
			if got[connector.Acknowledged] != 7 || got[connector.DeadLettered] != tc.buried+extra || got[connector.Failed] != tc.bad+1-extra {
				t.Errorf("outcomes %v", got)
			}
			for _, b := range letters.batches {
				for _, m := range b {
					h := map[string]string{}
					for _, x := range m.Headers {
						h[x.Key] = string(x.Value)
					}
					if h[exporter.HeaderReason] == "" || h[exporter.HeaderError] == "" || h[exporter.HeaderTopic] != "t" || h[exporter.HeaderPipeline] != "p" {
						t.Errorf("headers of a dead letter: %v", h)
					}
				}
			}
		})
	}
}

func TestADeadLetterThatFailsIsAFailure(t *testing.T) {
	var a acks
	no := func(*connector.Message) error { return connector.Errorf(connector.Invalid, "no") }
	e := exporter.New(&memorySink{refuse: no}, exporter.Config{DeadLetter: &memorySink{refuse: no}})
	_ = e.Publish(t.Context(), messages(&a, 0, 3, 1))
	_ = e.Close(t.Context())
	if got := a.counts(t); got[connector.Failed] != 3 {
		t.Errorf("outcomes %v", got)
	}
}

func TestCloseGivesUpWhenItsTimeEnds(t *testing.T) {
	var a acks
	sink := &memorySink{hold: make(chan struct{})}
	e := exporter.New(sink, exporter.Config{BatchSize: 2, Linger: time.Hour})
	_ = e.Publish(t.Context(), messages(&a, 0, 5, 1))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_ = e.Close(ctx)
	if got := a.counts(t); got[connector.Failed] != 5 {
		t.Errorf("outcomes %v, want all 5 failed", got)
	}
}

func TestConcurrentPublishersAreEachAcknowledgedOnce(t *testing.T) {
	for _, concurrent := range []bool{false, true} {
		var a acks
		sink := &memorySink{refuse: func(m *connector.Message) error {
			if m.Seq%97 == 0 {
				return errors.New("odd")
			}
			return nil
		}}
		e := exporter.New(sink, exporter.Config{BatchSize: 8, Concurrent: concurrent, MaxBytes: 64 * (exporter.RecordOverhead + 5)})
		var wg sync.WaitGroup
		for p := 0; p < 8; p++ {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := 0; i < 50; i++ {
					if err := e.Publish(t.Context(), messages(&a, p*1000+i*10, 10, 5)); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		wg.Wait()
		_ = e.Close(t.Context())
		got := a.counts(t)
		if got[connector.Acknowledged]+got[connector.Failed] != 4000 {
			t.Errorf("outcomes %v, want 4000 in all", got)
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	e := exporter.New(nullSink{}, exporter.Config{BatchSize: 1000})
	var a connector.Ledger
	out := a.Watch(e)
	batch := make([]*connector.Message, 1000)
	for i := range batch {
		batch[i] = &connector.Message{Value: make([]byte, 100)}
	}
	b.ReportAllocs()
	for i := 0; i < b.N; i += len(batch) {
		_ = out.Publish(b.Context(), batch)
		for _, m := range batch {
			m.Ack = nil
		}
	}
}

var nothing [1000]connector.Result
