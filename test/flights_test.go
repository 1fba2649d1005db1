//go:build integration

package test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/test/services"
)

// flightsPipeline exports the departures to the topic.
func flightsPipeline(t *testing.T, bootstrap string, to *topic, exporterKeys string) string {
	t.Helper()
	return fmt.Sprintf(`name: flights
blocks:
  - name: departures
    type: data_loader
    connector_type: file
    path: %q
    format: csv
    default_type: auto
    null_values: [NA]
  - name: to_kafka
    type: data_exporter
    connector_type: kafka
    bootstrap_server: %q
    topic: %q
%s`, services.Flights(t), bootstrap, to.name, exporterKeys)
}

// flights are the rows of the file, each joined to one text, and how often
// each occurs.
func flights(t *testing.T) (columns []string, rows map[string]int) {
	t.Helper()
	f, err := os.Open(services.Flights(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows = map[string]int{}
	for _, r := range all[1:] {
		rows[strings.Join(r, "|")]++
	}
	return all[0], rows
}

// rowOf is the row of a record, as flights has it.
func rowOf(columns []string, value []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber() // the digits as they were written
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return "", err
	}
	if len(m) != len(columns) {
		return "", fmt.Errorf("%d columns, want %d", len(m), len(columns))
	}
	cells := make([]string, len(columns))
	for i, c := range columns {
		switch v := m[c].(type) {
		case nil:
			cells[i] = "NA"
		case json.Number:
			cells[i] = v.String()
		case string:
			cells[i] = v
		default:
			return "", fmt.Errorf("column %s is a %T", c, v)
		}
	}
	return strings.Join(cells, "|"), nil
}

// checkFlights reads the topic back: every row is there, nothing else is. It
// returns how many records were there more than once too often.
func checkFlights(t *testing.T, k *topic) (duplicates int) {
	t.Helper()
	columns, rows := flights(t)
	extra, wrong := map[string]int{}, 0
	k.read(func(r *kgo.Record) {
		row, err := rowOf(columns, r.Value)
		if err != nil {
			if wrong++; wrong < 5 {
				t.Errorf("partition %d offset %d: %v", r.Partition, r.Offset, err)
			}
			return
		}
		extra[row]++
	})
	missing, strange := 0, 0
	for row, n := range rows {
		if got := extra[row]; got < n {
			if missing += n - got; missing < 5 {
				t.Errorf("missing: %s", row)
			}
		} else {
			duplicates += got - n
		}
		delete(extra, row)
	}
	for row := range extra {
		if strange++; strange < 5 {
			t.Errorf("not in the file: %s", row)
		}
	}
	if missing+strange+wrong > 0 {
		t.Errorf("%d records missing, %d kinds not in the file, %d unreadable", missing, strange, wrong)
	}
	return duplicates
}

// The main job: a real file to a real Kafka, each record there once.
func TestFlightsExport(t *testing.T) {
	kafka := services.Kafka(t)
	k := newTopic(t, kafka.Bootstrap, "", 6)
	p := newProject(t, map[string]string{"flights.yaml": flightsPipeline(t, kafka.Address(), k, "    batch_size: 1000\n")})
	r := p.run(2*time.Minute, 0, "run", "--once", "flights.yaml")
	if d := checkFlights(t, k); d != 0 {
		t.Errorf("%d duplicates, want none", d)
	}
	want := fmt.Sprintf("read %d = acknowledged %[1]d + dead-lettered 0 + filtered 0 + failed 0", services.FlightsCount)
	if !strings.Contains(r.out.String(), want) {
		t.Errorf("the ledger is not %q:\n%s", want, r.out.String())
	}
}

// A run that was killed goes on after the last position that was kept, which
// is close to where it was killed.
func TestKilledRunGoesOn(t *testing.T) {
	kafka := services.Kafka(t)
	k := newTopic(t, kafka.Bootstrap, "", 6)
	p := newProject(t, map[string]string{"flights.yaml": flightsPipeline(t, kafka.Address(), k, "")})
	r := p.start("run", "--once", "flights.yaml")
	const killAt = services.FlightsCount * 2 / 3
	eventually(t, 2*time.Minute, func() error {
		if n := k.count(); n < killAt {
			return fmt.Errorf("%d records", n)
		}
		return nil
	})
	r.kill()
	p.run(2*time.Minute, 0, "run", "--once", "flights.yaml")
	if d := checkFlights(t, k); d > killAt/2 {
		t.Errorf("%d duplicates of the %d records before the kill: the position was not kept", d, killAt)
	}
}

// The exporter block of Mage's documentation, as it stands, on standard input.
func TestExportWithMageBlock(t *testing.T) {
	kafka := services.Kafka(t)
	k := newTopic(t, kafka.Bootstrap, "", 1)
	p := newProject(t, map[string]string{
		"block.yaml":  fmt.Sprintf("connector_type: kafka\nbootstrap_server: %q\ntopic: %s\napi_version: 0.10.2\nbatch_size: 100\ntimeout_ms: 500\n", kafka.Address(), k.name),
		"data.ndjson": `{"data":{"a":1},"metadata":{"key":"k","time":1700000000000}}` + "\n" + `{"b":2}` + "\n" + `"text"` + "\n",
	})
	in, err := os.Open(p.dir + "/data.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r := p.startReading(in, "export", "--config", "block.yaml")
	if code := r.exit(time.Minute); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, r.err.String())
	}
	var got []string
	k.read(func(r *kgo.Record) { got = append(got, fmt.Sprintf("%s=%s", r.Key, r.Value)) })
	if want := []string{`k={"a":1}`, `={"b":2}`, `="text"`}; strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("topic has %q, want %q", got, want)
	}
	if !strings.Contains(r.err.String(), "api_version") {
		t.Error("no warning that api_version means nothing")
	}
}
