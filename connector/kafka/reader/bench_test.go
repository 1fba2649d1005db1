package reader

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkFetch reads 1 KiB records from one partition, uncompressed.
func BenchmarkFetch(b *testing.B) {
	r, k, _ := start(b)
	kc, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		b.Fatal(err)
	}
	defer kc.Close()
	var batch []*kgo.Record
	for range 32 << 10 {
		batch = append(batch, &kgo.Record{Topic: "t", Value: []byte(strings.Repeat("x", 1024))})
	}
	if err := kc.ProduceSync(b.Context(), batch...).FirstErr(); err != nil {
		b.Fatal(err)
	}
	var read int
	for b.Loop() {
		records, _, err := fetch(b.Context(), r, Request{TP: TP{Topic: "t", Partition: 0}, MaxBytes: 8 << 20})
		if err != nil {
			b.Fatal(err)
		}
		read += 1024 * len(records)
	}
	b.SetBytes(int64(read / b.N))
}
