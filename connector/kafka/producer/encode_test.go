package producer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/headrace/headrace/connector"
)

// TestOtherDecoder: sarama's consumer, whose decoder is nobody's here, reads
// what was encoded, from topics that share requests, with every codec and with
// the layouts of old and new brokers.
func TestOtherDecoder(t *testing.T) {
	brokers := map[string]*kversion.Versions{"2.1": kversion.V2_1_0(), "2.8": kversion.V2_8_0(), "new": kversion.Stable()}
	for name, version := range brokers {
		for codec := sarama.CompressionNone; codec <= sarama.CompressionZSTD; codec++ {
			t.Run(name+" "+codec.String(), func(t *testing.T) {
				t.Parallel()
				c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "a", "b"), kfake.MaxVersions(version))
				p := start(t, c, "", func(c *Config) { c.Compression = codec })
				random := rand.New(rand.NewPCG(1, 2))
				var ms []*connector.Message
				for i := range 400 {
					m := &connector.Message{
						Topic: string(rune('a' + i%2)), Partition: int32(i / 2 % 2), Key: fmt.Appendf(nil, "k%d", i),
						Value: bytes.Repeat([]byte("abc"), i*2), Time: time.UnixMilli(int64(1_700_000_000_000 + i%7*1000)),
						Headers: []connector.Header{{Key: "h", Value: fmt.Append(nil, i)}},
					}
					if i%3 == 0 {
						for k := range m.Value {
							m.Value[k] = byte(random.Uint32()) // nothing to compress
						}
					}
					ms = append(ms, m)
				}
				results := send(t, p, ms...)
				for i, r := range results {
					if r.Err != nil {
						t.Fatalf("record %d: %v", i, r.Err)
					}
				}
				readWithSarama(t, c, ms, results)
			})
		}
	}
}

func readWithSarama(t *testing.T, c *kfake.Cluster, ms []*connector.Message, results []connector.Result) {
	t.Helper()
	conf := clientConfig()
	conf.Consumer.MaxWaitTime = 20 * time.Millisecond // closing waits for a fetch
	consumer, err := sarama.NewConsumerFromClient(client(t, c, conf))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	for _, topic := range []string{"a", "b"} {
		for part := range int32(2) {
			pc, err := consumer.ConsumePartition(topic, part, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer pc.Close()
			for i, m := range ms {
				if m.Topic != topic || results[i].Partition != part {
					continue
				}
				select {
				case got := <-pc.Messages():
					if got.Offset != results[i].Offset || !bytes.Equal(got.Key, m.Key) || !bytes.Equal(got.Value, m.Value) ||
						!got.Timestamp.Equal(m.Time) || len(got.Headers) != 1 || !bytes.Equal(got.Headers[0].Value, m.Headers[0].Value) {
						t.Fatalf("record %d: got %s at %d of %s", i, got.Key, got.Offset, got.Timestamp)
					}
				case <-time.After(10 * time.Second):
					t.Fatalf("record %d of %s/%d does not come", i, topic, part)
				}
			}
		}
	}
}

// TestLZ4Frames: blocks that compress, that do not and that are cut, at every
// level, read back by the library's own reader.
func TestLZ4Frames(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 3*lz4Block+17)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	inputs := map[string][]byte{
		"nothing": {}, "one": {1}, "short": []byte("short"), "noise": noise, "zeros": make([]byte, 2*lz4Block),
		"mixed": append(append(bytes.Repeat([]byte("text "), 20000), noise...), bytes.Repeat([]byte("more"), 5000)...),
	}
	for name, raw := range inputs {
		for _, level := range []int{sarama.CompressionLevelDefault, 1, 9, 50} {
			z := compressor{codec: sarama.CompressionLZ4, level: level, raw: raw}
			out, err := z.lz4([]byte("before"))
			if err != nil {
				t.Fatal(err)
			}
			var back bytes.Buffer
			if _, err := back.ReadFrom(lz4.NewReader(bytes.NewReader(out[len("before"):]))); err != nil || !bytes.Equal(back.Bytes(), raw) {
				t.Errorf("%s, level %d: %d bytes back, want %d (%v)", name, level, back.Len(), len(raw), err)
			}
		}
	}
}

// TestForeignFrame: only an empty produce request is filled; what else sarama
// sends goes through as it is, and a produce request that nobody prepared is
// not sent.
func TestForeignFrame(t *testing.T) {
	f := newFrame(&Producer{})
	other := []byte{0, 0, 0, 10, 0, 18, 0, 3, 0, 0, 0, 1, 0, 0}
	if got, err := f.fill(other); err != nil || !bytes.Equal(got, other) {
		t.Errorf("got %v, %v; want it unchanged", got, err)
	}
	if _, err := f.fill([]byte{0, 0, 0, 10, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0}); err == nil {
		t.Error("a produce request without a batch was sent")
	}
}

// TestSizeIsABound: a record is measured as what it is on the wire at most, so
// that the size limit holds for what is sent.
func TestSizeIsABound(t *testing.T) {
	for _, m := range []*connector.Message{
		{}, {Key: []byte("k")}, {Value: make([]byte, 70000), Headers: []connector.Header{{Key: "a"}, {Key: "b", Value: make([]byte, 300)}}},
	} {
		for _, ms := range []int64{0, -1, 1 << 41, -(1 << 41)} {
			if n := len(appendRecord(nil, m, ms, mostRecords)); n > recordSize(m) || n+30 < recordSize(m) {
				t.Errorf("%d bytes on the wire, measured as %d", n, recordSize(m))
			}
		}
	}
}

// FuzzLZ4 reads what our compressor makes of any bytes with the library's
// reader; the bytes are repeated, for matches of every length and distance.
func FuzzLZ4(f *testing.F) {
	f.Add([]byte("abcdabcdabcdabcd"), uint16(3), uint16(7))
	f.Add([]byte{0}, uint16(40000), uint16(0))
	f.Add(bytes.Repeat([]byte("0123456789abcdef!"), 50), uint16(2), uint16(300))
	f.Fuzz(func(t *testing.T, seed []byte, times, cut uint16) {
		raw := append([]byte(nil), seed...)
		for k := 0; k < int(times%64) && len(raw) < 4*lz4Block; k++ {
			raw = append(raw, raw[min(int(cut), len(raw)):]...)
			raw = append(raw, seed[:min(k, len(seed))]...)
		}
		z := compressor{codec: sarama.CompressionLZ4, level: sarama.CompressionLevelDefault, raw: raw}
		out, err := z.lz4(nil)
		if err != nil {
			t.Fatal(err)
		}
		var back bytes.Buffer
		if _, err := back.ReadFrom(lz4.NewReader(bytes.NewReader(out))); err != nil || !bytes.Equal(back.Bytes(), raw) {
			t.Fatalf("%d bytes back, want %d (%v)", back.Len(), len(raw), err)
		}
	})
}
