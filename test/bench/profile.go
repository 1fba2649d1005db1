package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/state"
	"github.com/headrace/headrace/pipelines"
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
	s := &pipelines.Supervisor{Plugin: block.Env{Log: log, Dir: dir, Stdin: strings.NewReader(""), Stdout: os.Stdout}, Log: log, State: store, Hard: ctx}

	cpu, err := os.Create(filepath.Join(b.out, "cpu.prof"))
	if err != nil {
		return err
	}
	defer cpu.Close()
	runtime.MemProfileRate = 64 << 10
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	held := holdPeak()
	err = s.Once(ctx, p.Pipelines[0], time.Time{})
	pprof.StopCPUProfile()
	peak := held()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.out, "peak.prof"), peak, 0o644); err != nil {
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
	_, err = fmt.Printf("go tool pprof -top %s\ngo tool pprof -top -sample_index=alloc_space %s\ngo tool pprof -top %s\n",
		cpu.Name(), heap.Name(), filepath.Join(b.out, "peak.prof"))
	return err
}

// holdPeak takes a heap profile whenever more is alive than ever before. The
// function that it returns ends that and gives the last profile.
func holdPeak() func() []byte {
	end, last := make(chan struct{}), make(chan []byte)
	go func() {
		var most uint64
		var profile bytes.Buffer
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		look := time.NewTicker(10 * time.Millisecond)
		defer look.Stop()
		for {
			select {
			case <-look.C:
			case <-end:
				fmt.Fprintf(os.Stderr, "alive at the peak: %.1f MiB\n", float64(most)/(1<<20))
				last <- profile.Bytes()
				return
			}
			if metrics.Read(live); live[0].Value.Uint64() > most {
				most = live[0].Value.Uint64()
				profile.Reset()
				_ = pprof.Lookup("heap").WriteTo(&profile, 0) // to memory, where it cannot fail
			}
		}
	}()
	return func() []byte { close(end); return <-last }
}
