package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/headrace/headrace/connector/plugin"
	"github.com/headrace/headrace/pipelines"
	"github.com/headrace/headrace/pipelines/state"
)

// profile runs W1's pipeline in this process and writes where its CPU time
// went and what its memory was, for `go tool pprof`.
func (b *bench) profile(ctx context.Context) error {
	const topic = "profile"
	if err := b.kafka.topic(ctx, topic); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "headrace-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	j := job{broker: b.kafka.addr, topic: topic, file: b.data, lines: b.lines, dir: dir}
	if _, err := b.headraceExport(j); err != nil {
		return err
	}
	p, problems := pipelines.Load([]string{filepath.Join(dir, "bench.yaml")}, pipelines.Options{})
	if err := problems.Err(); err != nil {
		return err
	}
	store, err := state.Open(filepath.Join(dir, "state"))
	if err != nil {
		return err
	}
	defer store.Close()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s := &pipelines.Supervisor{Plugin: plugin.Env{Log: log, Dir: dir, Stdin: strings.NewReader(""), Stdout: os.Stdout}, Log: log, State: store, Hard: ctx}

	cpu, err := os.Create(filepath.Join(b.out, "cpu.prof"))
	if err != nil {
		return err
	}
	defer cpu.Close()
	runtime.MemProfileRate = 64 << 10
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	err = s.Once(ctx, p.Pipelines[0], time.Time{})
	pprof.StopCPUProfile()
	if err != nil {
		return err
	}
	heap, err := os.Create(filepath.Join(b.out, "heap.prof"))
	if err != nil {
		return err
	}
	defer heap.Close()
	if err := pprof.Lookup("allocs").WriteTo(heap, 0); err != nil {
		return err
	}
	_, err = fmt.Printf("go tool pprof -top %s\ngo tool pprof -top -sample_index=alloc_space %s\n", cpu.Name(), heap.Name())
	return err
}
