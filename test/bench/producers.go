package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// producers runs the producer's own measurement on the same broker: a process
// for each of its runs, so that no peer pays for another one's memory.
func (b *bench) producers(ctx context.Context, quick bool) error {
	bin := filepath.Join(b.out, "producer")
	build := exec.CommandContext(ctx, "go", "build", "-o", bin, "./test/bench/producer")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the producer's measurement: %w\n%s", err, out)
	}
	rate, latency := []string{"-broker", b.kafka.addr}, []string{"-broker", b.kafka.addr, "-latency", "10000", "-sizes", "100", "-codecs", "none"}
	if quick {
		rate = append(rate, "-rounds", "1", "-records", "200000", "-peers", "headrace,librdkafka,sarama")
		latency = append(latency, "-rounds", "1")
	}
	for _, args := range [][]string{rate, latency} {
		c := exec.CommandContext(ctx, bin, args...)
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		if err := c.Run(); err != nil {
			return fmt.Errorf("measure the producer: %w", err)
		}
	}
	return nil
}
