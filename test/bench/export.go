package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

const exportLimit = 5 * time.Minute

// export measures one run of an exporter, from its start to its end.
func (b *bench) export(ctx context.Context, p peer, j job) (result, error) {
	r := result{Work: p.works[0]}
	c, log, err := p.command(j)
	if err != nil {
		return r, err
	}
	broker := cpuOf(b.kafka.pid)
	start := time.Now()
	if err := c.Start(); err != nil {
		return r, err
	}
	r.Peak, err = watch(ctx, c)
	r.Seconds = time.Since(start).Seconds()
	if err != nil {
		return r, fmt.Errorf("%w: %s", err, lastLine(log))
	}
	r.CPU = (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
	r.Broker = (cpuOf(b.kafka.pid) - broker).Seconds()
	if r.Records, err = b.kafka.count(ctx, j.topic); err != nil {
		return r, err
	}
	if r.Records != int64(j.lines) {
		return r, fmt.Errorf("%d records in the topic, want %d: %s", r.Records, j.lines, lastLine(log))
	}
	return r, nil
}

// watch waits for the end of the program and returns its peak memory in MiB.
func watch(ctx context.Context, c *exec.Cmd) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, exportLimit)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	peak := 0.0
	for {
		select {
		case err := <-ended:
			return peak, err
		case <-look.C:
			peak = max(peak, peakOf(c.Process.Pid))
		case <-ctx.Done():
			_ = c.Process.Kill()
			<-ended
			return peak, fmt.Errorf("stopped: %w", ctx.Err())
		}
	}
}

func lastLine(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return all[len(all)-1]
}
