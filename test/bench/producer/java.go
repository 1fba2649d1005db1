package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// javaRecords are enough for a JVM to be warm most of the time.
const javaRecords = 5_000_000

// java is Kafka's own measuring tool, with batches as large as the others'.
func (b *bench) java(ctx context.Context, w work) *exec.Cmd {
	return exec.CommandContext(ctx, "java", "-Xmx1g", "-cp", b.libs+"/*", "org.apache.kafka.tools.ProducerPerformance",
		"--topic", w.topic, "--num-records", strconv.Itoa(w.records), "--payload-file", w.payload, "--throughput", "-1",
		"--bootstrap-server", w.broker, "--command-property", "acks=all", "enable.idempotence=true", "linger.ms=5",
		"batch.size=1000000", "buffer.memory=67108864", "compression.type="+w.codec)
}

var javaRate = regexp.MustCompile(`(?m)^(\d+) records sent, ([\d.]+) records/sec.*99\.9th`)

// readJava takes the result from the tool's last line.
func readJava(out []byte, records int) (result, error) {
	m := javaRate.FindSubmatch(out)
	if m == nil || string(m[1]) != strconv.Itoa(records) {
		return result{}, fmt.Errorf("read ProducerPerformance's result: no line with %d records in:\n%s", records, out)
	}
	rate, err := strconv.ParseFloat(string(m[2]), 64)
	return result{Seconds: float64(records) / rate}, err
}
