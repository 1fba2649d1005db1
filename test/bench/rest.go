package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What the REST proxy is measured with.
const (
	streamRecords = 500_000
	readRecords   = 100_000 // of 1 KiB, in one partition
	readRounds    = 5
	idleConsumers = 1000
	openConns     = 10_000
)

// rest measures what the tables of W2 do not: a produce stream, reads, idle
// consumers and open connections. Headrace and Kafka share the machine.
func (b *bench) rest(ctx context.Context, out io.Writer) error {
	topic := fmt.Sprintf("rest-%d", time.Now().UnixMilli())
	if err := b.kafka.topic(ctx, topic); err != nil {
		return err
	}
	defer b.kafka.drop(ctx, topic)
	dir, err := os.MkdirTemp("", "headrace-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	j := job{broker: b.kafka.addr, topic: topic, dir: dir}
	if j.listen, err = freeAddr(); err != nil {
		return err
	}
	s, err := launch(ctx, peer{name: "headrace", argv: b.headraceServe, ready: "/-/ready"}, j)
	if err != nil {
		return err
	}
	defer s.stop()
	r := restBench{url: "http://" + j.listen, topic: topic, pid: s.cmd.Process.Pid, out: out}
	id, err := clusterID(j.listen)
	if err != nil {
		return err
	}
	r.cluster = "/v3/clusters/" + id
	r.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}
	defer r.client.CloseIdleConnections()
	fmt.Fprintln(out, "\nREST proxy")
	return errors.Join(r.consumers(ctx), b.fill(ctx, topic), r.reads(ctx), r.stream(ctx), r.connections())
}

type restBench struct {
	url, topic string
	cluster    string // the path of the v3 cluster
	pid        int
	client     *http.Client
	body       bytes.Buffer // of the last read
	out        io.Writer
}

// say prints a measure with the CPU time that it took.
func (r *restBench) say(what string, n float64, unit string, start time.Time, cpu time.Duration) {
	took := time.Since(start)
	fmt.Fprintf(r.out, "  %-36s %10.0f %s in %.1f s, %.2f s of CPU, peak %.0f MiB\n", what, n/took.Seconds(), unit, took.Seconds(), (cpuOf(r.pid) - cpu).Seconds(), peakOf(r.pid))
}

// stream produces on one connection; the answers must come in order.
func (r *restBench) stream(ctx context.Context) error {
	const record = `{"partition_id":1,"value":{"type":"JSON","data":{"id":"000000000001","customer":"c-000123","status":"paid","amount":123.45,"note":"some text"}}}`
	in, w := io.Pipe()
	go func() {
		chunk := []byte(strings.Repeat(record, 100))
		for range streamRecords / 100 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		_ = w.Close()
	}()
	req, err := http.NewRequestWithContext(ctx, "POST", r.url+r.cluster+"/topics/"+r.topic+"/records", in)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	start, cpu := time.Now(), cpuOf(r.pid)
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n := 0
	for lines := bufio.NewScanner(res.Body); lines.Scan(); n++ {
		_, rest, _ := bytes.Cut(lines.Bytes(), []byte(`"offset":`))
		if digits, _, _ := bytes.Cut(rest, []byte(",")); string(digits) != fmt.Sprint(n) {
			return fmt.Errorf("stream: answer %d is %s", n, lines.Text())
		}
	}
	if n != streamRecords {
		return fmt.Errorf("stream: %d of %d answers", n, streamRecords)
	}
	r.say("stream, one connection, in order", streamRecords, "records/s", start, cpu)
	return nil
}

// fill puts what is read into partition 0.
func (b *bench) fill(ctx context.Context, topic string) error {
	value := []byte(strings.Repeat("x", 1024))
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(readRecords))
	if err != nil {
		return err
	}
	defer client.Close()
	var batch []*kgo.Record
	for range readRecords {
		batch = append(batch, &kgo.Record{Topic: topic, Value: value})
	}
	return client.ProduceSync(ctx, batch...).FirstErr()
}

// read gets an answer and counts the marks in it.
func (r *restBench) read(ctx context.Context, path, accept, mark string) (records int, err error) {
	req, err := http.NewRequestWithContext(ctx, "GET", r.url+path, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept", accept)
	res, err := r.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	r.body.Reset()
	_, err = r.body.ReadFrom(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", path, res.StatusCode, r.body.Bytes())
	}
	return bytes.Count(r.body.Bytes(), []byte(mark)), err
}

// reads takes partition 0 from its beginning, without and with a consumer, in
// turns.
func (r *restBench) reads(ctx context.Context) error {
	const consumer = "/consumers/bench/instances/reader"
	partition := fmt.Sprintf(`{"partitions":[{"topic":%q,"partition":0}]}`, r.topic)
	if err := errors.Join(
		r.call(ctx, "POST", "/consumers/bench", `{"name":"reader","format":"binary","fetch.min.bytes":1,"consumer.request.timeout.ms":5000}`),
		r.call(ctx, "POST", consumer+"/assignments", partition)); err != nil {
		return err
	}
	for range readRounds {
		err := r.readAll("read without a consumer, binary", func(next int) (int, error) {
			return r.read(ctx, fmt.Sprintf("%s/topics/%s/partitions/0/records?max_bytes=8388608&offset=%d", r.cluster, r.topic, next), "application/json", `"offset":`)
		})
		if err != nil {
			return err
		}
		if err := r.call(ctx, "POST", consumer+"/positions/beginning", partition); err != nil {
			return err
		}
		err = r.readAll("read of a v2 consumer, binary", func(int) (int, error) {
			return r.read(ctx, consumer+"/records?max_bytes=8388608", "application/vnd.kafka.binary.v2+json", `"offset":`)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *restBench) readAll(what string, read func(next int) (int, error)) error {
	start, cpu := time.Now(), cpuOf(r.pid)
	for next := 0; next < readRecords; {
		n, err := read(next)
		if err != nil || n == 0 {
			return fmt.Errorf("%s at %d: %d records: %w", what, next, n, err)
		}
		next += n
	}
	r.say(what, float64(readRecords)*1024/1e6, "MB/s of values", start, cpu)
	return nil
}

func (r *restBench) call(ctx context.Context, method, path, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/vnd.kafka.v2+json")
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %d %s", path, res.StatusCode, text)
	}
	return err
}

// consumers makes idle members of a group each, weighs them and lets them go.
func (r *restBench) consumers(ctx context.Context) error {
	forgetPeak(r.pid)
	before := residentOf(r.pid)
	start, cpu := time.Now(), cpuOf(r.pid)
	for i := range idleConsumers {
		group := fmt.Sprintf("/consumers/idle-%d", i)
		err := errors.Join(r.call(ctx, "POST", group, `{"name":"i"}`), r.call(ctx, "POST", group+"/instances/i/subscription", fmt.Sprintf(`{"topics":[%q]}`, r.topic)))
		if err != nil {
			return err
		}
	}
	for i := range idleConsumers {
		path := fmt.Sprintf("/consumers/idle-%d/instances/i/assignments", i)
		for n := 0; n < partitions; {
			var err error
			if n, err = r.read(ctx, path, "application/vnd.kafka.v2+json", `"partition":`); err != nil {
				return err
			}
			if n < partitions && time.Since(start) > 5*time.Minute {
				return fmt.Errorf("consumer %d has %d partitions", i, n)
			}
		}
	}
	r.say("making consumers, with their groups", idleConsumers, "consumers/s", start, cpu)
	cpu = cpuOf(r.pid)
	time.Sleep(5 * time.Second) // heartbeats
	after := residentOf(r.pid)
	fmt.Fprintf(r.out, "  %-36s %10.0f MiB, %.0f KiB each; %.1f%% of a CPU\n", fmt.Sprintf("%d idle consumers", idleConsumers), after, (after-before)*1024/idleConsumers, (cpuOf(r.pid)-cpu).Seconds()/5*100)
	for i := range idleConsumers {
		if err := r.call(ctx, "DELETE", fmt.Sprintf("/consumers/idle-%d/instances/i", i), ""); err != nil {
			return err
		}
	}
	return nil
}

// connections opens keep-alive connections, each with a request behind it.
func (r *restBench) connections() error {
	before := residentOf(r.pid)
	conns := make([]net.Conn, 0, openConns)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for range openConns {
		c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			return fmt.Errorf("connection %d: %w", len(conns), err)
		}
		conns = append(conns, c)
		if _, err := io.WriteString(c, "GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		if _, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil); err != nil {
			return fmt.Errorf("connection %d: %w", len(conns), err)
		}
	}
	after := residentOf(r.pid)
	fmt.Fprintf(r.out, "  %-36s %10.0f MiB, %.0f KiB each\n", fmt.Sprintf("%d open connections", openConns), after, (after-before)*1024/openConns)
	return nil
}
