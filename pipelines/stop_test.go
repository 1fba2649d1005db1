package pipelines_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// toKafka makes messages of a size as fast as they are taken.
func toKafka(k *kfake.Cluster, size int) string {
	return fmt.Sprintf("blocks:\n  - {type: data_loader, connector_type: mock, message_interval: 0, message_content: %q}\n"+
		"  - {name: to_kafka, type: data_exporter, connector_type: kafka, bootstrap_server: %q, topic: orders, timeout_ms: 0}\n",
		strings.Repeat("x", size), k.ListenAddrs()[0])
}

// hold keeps produce requests without an answer until release is called; asked
// is closed at the first.
func hold(t *testing.T, k *kfake.Cluster) (asked <-chan struct{}, release func()) {
	t.Helper()
	first, gate := make(chan struct{}), make(chan struct{})
	n := 0
	k.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		if n++; n == 1 {
			close(first)
		}
		k.KeepControl()
		k.SleepControl(func() { <-gate })
		return nil, nil, false
	})
	open := true
	release = func() {
		if open {
			open = false
			close(gate)
		}
	}
	t.Cleanup(release)
	return first, release
}

func await(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("not within 20 s: %s", what)
	}
}

func background(work func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		work()
	}()
	return done
}

// TestStopDeliversWhatWasAccepted stops a stream whose records the broker is
// slow to take.
func TestStopDeliversWhatWasAccepted(t *testing.T) {
	k := broker(t, "orders")
	files(t, map[string]string{"p.yaml": toKafka(k, 10)})
	asked, release := hold(t, k)
	b := newBench(t, t.Context())
	b.Apply(project(t))
	await(t, "a produce request", asked)
	stopped := background(b.Stop)
	select {
	case <-stopped:
		t.Fatal("Stop returned with records on their way")
	case <-time.After(50 * time.Millisecond): // one that does not wait returns at once
	}
	await(t, "the counts, while Stop waits", background(func() {
		if c := b.Counts()["p"]; c.InFlight() == 0 {
			t.Errorf("%+v; the broker has answered nothing", c)
		}
	}))
	release()
	await(t, "the end of the drain", stopped)
	c := b.Counts()["p"]
	if c.Read == 0 || c.Acknowledged != c.Read {
		t.Errorf("%+v; all that was read is to be delivered", c)
	}
	if got := b.runs(t, "p"); len(got) != 1 || !strings.HasSuffix(got[0], fmt.Sprintf("interrupted %d", c.Read)) {
		t.Errorf("recorded: %v", got)
	}
	topic(t, k, "orders", int(c.Read))
}

// TestTheDrainHasAnEnd stops a stream whose broker answers no more: small
// records, of which many are on their way, and large ones, which fill every
// buffer.
func TestTheDrainHasAnEnd(t *testing.T) {
	for _, size := range []int{10, 100_000} {
		t.Run(fmt.Sprintf("%d bytes", size), func(t *testing.T) {
			k := broker(t, "orders")
			files(t, map[string]string{"p.yaml": toKafka(k, size)})
			asked, release := hold(t, k)
			hard, giveUp := context.WithCancel(t.Context())
			defer giveUp()
			b := newBench(t, hard)
			b.Apply(project(t))
			await(t, "a produce request", asked)
			for before := int64(-1); b.Counts()["p"].Read != before; { // until all buffers are full
				before = b.Counts()["p"].Read
				time.Sleep(100 * time.Millisecond)
			}
			stopped := background(b.Stop)
			start := time.Now()
			giveUp()
			await(t, "the end", stopped)
			if spent := time.Since(start); spent > 10*time.Second {
				t.Errorf("giving up took %v", spent)
			}
			release()
			c := b.Counts()["p"]
			if c.Read == 0 || c.Failed != c.Read {
				t.Errorf("%+v; nothing was answered", c)
			}
			if got := b.runs(t, "p"); len(got) != 1 || !strings.Contains(got[0], "interrupted") {
				t.Errorf("recorded: %v", got)
			}
			if !strings.Contains(b.log.String(), "stopping now; what is not delivered fails") {
				t.Errorf("log: %.1000s", b.log)
			}
		})
	}
}

// TestAStoppedReaderOfStandardOutput stops a stream whose output nobody takes.
func TestAStoppedReaderOfStandardOutput(t *testing.T) {
	files(t, map[string]string{"p.yaml": "blocks:\n  - {type: data_loader, connector_type: mock, message_interval: 0}\n" + prints})
	reader, out := io.Pipe()
	defer reader.Close()
	hard, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	b := newBench(t, hard)
	b.Plugin.Stdout = out
	b.Apply(project(t))
	if _, err := io.ReadFull(reader, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	stopped := background(b.Stop)
	giveUp()
	await(t, "the end", stopped)
	if c := b.Counts()["p"]; c.Failed == 0 || c.InFlight() != 0 {
		t.Errorf("%+v", c)
	}
}
