// Command producer measures Headrace's Kafka producer beside librdkafka,
// sarama's AsyncProducer and Kafka's ProducerPerformance: the same records, six
// partitions, acks=all, idempotent, one Apache Kafka broker that it starts
// itself, a process for each run, rounds interleaved, medians printed.
// ProducerPerformance sends 5,000,000 records, so that its JVM is warm.
//
//	go run ./test/bench/producer [-records 1000000] [-rounds 5] [-sizes 100,1024] [-codecs none,lz4]
//	go run ./test/bench/producer -latency 2000    one record at a time
//	make bench BENCH='-works producer'            both
//
// librdkafka needs gcc and Debian's librdkafka-dev. Set TMPDIR to a tmpfs when
// the disk is slower than the producers. Read the CPU seconds before the rates:
// they depend less on what else the machine does.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/test/services"
)

const partitions = 6

// work is what one peer does in one run.
type work struct {
	peer, codec   string
	size, records int
	latency       bool
	broker, topic string
	payload       string // file of records, one behind the other
	profile       string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var w work
	flag.StringVar(&w.peer, "peer", "", "be this peer (used by the command itself)")
	flag.StringVar(&w.broker, "broker", "", "an existing broker instead of one of our own")
	flag.StringVar(&w.topic, "topic", "", "topic of the peer")
	flag.StringVar(&w.payload, "payload", "", "payload file of the peer")
	flag.StringVar(&w.codec, "codec", "none", "codec of the peer")
	flag.IntVar(&w.size, "size", 100, "record size of the peer")
	flag.StringVar(&w.profile, "profile", "", "write a CPU profile of the peer")
	flag.IntVar(&w.records, "records", 1_000_000, "records a run")
	rounds := flag.Int("rounds", 5, "runs of each peer")
	sizes := flag.String("sizes", "100,1024", "record sizes")
	codecs := flag.String("codecs", "none,lz4", "codecs")
	peers := flag.String("peers", "headrace,librdkafka,sarama,java", "who is measured; java is ProducerPerformance")
	latency := flag.Int("latency", 0, "measure this many records one at a time instead")
	flag.Parse()
	if *latency > 0 {
		w.latency, w.records = true, *latency
		*peers = strings.Replace(*peers, ",java", "", 1) // it cannot wait for each record
	}
	if w.peer != "" {
		return w.be(ctx)
	}
	b := &bench{base: w, rounds: *rounds, peers: strings.Split(*peers, ","), codecs: strings.Split(*codecs, ",")}
	for s := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return fmt.Errorf("record size %q: write numbers with commas between them", s)
		}
		b.sizes = append(b.sizes, n)
	}
	return b.run(ctx)
}

type bench struct {
	base   work
	rounds int
	peers  []string
	sizes  []int
	codecs []string

	dir  string
	rd   string // the librdkafka peer, built
	libs string // Kafka's jars
	adm  *kadm.Client
	runs map[string][]result
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "headrace-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if slices.Contains(b.peers, "librdkafka") {
		if err := b.build(ctx); err != nil {
			return err
		}
	}
	if slices.Contains(b.peers, "java") {
		if b.libs, err = services.InstallKafka(); err != nil {
			return err
		}
	}
	if b.base.broker == "" {
		k, stop, err := services.StartKafka(ctx, services.KafkaOptions{Heap: "1g"})
		if err != nil {
			return err
		}
		defer stop()
		b.base.broker = k.Address()
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.base.broker))
	if err != nil {
		return err
	}
	defer cl.Close()
	b.adm = kadm.NewClient(cl)
	b.runs = make(map[string][]result)
	// The broker's JVM is cold: whoever came first would pay for it.
	if err := b.once(ctx, b.peers[0], b.codecs[0], b.sizes[0], -1); err != nil {
		return err
	}
	clear(b.runs)
	for round := range b.rounds {
		for _, size := range b.sizes {
			for _, codec := range b.codecs {
				if err := b.lap(ctx, round, size, codec); err != nil {
					return err
				}
			}
		}
	}
	b.print()
	return nil
}

// lap runs every peer once, in turns from both ends: what follows a heavy
// neighbour changes.
func (b *bench) lap(ctx context.Context, round, size int, codec string) error {
	order := slices.Clone(b.peers)
	if round%2 == 1 {
		slices.Reverse(order)
	}
	for _, peer := range order {
		if err := b.once(ctx, peer, codec, size, round); err != nil {
			return fmt.Errorf("%s, %d B, %s: %w", peer, size, codec, err)
		}
	}
	return nil
}

// build compiles the C peer.
func (b *bench) build(ctx context.Context) error {
	src := filepath.Join(b.dir, "librdkafka.c")
	if err := os.WriteFile(src, librdkafkaC, 0o600); err != nil {
		return err
	}
	b.rd = filepath.Join(b.dir, "librdkafka")
	out, err := exec.CommandContext(ctx, "gcc", "-O2", "-o", b.rd, src, "-lrdkafka").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the librdkafka peer (apt-get install gcc librdkafka-dev, or leave it out with -peers): %w\n%s", err, out)
	}
	return nil
}
