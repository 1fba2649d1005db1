package pipelines_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/pipelines"
)

// define loads the pipeline p.yaml of the current folder, which must be right.
func define(t *testing.T, text string, more map[string]string) *pipelines.Definition {
	t.Helper()
	texts := map[string]string{"p.yaml": text}
	for name, content := range more {
		texts[name] = content
	}
	files(t, texts)
	p, problems := pipelines.Load([]string{"p.yaml"}, pipelines.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return p.Pipelines[0]
}

// once runs d with standard input and returns its counts and what it printed.
func once(t *testing.T, d *pipelines.Definition, stdin string) (connector.Counts, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out bytes.Buffer
	var ledger connector.Ledger
	err := d.Run(ctx, pipelines.Env{Ledger: &ledger, Hard: ctx,
		Plugin: block.Env{Log: slog.New(slog.DiscardHandler), Stdin: strings.NewReader(stdin), Stdout: &out}})
	if ctx.Err() != nil {
		t.Error("the run did not end by itself")
	}
	c := ledger.Counts()
	if c.InFlight() != 0 {
		t.Errorf("%+v: the ledger does not add up", c)
	}
	c.Bytes = 0
	return c, out.String(), err
}

func broker(t *testing.T, topics ...string) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// topic reads n records from the beginning of a topic.
func topic(t *testing.T, k *kfake.Cluster, name string, n int) (out []*kgo.Record) {
	t.Helper()
	peer, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumeTopics(name))
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(out) < n && ctx.Err() == nil {
		peer.PollFetches(ctx).EachRecord(func(r *kgo.Record) { out = append(out, r) })
	}
	if len(out) != n {
		t.Fatalf("topic %s: %d records, want %d", name, len(out), n)
	}
	return out
}

func headers(r *kgo.Record) map[string]string {
	out := map[string]string{}
	for _, h := range r.Headers {
		out[h.Key] = string(h.Value)
	}
	return out
}

const input = "{\"n\":1}\n{\"n\":2}\n{\"n\":NaN}\n{\"n\":4}\n"

// TestLedger counts each record once, whatever way it takes.
func TestLedger(t *testing.T) {
	even := "  - {name: even, type: transformer, connector_type: expression, filter: \"data.n % 2 == 0\"}\n"
	for _, tc := range []struct {
		name, blocks string
		want         connector.Counts
		out, err     string
	}{
		{name: "through", blocks: reads + prints, out: "{\"n\":1}\n{\"n\":2}\n{\"n\":4}\n",
			want: connector.Counts{Read: 4, Acknowledged: 3, DeadLettered: 1}},
		{name: "a filter", blocks: reads + even + prints, out: "{\"n\":2}\n{\"n\":4}\n",
			want: connector.Counts{Read: 4, Acknowledged: 2, DeadLettered: 1, Filtered: 1}},
		{name: "two exporters behind two filters", // 1 is filtered on both sides, 4 on one
			blocks: reads + even + "  - {name: small, type: transformer, connector_type: expression, filter: data.n < 3, upstream_blocks: [even]}\n" +
				"  - {type: data_exporter, connector_type: stdout, upstream_blocks: [small]}\n" +
				"  - {type: data_exporter, connector_type: file, path: all.ndjson, upstream_blocks: [even]}\n",
			out: "{\"n\":2}\n", want: connector.Counts{Read: 4, Acknowledged: 2, DeadLettered: 1, Filtered: 1}},
		{name: "one exporter without dead letters",
			blocks: reads + "  - {type: data_exporter, connector_type: file, path: out.ndjson}\n" +
				"  - {type: data_exporter, connector_type: file, name: b, path: b.ndjson, upstream_blocks: [stdin], dead_letter: {none: true}}\n",
			want: connector.Counts{Read: 4, Acknowledged: 3, Failed: 1}, err: "block b: stdin:3: not JSON at byte 6: NaN"},
		{name: "an expression that fails on a record",
			blocks: reads + "  - {type: transformer, connector_type: expression, data: data.n / data.m}\n" + prints,
			want:   connector.Counts{Read: 4, DeadLettered: 4}},
		{name: "two loaders", blocks: reads + "  - {type: data_loader, connector_type: mock, message_count: 5, message_interval: 0}\n" +
			"  - {type: data_exporter, connector_type: file, path: out.ndjson, upstream_blocks: [stdin, mock]}\n",
			want: connector.Counts{Read: 9, Acknowledged: 8, DeadLettered: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := define(t, "blocks:\n"+tc.blocks, nil)
			got, out, err := once(t, d, input)
			if got != tc.want || out != tc.out {
				t.Errorf("%+v, want %+v; printed %q", got, tc.want, out)
			}
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("error %v, want %q", err, tc.err)
			}
		})
	}
}

// TestDeadLetters follows records that can never be delivered to each place
// that takes them.
func TestDeadLetters(t *testing.T) {
	const nowhere = "{\"data\":4,\"metadata\":{\"dest_topic\":\"nowhere\"}}\n"
	for _, tc := range []struct {
		name, letter, more string
		large              int // bytes of the record that is too large for "orders"
		want               connector.Counts
		topics             int    // letters in the topic
		file, reasons      string // of the letters there
	}{
		{"by default", "{}", nowhere, 2000, connector.Counts{Read: 4, Acknowledged: 1, DeadLettered: 2, Failed: 1}, 0, ".headrace/dead_letters/p.to_kafka.ndjson", "invalid too_large"},
		{"a file", "{path: sub/letters.ndjson}", "", 2000, connector.Counts{Read: 3, Acknowledged: 1, DeadLettered: 2}, 0, "sub/letters.ndjson", "invalid too_large"},
		{"none", "{none: true}", "", 2000, connector.Counts{Read: 3, Acknowledged: 1, Failed: 2}, 0, "", ""},
		{"none in a word", "none", "", 2000, connector.Counts{Read: 3, Acknowledged: 1, Failed: 2}, 0, "", ""},
		{"a topic", "{topic: letters}", nowhere, 2000, connector.Counts{Read: 4, Acknowledged: 1, DeadLettered: 3}, 3, "", ""},
		{"a topic, and a file for what is too large for it", "{topic: letters}", "", 2 << 20, connector.Counts{Read: 3, Acknowledged: 1, DeadLettered: 2}, 1, ".headrace/dead_letters/p.to_kafka.ndjson", "too_large"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := broker(t, "orders", "letters")
			lines := fmt.Sprintf("1\n{\"data\":%q,\"metadata\":{\"key\":\"k\",\"headers\":{\"a\":\"b\"}}}\nNaN\n%s", strings.Repeat("x", tc.large), tc.more)
			d := define(t, fmt.Sprintf("blocks:\n  - {type: data_loader, connector_type: stdin, max_record_bytes: 4MiB}\n  - {name: to_kafka, type: data_exporter, connector_type: kafka, bootstrap_server: %q, topic: orders, max_message_bytes: 1000, timeout_ms: 50, dead_letter: %s}\n",
				k.ListenAddrs()[0], tc.letter), nil)
			start := time.Now()
			got, _, err := once(t, d, lines)
			if got != tc.want || (err != nil) != (tc.want.Failed > 0) {
				t.Errorf("%+v, %v; want %+v", got, err, tc.want)
			}
			if spent := time.Since(start); spent > 10*time.Second {
				t.Errorf("it took %v", spent)
			}
			topic(t, k, "orders", 1)
			for _, r := range topic(t, k, "letters", tc.topics) {
				h := headers(r)
				if h["headrace.pipeline"] != "p" || h["headrace.block"] != "to_kafka" || h["headrace.error"] == "" || h["headrace.time"] == "" ||
					h["headrace.reason"] == "invalid" && (string(r.Value) != "NaN" || h["headrace.topic"] != "orders") ||
					h["headrace.reason"] == "not_found" && h["headrace.topic"] != "nowhere" {
					t.Errorf("letter %q with %v", r.Value, h)
				}
			}
			if tc.file == "" {
				if _, err := os.Stat(".headrace"); err == nil {
					t.Error("a folder for letters was made")
				}
				return
			}
			text, err := os.ReadFile(tc.file)
			if err != nil {
				t.Fatal(err)
			}
			for reason := range strings.FieldsSeq(tc.reasons) {
				if n := strings.Count(string(text), `{"key":"headrace.reason","value":"`+reason+`"}`); n != 1 {
					t.Errorf("reason %s is there %d times: %.500s", reason, n, text)
				}
			}
			if n := strings.Count(string(text), "\n"); n != len(strings.Fields(tc.reasons)) {
				t.Errorf("%d letters: %.500s", n, text)
			}
			if strings.Contains(tc.reasons, "too_large") && !strings.Contains(string(text), `"metadata":{"key":"k","headers":[{"key":"a","value":"b"},`) {
				t.Errorf("the letter lost its key or its own header: %.500s", text[max(0, len(text)-500):])
			}
		})
	}
}

// broken is an input that gives its text and then fails.
type broken struct{ text *strings.Reader }

func (b broken) Read(p []byte) (int, error) {
	if n, err := b.text.Read(p); err == nil {
		return n, nil
	}
	return 0, fmt.Errorf("the line is dead")
}

// TestAnIncompleteRunFinishesNoFile breaks runs off in each way that there is.
// The file of the run before stays, and what was written is kept for the run
// that goes on.
func TestAnIncompleteRunFinishesNoFile(t *testing.T) {
	const text = "blocks:\n  - {type: data_loader, connector_type: stdin, format: text}\n  - {type: data_exporter, connector_type: file, path: out.txt, timeout_ms: 0}\n"
	for _, tc := range []struct {
		name, more string
		stdin      io.Reader
		cancel     bool
		partial    string
	}{
		{name: "the source fails", stdin: broken{strings.NewReader("1\n")}, partial: "1\n"},
		{name: "the run is stopped", cancel: true, stdin: strings.NewReader("1\n"), partial: ""},
		{name: "another block cannot be opened", stdin: strings.NewReader("1\n"), partial: "",
			more: "  - {type: data_exporter, connector_type: file, name: b, path: p.yaml/b.txt, upstream_blocks: [stdin]}\n"},
		{name: "a record fails", stdin: strings.NewReader("1\n"), partial: "1\n",
			more: "  - {type: transformer, connector_type: expression, data: data.n / data.m, upstream_blocks: [stdin]}\n" +
				"  - {type: data_exporter, connector_type: file, name: b, path: b.txt, dead_letter: {none: true}}\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := define(t, text+tc.more, map[string]string{"out.txt": "before\n"})
			ctx, cancel := context.WithCancel(t.Context())
			if tc.cancel {
				cancel()
			}
			defer cancel()
			err := d.Run(ctx, pipelines.Env{Ledger: new(connector.Ledger), Hard: t.Context(),
				Plugin: block.Env{Log: slog.New(slog.DiscardHandler), Stdin: tc.stdin}})
			if err == nil && !tc.cancel {
				t.Error("the run did not fail")
			}
			final, err1 := os.ReadFile("out.txt")
			partial, err2 := os.ReadFile("out.txt.partial")
			if err1 != nil || err2 != nil || string(final) != "before\n" || string(partial) != tc.partial {
				t.Errorf("%q and %q, %v, %v; want the partial file to be %q", final, partial, err1, err2, tc.partial)
			}
		})
	}
}

// TestOneFailingExporterHoldsThePosition has a file go to another file and to
// brokers that are not there. The next run, with brokers, starts at the first
// record that was not everywhere.
func TestOneFailingExporterHoldsThePosition(t *testing.T) {
	text := func(broker string) string {
		return fmt.Sprintf("blocks:\n  - {type: data_loader, connector_type: file, path: in.ndjson}\n"+
			"  - {type: data_exporter, connector_type: file, name: copy, path: copy.ndjson}\n"+
			"  - {name: to_kafka, type: data_exporter, connector_type: kafka, bootstrap_server: %q, topic: orders, upstream_blocks: [file]}\n", broker)
	}
	const n = 1000
	var in strings.Builder
	for i := range n {
		fmt.Fprintf(&in, "%d\n", i)
	}
	k := broker(t, "orders")
	files(t, map[string]string{"p.yaml": text("127.0.0.1:1"), "in.ndjson": in.String()})
	b := newBench(t, t.Context())
	err := b.Once(t.Context(), project(t).Pipelines[0], time.Time{})
	if err == nil || !strings.Contains(err.Error(), "block to_kafka: ") || strings.Contains(err.Error(), "block file: ") {
		t.Errorf("the first run: %v; the exporter is to blame", err)
	}
	if c := b.Counts()["p"]; c.Acknowledged != 0 || c.Failed == 0 || c.Failed != c.Read {
		t.Errorf("%+v; no record is everywhere", c)
	}
	write(t, "p.yaml", text(k.ListenAddrs()[0]))
	before := b.Counts()["p"]
	if err := b.Once(t.Context(), project(t).Pipelines[0], time.Time{}); err != nil {
		t.Fatal(err)
	}
	if c := b.Counts()["p"]; c.Read-before.Read != n || c.Acknowledged != n {
		t.Errorf("%+v after %+v", c, before)
	}
	for i, r := range topic(t, k, "orders", n) {
		if string(r.Value) != fmt.Sprint(i) {
			t.Fatalf("record %d is %q", i, r.Value)
		}
	}
	if copies := read(t, "copy.ndjson"); !strings.HasSuffix(copies, in.String()) || strings.Count(copies, "\n") < n {
		t.Errorf("the copy holds %d records", strings.Count(copies, "\n"))
	}
}
