// Command producer measures Headrace's Kafka producer beside librdkafka and
// sarama's AsyncProducer: the same records, six partitions, acks=all,
// idempotent, one Apache Kafka broker that it starts itself, a process for each
// run, rounds interleaved, medians printed.
//
//	go run ./test/bench/producer [-records 1000000] [-rounds 5] [-sizes 100,1024] [-codecs none,lz4]
//	go run ./test/bench/producer -latency 2000    one record at a time
//
// librdkafka needs gcc and Debian's librdkafka-dev. Set TMPDIR to a tmpfs when
// the disk is slower than the producers. Read the CPU seconds before the rates:
// they depend less on what else the machine does.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

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

// result is what one run prints.
type result struct {
	Seconds float64 `json:"seconds"`
	Allocs  float64 `json:"allocs"` // a record
	CPU     float64 `json:"-"`
	Peak    float64 `json:"-"` // MiB
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
	peers := flag.String("peers", "headrace,librdkafka,sarama", "who is measured")
	latency := flag.Int("latency", 0, "measure this many records one at a time instead")
	flag.Parse()
	if *latency > 0 {
		w.latency, w.records = true, *latency
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
	for round := range b.rounds {
		for _, size := range b.sizes {
			for _, codec := range b.codecs {
				order := slices.Clone(b.peers)
				if round%2 == 1 {
					slices.Reverse(order)
				}
				for _, peer := range order {
					if err := b.once(ctx, peer, codec, size, round); err != nil {
						return fmt.Errorf("%s, %d B, %s: %w", peer, size, codec, err)
					}
				}
			}
		}
	}
	b.print()
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

func (b *bench) once(ctx context.Context, peer, codec string, size, round int) error {
	w := b.base
	w.peer, w.codec, w.size = peer, codec, size
	w.topic = fmt.Sprintf("%s-%s-%d-%d", peer, codec, size, round)
	w.payload = filepath.Join(b.dir, fmt.Sprint(size))
	if _, err := os.Stat(w.payload); err != nil {
		if err := os.WriteFile(w.payload, payload(size), 0o600); err != nil {
			return err
		}
	}
	if _, err := b.adm.CreateTopic(ctx, partitions, 1, nil, w.topic); err != nil {
		return err
	}
	defer b.adm.DeleteTopic(ctx, w.topic) // one that stays only takes room
	if _, err := b.count(ctx, w.topic); err != nil {
		return err
	}
	cmd := b.command(ctx, w)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		return err
	}
	r.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.Peak = float64(u.Maxrss) / 1024
	}
	n, err := b.count(ctx, w.topic)
	if err != nil {
		return err
	}
	if n != int64(w.records)+1 {
		return fmt.Errorf("the topic holds %d records, want %d and the one to warm up", n, w.records)
	}
	key := fmt.Sprintf("%d\t%s\t%s", size, codec, peer)
	b.runs[key] = append(b.runs[key], r)
	fmt.Fprintf(os.Stderr, "round %d: %d B %s %s: %.0f records/s, %.2f CPU s/M\n", round+1, size, codec, peer,
		float64(w.records)/r.Seconds, r.CPU/float64(w.records)*1e6)
	return nil
}

func (b *bench) command(ctx context.Context, w work) *exec.Cmd {
	latency := "0"
	if w.latency {
		latency = "1"
	}
	if w.peer == "librdkafka" {
		return exec.CommandContext(ctx, b.rd, w.broker, w.topic, w.payload, strconv.Itoa(w.size), strconv.Itoa(w.records), w.codec, latency)
	}
	args := []string{"-peer", w.peer, "-broker", w.broker, "-topic", w.topic, "-payload", w.payload, "-codec", w.codec,
		"-size", strconv.Itoa(w.size), "-records", strconv.Itoa(w.records)}
	if w.latency {
		args = append(args, "-latency", strconv.Itoa(w.records))
	}
	if w.profile != "" && w.peer == "headrace" {
		args = append(args, "-profile", fmt.Sprintf("%s-%d-%s", w.profile, w.size, w.codec))
	}
	return exec.CommandContext(ctx, os.Args[0], args...)
}

// count sums the end offsets once all partitions answer.
func (b *bench) count(ctx context.Context, topic string) (n int64, err error) {
	for try := 0; try < 100; try++ {
		var offsets kadm.ListedOffsets
		if offsets, err = b.adm.ListEndOffsets(ctx, topic); err == nil {
			err = offsets.Error()
		}
		n, found := int64(0), 0
		offsets.Each(func(o kadm.ListedOffset) { n += o.Offset; found++ })
		if err == nil && found == partitions {
			return n, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return 0, fmt.Errorf("count %s: %w", topic, err)
}

// payload makes records of text that compresses as logs and events do.
func payload(size int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]byte, 0, 4096*size)
	for i := range 4096 {
		rec := fmt.Appendf(nil, `{"id":%d,"customer":"c%05d","amount":%.2f,"status":"paid","note":"`, i, r.IntN(100000), r.Float64()*1000)
		for len(rec) < size {
			rec = append(rec, "abcdefghijklmnopqrstuvwxyz0123456789"[r.IntN(36)])
		}
		out = append(out, rec[:size]...)
	}
	return out
}

func (b *bench) print() {
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	what := "records/s"
	if b.base.latency {
		what = "us a record"
	}
	fmt.Fprintf(tw, "bytes\tcodec\tpeer\t%s\tto the first\tCPU s/M\tallocs\tMiB\t\n", what)
	for _, size := range b.sizes {
		for _, codec := range b.codecs {
			var first float64
			for _, peer := range b.peers {
				runs := b.runs[fmt.Sprintf("%d\t%s\t%s", size, codec, peer)]
				n := float64(b.base.records)
				v := n / median(runs, func(r result) float64 { return r.Seconds })
				if b.base.latency {
					v = 1e6 / v
				}
				if first == 0 {
					first = v
				}
				fmt.Fprintf(tw, "%d\t%s\t%s\t%.0f\t%.2f\t%.2f\t%.3f\t%.0f\t\n", size, codec, peer, v, v/first,
					median(runs, func(r result) float64 { return r.CPU })/n*1e6,
					median(runs, func(r result) float64 { return r.Allocs }),
					median(runs, func(r result) float64 { return r.Peak }))
			}
		}
	}
	_ = tw.Flush() // to a terminal or pipe; nobody else to tell
}

func median(runs []result, of func(result) float64) float64 {
	var vs []float64
	for _, r := range runs {
		vs = append(vs, of(r))
	}
	slices.Sort(vs)
	return vs[len(vs)/2]
}
