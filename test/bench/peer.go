package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/headrace/headrace/test/services"
)

// job is what a peer has to do.
type job struct {
	broker, topic string
	listen        string // host:port of an HTTP peer
	file          string
	lines         int
	dir           string // scratch
}

// peer is one program that is measured.
type peer struct {
	name  string
	works []string
	argv  func(job) ([]string, error)
	dress dress // the requests of an HTTP peer
	ready string
}

// peers returns those of the wanted works.
func (b *bench) peers() []peer {
	all := []peer{
		{name: "headrace", works: []string{"w1"}, argv: b.headraceExport},
		{name: "kcat", works: []string{"w1"}, argv: kcat},
		{name: "perf-producer", works: []string{"w1"}, argv: perfProducer},
		{name: "headrace keyed", works: []string{"w3"}, argv: b.headraceKeyed},
		{name: "headrace v2", works: []string{"w2a", "w2b"}, argv: b.headraceServe, dress: restV2, ready: "/-/ready"},
		{name: "headrace v3", works: []string{"w2a", "w2b"}, argv: b.headraceServe, dress: restV3, ready: "/-/ready"},
		{name: "floor", works: []string{"w2a", "w2b"}, argv: b.floorServe, dress: restV2, ready: "/"},
		{name: "headrace", works: []string{"start"}, argv: b.headraceServe, ready: "/-/ready"},
		{name: "headrace", works: []string{"start"}, argv: b.headraceServe, ready: "/-/ready"}, // ten starts in five rounds
	}
	var wanted []peer
	for _, p := range all {
		p.works = slices.DeleteFunc(p.works, func(w string) bool { return !slices.Contains(b.works, w) })
		if len(p.works) > 0 {
			wanted = append(wanted, p)
		}
	}
	return wanted
}

// measure runs the peer once at each of its works.
func (b *bench) measure(ctx context.Context, p peer, round int) []result {
	topic := fmt.Sprintf("%s-%d-%d", strings.ReplaceAll(p.name, " ", "-"), round, time.Now().UnixMilli())
	fail := func(err error) []result {
		var rs []result
		for _, w := range p.works {
			rs = append(rs, result{Peer: p.name, Work: w, Round: round, Note: err.Error()})
		}
		return rs
	}
	if err := b.kafka.topic(ctx, topic); err != nil {
		return fail(err)
	}
	defer b.kafka.drop(ctx, topic)
	dir, err := os.MkdirTemp("", "headrace-bench-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	j := job{broker: b.kafka.addr, topic: topic, file: b.data, lines: b.lines, dir: dir}
	var rs []result
	switch p.works[0] {
	case "w1", "w3":
		var r result
		r, err = b.export(ctx, p, j)
		rs = []result{r}
	case "start":
		var r result
		r, err = b.startTime(ctx, p, j)
		rs = []result{r}
	default:
		rs, err = b.serve(ctx, p, j)
	}
	if err != nil {
		return fail(err)
	}
	for i := range rs {
		rs[i].Peer, rs[i].Round = p.name, round
	}
	return rs
}

// command prepares the program; its output goes to a file in its folder.
func (p peer) command(j job) (*exec.Cmd, string, error) {
	argv, err := p.argv(j)
	if err != nil {
		return nil, "", err
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, "", fmt.Errorf("find %s: %w; Debian has kcat in the package kcat, and make build makes the binary", argv[0], err)
	}
	log := filepath.Join(j.dir, "log")
	out, err := os.Create(log)
	if err != nil {
		return nil, "", err
	}
	c := exec.Command(path, argv[1:]...)
	c.Dir, c.Stdout, c.Stderr = j.dir, out, out
	return c, log, nil
}

func kcat(j job) ([]string, error) {
	return []string{"kcat", "-P", "-q", "-b", j.broker, "-t", j.topic, "-X", "acks=all", "-X", "linger.ms=5",
		"-X", "partitioner=murmur2_random", "-X", "sticky.partitioning.linger.ms=10",
		"-X", "queue.buffering.max.messages=1000000", "-l", j.file}, nil
}

// perfProducer makes its payloads in memory: it reads no file and sends no key.
func perfProducer(j job) ([]string, error) {
	libs, err := services.InstallKafka()
	return []string{"java", "-Xmx1g", "-cp", libs + "/*", "org.apache.kafka.tools.ProducerPerformance", "--topic", j.topic,
		"--num-records", fmt.Sprint(j.lines), "--record-size", "184", "--throughput", "-1", "--bootstrap-server", j.broker,
		"--command-property", "acks=all", "linger.ms=5", "batch.size=131072"}, err
}

func (b *bench) headraceExport(j job) ([]string, error) { return b.pipeline(j, "") }

// headraceKeyed gives each record a key that is in it.
func (b *bench) headraceKeyed(j job) ([]string, error) {
	return b.pipeline(j, `  - name: keyed
    type: transformer
    connector_type: expression
    key: "data.id"
`)
}

// pipeline writes W1's pipeline with a block between its two.
func (b *bench) pipeline(j job, between string) ([]string, error) {
	file := filepath.Join(j.dir, "bench.yaml")
	return []string{b.bin, "run", "--once", file}, os.WriteFile(file, fmt.Appendf(nil, `name: bench
blocks:
  - name: lines
    type: data_loader
    connector_type: file
    path: %q
    format: ndjson
%s  - name: to_kafka
    type: data_exporter
    connector_type: kafka
    bootstrap_server: %q
    topic: %q
    batch_size: 10000
    timeout_ms: 5
`, j.file, between, j.broker, j.topic), 0o644)
}

func (b *bench) headraceServe(j job) ([]string, error) {
	file := filepath.Join(j.dir, "headrace.yaml")
	return []string{b.bin, "run", j.dir}, os.WriteFile(file, fmt.Appendf(nil,
		"clusters:\n  main: {bootstrap_server: %q}\nhttp: {listen: %q}\n", j.broker, j.listen), 0o644)
}

func (b *bench) floorServe(j job) ([]string, error) {
	return []string{b.floor, j.broker, j.listen}, nil
}
