package stdoutsink_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/connectortest"
	"github.com/headrace/headrace/connector/formats"
	"github.com/headrace/headrace/sinks/stdoutsink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// printed reads back what was printed, a line a record.
func printed(t *testing.T, format, text string) (out []connector.Message) {
	t.Helper()
	for line := range strings.Lines(text) {
		m := connector.Message{Partition: connector.AnyPartition, Value: []byte(strings.TrimSuffix(line, "\n"))}
		if format == "json" {
			value := m.Value
			m.Value = nil
			if err := new(formats.Envelope).Decode(value, &m); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
		}
		out = append(out, m)
	}
	return out
}

func TestConformance(t *testing.T) {
	for format, caps := range map[string]connectortest.SinkCaps{
		"value": {ValueOnly: true, Empty: true, Concurrent: true},
		"json": {Keys: true, Headers: true, Tombstones: true, Empty: true, Binary: true, Times: true,
			Topics: true, Partitions: true, Concurrent: true},
	} {
		t.Run(format, func(t *testing.T) {
			connectortest.TestSink(t, connectortest.SinkHarness{Caps: caps, Open: func(t *testing.T) connectortest.Destination {
				var out bytes.Buffer
				sink, err := stdoutsink.New(stdoutsink.Config{Format: format}, block.Env{Stdout: &out})
				if err != nil {
					t.Fatal(err)
				}
				return connectortest.Destination{Sink: sink, Topic: "t",
					Stored: func(t *testing.T) []connector.Message { return printed(t, format, out.String()) },
					Bad:    &connector.Message{Partition: connector.AnyPartition}} // a tombstone without a key
			}})
		})
	}
}

// closedPipe fails in the middle of the second line.
type closedPipe struct{ text bytes.Buffer }

func (c *closedPipe) Write(p []byte) (int, error) {
	n, _ := c.text.Write(p[:min(len(p), 6-min(6, c.text.Len()))])
	return n, errors.New("broken pipe")
}

// TestABrokenOutputStaysBroken asserts that nothing is printed behind half a
// line.
func TestABrokenOutputStaysBroken(t *testing.T) {
	var out closedPipe
	sink, err := stdoutsink.New(stdoutsink.DefaultConfig(), block.Env{Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		sink.Write(t.Context(), []*connector.Message{{Value: []byte("1111")}, {Value: []byte("2222")}}, func(r []connector.Result) {
			for _, r := range r {
				if connector.KindOf(r.Err) != connector.Unavailable || !strings.Contains(r.Err.Error(), "broken pipe") {
					t.Errorf("%v", r.Err)
				}
			}
		})
	}
	if out.text.String() != "1111\n2" {
		t.Errorf("%q", out.text.String())
	}
	if _, err := stdoutsink.New(stdoutsink.DefaultConfig(), block.Env{}); err == nil {
		t.Error("a sink without an output")
	}
	if got := (&stdoutsink.Config{Format: "xml"}).Validate(); len(got) != 1 || got[0].Path != "format" {
		t.Errorf("%+v", got)
	}
}

// TestAReaderThatStoppedDoesNotHoldUpAStop cancels a Write whose output nobody
// takes.
func TestAReaderThatStoppedDoesNotHoldUpAStop(t *testing.T) {
	reader, out := io.Pipe()
	defer reader.Close() // ends the write that is left behind
	sink, err := stdoutsink.New(stdoutsink.DefaultConfig(), block.Env{Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for range 2 {
		sink.Write(ctx, []*connector.Message{{Value: []byte("1")}}, func(r []connector.Result) {
			if connector.KindOf(r[0].Err) != connector.Unavailable || !strings.Contains(r[0].Err.Error(), "nobody takes the output") {
				t.Errorf("%v", r[0].Err)
			}
		})
	}
	if err := sink.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
