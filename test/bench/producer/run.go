package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

func (b *bench) once(ctx context.Context, peer, codec string, size, round int) error {
	w := b.base
	w.peer, w.codec, w.size = peer, codec, size
	w.topic = fmt.Sprintf("%s-%s-%d-%d", peer, codec, size, round)
	want := int64(w.records) + 1 // one to warm up
	if peer == "java" {
		w.records = max(w.records, javaRecords)
		want = int64(w.records)
	}
	if err := b.write(&w); err != nil {
		return err
	}
	// What is deleted must make room at once: a later peer would pay for it.
	at := "100"
	conf := map[string]*string{"file.delete.delay.ms": &at}
	if _, err := b.adm.CreateTopic(ctx, partitions, 1, conf, w.topic); err != nil {
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
	if peer == "java" {
		r, err = readJava(out, w.records)
	} else {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		return err
	}
	r.Records = float64(w.records)
	r.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.Peak = float64(u.Maxrss) / 1024
	}
	n, err := b.count(ctx, w.topic)
	if err != nil {
		return err
	}
	if n != want {
		return fmt.Errorf("the topic holds %d records, want %d", n, want)
	}
	key := fmt.Sprintf("%d\t%s\t%s", size, codec, peer)
	b.runs[key] = append(b.runs[key], r)
	fmt.Fprintf(os.Stderr, "round %d: %d B %s %s: %.0f records/s, %.2f CPU s/M\n", round+1, size, codec, peer,
		r.rate(), r.cpu())
	return nil
}

// write makes the peer's payload file, once a size.
func (b *bench) write(w *work) error {
	name, apart := fmt.Sprint(w.size), ""
	if w.peer == "java" {
		name, apart = name+".lines", "\n"
	}
	w.payload = filepath.Join(b.dir, name)
	if _, err := os.Stat(w.payload); err == nil {
		return nil
	}
	return os.WriteFile(w.payload, payload(w.size, apart), 0o600)
}

func (b *bench) command(ctx context.Context, w work) *exec.Cmd {
	latency := "0"
	if w.latency {
		latency = "1"
	}
	switch w.peer {
	case "java":
		return b.java(ctx, w)
	case "librdkafka":
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
func payload(size int, apart string) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]byte, 0, 4096*size)
	for i := range 4096 {
		rec := fmt.Appendf(nil, `{"id":%d,"customer":"c%05d","amount":%.2f,"status":"paid","note":"`, i, r.IntN(100000), r.Float64()*1000)
		for len(rec) < size {
			rec = append(rec, "abcdefghijklmnopqrstuvwxyz0123456789"[r.IntN(36)])
		}
		out = append(append(out, rec[:size]...), apart...)
	}
	return out
}
