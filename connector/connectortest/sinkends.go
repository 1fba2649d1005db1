package connectortest

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
)

func (h *SinkHarness) concurrent(t *testing.T) {
	d := h.Open(t)
	const writers, each = 8, 50
	var wg sync.WaitGroup
	var calls atomic.Int32
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				d.Sink.Write(t.Context(), []*connector.Message{text(strconv.Itoa(w*each + i))}, func(r []connector.Result) {
					calls.Add(1)
					if r[0].Err != nil {
						t.Error(r[0].Err)
					}
				})
			}
		})
	}
	wg.Wait()
	shut(t, d.Sink)
	if n := calls.Load(); n != writers*each {
		t.Errorf("done was called %d times for %d writes", n, writers*each)
	}
	if n := len(d.Stored(t)); n != writers*each {
		t.Errorf("%d records stored, want %d", n, writers*each)
	}
}

func (h *SinkHarness) cancelled(t *testing.T) {
	d := h.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// It may have room and take the record; what it must not do is to keep its
	// giver waiting.
	if err := write(ctx, t, d.Sink, text("1"))[0].Err; err != nil && connector.KindOf(err) != connector.Unavailable {
		t.Errorf("kind %v: %v", connector.KindOf(err), err)
	}
	if err := write(t.Context(), t, d.Sink, text("2"))[0].Err; err != nil {
		t.Errorf("the write after a cancelled one: %v", err)
	}
	shut(t, d.Sink)
}

func (h *SinkHarness) closed(t *testing.T) {
	d := h.Open(t)
	write(t.Context(), t, d.Sink, text("1"))
	shut(t, d.Sink)
	shut(t, d.Sink)
	if err := write(t.Context(), t, d.Sink, text("2"))[0].Err; err == nil {
		t.Error("a closed sink took a record")
	}
	if n := len(d.Stored(t)); n != 1 {
		t.Errorf("%d records stored, want 1", n)
	}
}

func (h *SinkHarness) outage(t *testing.T) {
	d := h.Open(t)
	defer shut(t, d.Sink)
	if d.Outage == nil {
		return // the destination is this process's own
	}
	if err := write(t.Context(), t, d.Sink, text("before"))[0].Err; err != nil {
		t.Fatal(err)
	}
	heal := d.Outage()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err := write(ctx, t, d.Sink, text("during"))[0].Err
	if connector.KindOf(err) != connector.Unavailable {
		t.Errorf("during the outage: %v, kind %v", err, connector.KindOf(err))
	}
	heal()
	for stop := time.Now().Add(patience); ; {
		if err = write(t.Context(), t, d.Sink, text("after"))[0].Err; err == nil {
			return
		}
		if time.Now().After(stop) {
			t.Fatalf("long after the outage: %v", err)
		}
	}
}

func (h *SinkHarness) credentials(t *testing.T) {
	sink, err := h.Refused(t)
	if err == nil {
		start := time.Now()
		err = write(t.Context(), t, sink, text("1"))[0].Err
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("it took %v", d)
		}
		shut(t, sink)
	}
	if connector.KindOf(err) != connector.Unauthenticated {
		t.Errorf("%v, kind %v", err, connector.KindOf(err))
	}
	if err != nil && h.Secret != "" && strings.Contains(err.Error(), h.Secret) {
		t.Error("the secret is in the error")
	}
}
