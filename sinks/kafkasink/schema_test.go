package kafkasink_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rcrowley/go-metrics"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/pipelines"
)

func TestMain(m *testing.M) {
	metrics.UseNilMetrics = true // else the client library keeps a ticker
	goleak.VerifyTestMain(m)
}

const user = `{"type":"record","name":"User","namespace":"x","fields":[{"name":"id","type":"int"}]}`

// bench is a broker with the topic t, a registry, and a folder.
type bench struct {
	t        *testing.T
	dir      string
	broker   *kfake.Cluster
	registry *srfake.Registry
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), registry: srfake.New()}
	t.Cleanup(b.registry.Close)
	var err error
	if b.broker, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.broker.Close)
	return b
}

// load makes a pipeline that exports lines with the keys of an exporter block.
func (b *bench) load(lines, keys string) (*pipelines.Project, error) {
	b.t.Helper()
	for name, text := range map[string]string{
		"in.ndjson":     lines,
		"headrace.yaml": fmt.Sprintf("clusters: {main: {bootstrap_server: %q}}\nschema_registry: {url: %q}\nstate: {path: state}\n", b.broker.ListenAddrs()[0], b.registry.URL()),
		"pipelines/p.yaml": "blocks:\n  - {type: data_loader, connector_type: file, path: in.ndjson}\n" +
			"  - {type: data_exporter, name: out, connector_type: kafka, topic: t, dead_letter: {path: dead.ndjson}, " + keys + "}\n",
	} {
		path := filepath.Join(b.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	p, problems := pipelines.Load([]string{b.dir}, pipelines.Options{})
	return p, problems.Err()
}

func (b *bench) run(ctx context.Context, lines, keys string) (connector.Counts, error) {
	b.t.Helper()
	p, err := b.load(lines, keys)
	if err != nil {
		b.t.Fatal(err)
	}
	var ledger connector.Ledger
	err = p.Pipelines[0].Run(ctx, pipelines.Env{Plugin: block.Env{Dir: b.dir, Log: slog.New(slog.DiscardHandler)}, Ledger: &ledger, Hard: ctx})
	return ledger.Counts(), err
}

// stored reads n records of topic t, as key=value.
func (b *bench) stored(n int) []string {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.broker.ListenAddrs()...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Second)
	defer cancel()
	var out []string
	for len(out) < n {
		f := client.PollFetches(ctx)
		if err := f.Err0(); err != nil {
			b.t.Fatal(err)
		}
		f.EachRecord(func(r *kgo.Record) { out = append(out, fmt.Sprintf("%q=%q", r.Key, r.Value)) })
	}
	return out
}

func TestFormats(t *testing.T) {
	for _, c := range []struct {
		name, keys, lines string
		seed              sr.Schema
		want              []string
	}{
		{"avro, latest", `value_format: avro`, `{"id":1}` + "\n" + `{"id":2}`, sr.Schema{Schema: user},
			[]string{`""="\x00\x00\x00\x00\x01\x02"`, `""="\x00\x00\x00\x00\x01\x04"`}},
		{"avro of plain JSON", `value_format: avro, value_schema: {plain_json: true}`, `{"a":"x"}` + "\n" + `{}`,
			sr.Schema{Schema: `{"type":"record","name":"R","fields":[{"name":"a","type":["null","string"]}]}`},
			[]string{`""="\x00\x00\x00\x00\x01\x02\x02x"`, `""="\x00\x00\x00\x00\x01\x00"`}},
		{"avro, with a tombstone", `value_format: avro`, `{"data":null,"metadata":{"key":"k"}}`, sr.Schema{Schema: user}, []string{`"k"=""`}},
		{"protobuf, a text", `value_format: protobuf, value_schema: {text: 'syntax = "proto3"; message M { bool b = 1; }'}`, `{"b":true}`,
			sr.Schema{}, []string{`""="\x00\x00\x00\x00\x01\x00\b\x01"`}},
		{"protobuf, a message", `value_format: protobuf, value_schema: {message: M2}`, `{"b":true}`,
			sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; message M { bool b = 1; } message M2 { bool b = 1; }`}, []string{`""="\x00\x00\x00\x00\x01\x02\x02\b\x01"`}},
		{"jsonschema, an id", `value_format: jsonschema, value_schema: {id: 1}`, `{"id":1}`, sr.Schema{Type: sr.TypeJSON, Schema: `{"required":["id"]}`},
			[]string{`""="\x00\x00\x00\x00\x01{\"id\":1}"`}},
		{"a key", `key_format: avro, key_schema: {text: '"string"'}`, `{"data":7,"metadata":{"key":"k"}}` + "\n" + `{"data":8,"metadata":{"key":9}}`, sr.Schema{},
			[]string{`"\x00\x00\x00\x00\x01\x02k"="7"`, `"\x00\x00\x00\x00\x01\x029"="8"`}},
		{"a key that is a number", `key_format: avro, key_schema: {text: '"long"'}`, `{"data":8,"metadata":{"key":9}}`, sr.Schema{},
			[]string{`"\x00\x00\x00\x00\x01\x12"="8"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			if c.seed.Schema != "" {
				b.registry.SeedSchema("t-value", 1, 1, c.seed)
			}
			counts, err := b.run(t.Context(), c.lines, c.keys)
			if err != nil || counts.Acknowledged != int64(len(c.want)) {
				t.Fatalf("%+v, %v", counts, err)
			}
			if diff := cmp.Diff(c.want, b.stored(len(c.want))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Records that do not fit go to the dead letters, as they were read; the
// others are written, in order.
func TestWhatDoesNotFitIsDeadLettered(t *testing.T) {
	b := newBench(t)
	b.registry.SeedSchema("t-value", 1, 1, sr.Schema{Schema: user})
	counts, err := b.run(t.Context(), `{"id":1}`+"\n"+`{"id":"secret"}`+"\n"+`{"id":3}`+"\n"+`{}`, `value_format: avro`)
	if err != nil || counts.Acknowledged != 2 || counts.DeadLettered != 2 {
		t.Fatalf("%+v, %v", counts, err)
	}
	if diff := cmp.Diff([]string{`""="\x00\x00\x00\x00\x01\x02"`, `""="\x00\x00\x00\x00\x01\x06"`}, b.stored(2)); diff != "" {
		t.Error(diff)
	}
	dead, err := os.ReadFile(filepath.Join(b.dir, "dead.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	letters := strings.Split(strings.TrimSpace(string(dead)), "\n")
	if len(letters) != 2 || !json.Valid([]byte(letters[0])) || !strings.Contains(letters[0], `secret`) ||
		!strings.Contains(letters[0], `value: $.id: expected an int, got a string`) || !strings.Contains(letters[0], "invalid") {
		t.Errorf("%s", dead)
	}
}

// What a person has to mend elsewhere fails the run and buries nothing.
func TestFaultsOfTheRegistryFailTheRun(t *testing.T) {
	for _, c := range []struct {
		name, keys string
		status     int
		want       string
	}{
		{"no subject", `value_format: avro`, 0, "get version latest of subject t-value: 40401"},
		{"broken schema", `value_format: avro, value_schema: {text: "{"}`, 0, "the Avro schema is not valid"},
		{"not registered", `value_format: avro, value_schema: {text: '"int"', register: false}`, 0, "look up a schema under subject t-value: 40401"},
		{"credentials", `value_format: avro`, 401, "check the credentials of schema_registry"},
		{"another type", `value_format: protobuf, value_schema: {subject: a}`, 0, "the schema is of type AVRO, not PROTOBUF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.registry.SeedSchema("a", 1, 1, sr.Schema{Schema: user})
			if c.status != 0 {
				b.registry.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
					w.WriteHeader(c.status)
					return true
				})
			}
			counts, err := b.run(t.Context(), `{"id":1}`, c.keys)
			if err == nil || !strings.Contains(err.Error(), c.want) || counts.Failed != 1 {
				t.Errorf("%+v, %v\nwant %s", counts, err, c.want)
			}
		})
	}
}

// While the registry is away records wait; nothing is lost and nothing buried.
func TestRecordsWaitForTheRegistry(t *testing.T) {
	b := newBench(t)
	b.registry.SeedSchema("t-value", 1, 1, sr.Schema{Schema: user})
	var refused atomic.Int32
	b.registry.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		if refused.Add(1) > 6 {
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	counts, err := b.run(t.Context(), `{"id":1}`, `value_format: avro`)
	if err != nil || counts.Acknowledged != 1 || refused.Load() <= 6 {
		t.Errorf("%+v, %v after %d calls", counts, err, refused.Load())
	}
	// The end of patience ends the wait.
	refused.Store(-1 << 30)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	counts, err = b.run(ctx, `{"id":1}`, `value_format: avro, value_schema: {version: 1}`)
	if err == nil || counts.Failed != 1 || errors.Is(t.Context().Err(), context.Canceled) {
		t.Errorf("%+v, %v", counts, err)
	}
}

// A block's own registry gets the block's credentials, which no error shows.
func TestCredentials(t *testing.T) {
	b := newBench(t)
	closed := srfake.New(srfake.WithAuth("Basic dXNlcjpwYXNzd29yZC0xMjM=")) // user:password-123
	t.Cleanup(closed.Close)
	closed.SeedSchema("t-value", 1, 1, sr.Schema{Schema: user})
	keys := func(password string) string {
		return fmt.Sprintf("value_format: avro, schema_registry: {url: %q, username: user, password: %s}", closed.URL(), password)
	}
	counts, err := b.run(t.Context(), `{"id":1}`, keys("password-123"))
	if err != nil || counts.Acknowledged != 1 {
		t.Errorf("%+v, %v", counts, err)
	}
	counts, err = b.run(t.Context(), `{"id":2}`+"\n"+`{"id":3}`, keys("wrong-456"))
	if err == nil || counts.Failed == 0 || counts.DeadLettered > 0 || strings.Contains(err.Error(), "456") || !strings.Contains(err.Error(), "credentials of schema_registry") {
		t.Errorf("%+v, %v", counts, err)
	}
}

func TestBadKeys(t *testing.T) {
	for _, c := range []struct{ name, keys, want string }{
		{"unknown format", `value_format: avroo`, "value_format must be one of json, avro, protobuf, jsonschema; did you mean avro?"},
		{"key without format", `value_schema: {id: 1}`, "value_schema needs a format of avro, protobuf or jsonschema"},
		{"two ways", `value_format: avro, value_schema: {id: 1, version: 1}`, "id, version, text and file exclude each other"},
		{"subject and strategy", `value_format: avro, value_schema: {subject: a, subject_name_strategy: TOPIC_NAME}`, "exclude each other"},
		{"strategy without schema", `value_format: avro, value_schema: {subject_name_strategy: RECORD_NAME}`, "needs id, text or file"},
		{"message", `value_format: avro, value_schema: {message: M}`, "message is for the format protobuf"},
		{"plain JSON", `value_format: jsonschema, value_schema: {plain_json: true}`, "plain_json is for the format avro"},
		{"negative", `key_format: avro, key_schema: {id: -1}`, "must be more than 0"},
		{"no file", `value_format: avro, value_schema: {file: no.avsc}`, "file cannot be read: it does not exist"},
		{"url", `value_format: avro, schema_registry: {url: "localhost"}`, "is not an address"},
		{"timeout", `value_format: avro, schema_registry: {url: "http://r", timeout: 0s}`, "timeout must be more than 0"},
		{"cache", `value_format: avro, schema_registry: {url: "http://r", cache_size: 0}`, "cache_size must be 1 to 100000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := newBench(t).load("", c.keys)
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "schema_registry.", ""), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func TestFileOfASchema(t *testing.T) {
	b := newBench(t)
	if err := os.WriteFile(filepath.Join(b.dir, "user.avsc"), []byte(user), 0o600); err != nil {
		t.Fatal(err)
	}
	counts, err := b.run(t.Context(), `{"id":1}`, `value_format: avro, value_schema: {file: user.avsc, subject_name_strategy: RECORD_NAME}`)
	if err != nil || counts.Acknowledged != 1 {
		t.Fatalf("%+v, %v", counts, err)
	}
	if _, ok := b.registry.GetSchema("x.User", 1); !ok {
		t.Error("the schema is not registered under the record's name")
	}
}

// No registry anywhere is found before anything runs.
func TestNoRegistry(t *testing.T) {
	b := newBench(t)
	if _, err := b.load("", `value_format: avro`); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "headrace.yaml"), []byte("clusters: {main: {bootstrap_server: 'b:9092'}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, problems := pipelines.Load([]string{b.dir}, pipelines.Options{})
	if err := problems.Err(); err == nil || !strings.Contains(err.Error(), "needs a Schema Registry") {
		t.Error(err)
	}
}
