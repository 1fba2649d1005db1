// Command bench measures the binary against its neighbours, all in one run on
// one machine, and prints ratios:
//
//	W1   a file of 1,000,000 JSON lines into a topic of 6 partitions, acks=all
//	W3   W1 with a key that an expression takes out of each record
//	W2a  HTTP, one JSON record a request, 64 connections
//	W2b  HTTP, 100 JSON records a request, 16 connections
//
// and the time from start to ready, the size of the binary, and the producer
// beside librdkafka, sarama and Kafka's tool (test/bench/producer). It starts
// Kafka by itself. Absolute numbers depend on the machine, and on what else it
// does: read the ratios. Every run's records are counted by end offsets. What
// it prints is Markdown, as in docs/performance.md.
//
//	go run ./test/bench [-quick] [-rounds 5] [-works w1,w3,w2a,w2b,start,producer,rest]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/headrace/headrace/test/services"
)

// bench is one run of the command.
type bench struct {
	lines      int
	rounds     int
	warm, load time.Duration
	works      []string

	out    string // folder for data, scratch and results
	data   string
	bin    string // the binary under test
	floor  string
	kafka  *cluster
	result *os.File
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// runLimit ends a run that hangs; a full one takes about a quarter of an hour.
const runLimit = 20 * time.Minute

func run(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, runLimit, fmt.Errorf("stopped after %s", runLimit))
	defer cancel()
	b := &bench{}
	quick := flag.Bool("quick", false, "a tenth of the lines, one round, short load")
	works := flag.String("works", "w1,w3,w2a,w2b,start,producer,rest", "what to measure")
	flag.IntVar(&b.lines, "lines", 1_000_000, "lines of W1")
	flag.IntVar(&b.rounds, "rounds", 5, "interleaved rounds; the tables have medians")
	flag.DurationVar(&b.warm, "warm", 3*time.Second, "warm-up of W2")
	flag.DurationVar(&b.load, "load", 6*time.Second, "measured time of W2")
	flag.StringVar(&b.bin, "bin", "bin/headrace", "the binary to measure")
	flag.StringVar(&b.out, "out", "test/bench/out", "folder for data and results")
	profile := flag.Bool("profile", false, "run W1's pipeline inside this process and write its profiles instead")
	flag.Parse()
	if *quick {
		b.lines, b.rounds, b.warm, b.load = 100_000, 1, time.Second, 3*time.Second
	}
	b.works = strings.Split(*works, ",")
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer b.result.Close()
	k, stopKafka, err := services.StartKafka(ctx, services.KafkaOptions{Heap: "1g"})
	if err != nil {
		return err
	}
	defer stopKafka()
	if b.kafka, err = dial(k); err != nil {
		return err
	}
	defer b.kafka.client.Close()
	if *profile {
		return b.profile(ctx)
	}
	printMachine(os.Stdout)
	var all []result
	for round := 1; round <= b.rounds; round++ {
		peers := slices.Clone(b.peers())
		if round%2 == 0 {
			slices.Reverse(peers) // what follows a heavy neighbour changes
		}
		for _, p := range peers {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			for _, r := range b.measure(ctx, p, round) {
				all = append(all, r)
				if err := b.keep(r); err != nil {
					return err
				}
			}
		}
	}
	printTables(os.Stdout, b.lines, all)
	if slices.Contains(b.works, "rest") {
		if err := b.rest(ctx, os.Stdout); err != nil {
			return err
		}
	}
	if slices.Contains(b.works, "producer") {
		if err := b.producers(ctx, *quick); err != nil {
			return err
		}
	}
	printTargets(os.Stdout, targets(all))
	if *quick {
		fmt.Println("\nA -quick run shows that everything works. Its numbers are those of starting up.")
	}
	if err := b.printBinary(os.Stdout); err != nil {
		return err
	}
	if i := slices.IndexFunc(all, func(r result) bool { return r.Note != "" }); i >= 0 {
		return fmt.Errorf("%s %s: %s", all[i].Work, all[i].Peer, all[i].Note)
	}
	return nil
}

// prepare makes the data and the programs.
func (b *bench) prepare(ctx context.Context) error {
	for _, path := range []*string{&b.out, &b.bin} {
		abs, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = abs
	}
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	b.floor = filepath.Join(b.out, "floor")
	build := exec.CommandContext(ctx, "go", "build", "-o", b.floor, "./test/bench/floor")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the floor: %w\n%s", err, out)
	}
	var err error
	if b.data, err = lines(b.out, b.lines); err != nil {
		return err
	}
	b.result, err = os.Create(filepath.Join(b.out, "results.jsonl"))
	return err
}

// keep shows a result as it comes and writes it down.
func (b *bench) keep(r result) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "round %d %s %s: %.0f records/s, %.2f CPU s/M %s\n", r.Round, r.Work, r.Peer, r.rate(), r.cpuPerMillion(), r.Note)
	_, err = b.result.Write(append(line, '\n'))
	return err
}
