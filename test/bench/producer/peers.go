package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/producer"
)

//go:embed librdkafka/peer.c
var librdkafkaC []byte

// batchSize is how many records one Write hands over, as the exporter does.
const batchSize = 500

// be runs one peer in this process and prints its result.
func (w *work) be(ctx context.Context) error {
	metrics.UseNilMetrics = true
	data, err := os.ReadFile(w.payload)
	if err != nil {
		return err
	}
	var codec sarama.CompressionCodec
	if err := codec.UnmarshalText([]byte(w.codec)); err != nil {
		return err
	}
	if w.profile != "" {
		f, err := os.Create(w.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	conf := sarama.NewConfig()
	conf.Version = sarama.MaxVersion
	var r result
	switch w.peer {
	case "headrace":
		r, err = w.headrace(ctx, conf, codec, data)
	case "sarama":
		r, err = w.sarama(conf, codec, data)
	default:
		err = fmt.Errorf("no peer %q", w.peer)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func (w *work) record(data []byte, i int) []byte {
	at := i % (len(data) / w.size) * w.size
	return data[at : at+w.size : at+w.size]
}

// measure times body between a warm-up and the last acknowledgement.
func (w *work) measure(body func() error) (r result, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	from := time.Now()
	err = body()
	r.Seconds = time.Since(from).Seconds()
	runtime.ReadMemStats(&after)
	r.Allocs = float64(after.Mallocs-before.Mallocs) / float64(w.records)
	return r, err
}

func (w *work) headrace(ctx context.Context, conf *sarama.Config, codec sarama.CompressionCodec, data []byte) (result, error) {
	client, err := sarama.NewClient([]string{w.broker}, conf)
	if err != nil {
		return result{}, err
	}
	defer client.Close()
	cfg := producer.DefaultConfig(client, w.topic)
	cfg.Compression = codec
	p, err := producer.New(cfg)
	if err != nil {
		return result{}, err
	}
	var failed atomic.Pointer[error]
	count := func(rs []connector.Result) {
		for i := range rs {
			if rs[i].Err != nil {
				failed.Store(&rs[i].Err)
			}
		}
	}
	p.Write(ctx, []*connector.Message{{Partition: connector.AnyPartition, Value: w.record(data, 0)}}, count)
	if err := p.Flush(ctx); err != nil {
		return result{}, err
	}
	body := func() error { return w.bulk(ctx, p, data, count) }
	if w.latency {
		body = func() error { return w.single(ctx, p, data) }
	}
	r, err := w.measure(body)
	if err == nil {
		err = p.Close(ctx)
	}
	if f := failed.Load(); f != nil {
		err = *f
	}
	return r, err
}

// bulk writes batches of messages that it uses again once they are reported,
// as a source with a bounded buffer does.
func (w *work) bulk(ctx context.Context, p *producer.Producer, data []byte, count func([]connector.Result)) error {
	type block struct {
		slab [batchSize]connector.Message
		ptrs [batchSize]*connector.Message
		done func([]connector.Result)
	}
	free := sync.Pool{}
	free.New = func() any {
		b := &block{}
		for i := range b.slab {
			b.ptrs[i] = &b.slab[i]
		}
		b.done = func(rs []connector.Result) {
			count(rs)
			free.Put(b)
		}
		return b
	}
	for i := 0; i < w.records; {
		b := free.Get().(*block)
		n := min(batchSize, w.records-i)
		for k := range n {
			b.slab[k].Partition, b.slab[k].Value = connector.AnyPartition, w.record(data, i+k)
		}
		p.Write(ctx, b.ptrs[:n], b.done)
		i += n
	}
	return p.Flush(ctx)
}

// single waits for each record before it writes the next.
func (w *work) single(ctx context.Context, p *producer.Producer, data []byte) error {
	done := make(chan error, 1)
	report := func(rs []connector.Result) { done <- rs[0].Err }
	m := &connector.Message{Partition: connector.AnyPartition}
	for i := range w.records {
		m.Value = w.record(data, i)
		p.Write(ctx, []*connector.Message{m}, report)
		if err := <-done; err != nil {
			return err
		}
	}
	return nil
}

// sarama is the AsyncProducer with the settings that made it fastest.
func (w *work) sarama(conf *sarama.Config, codec sarama.CompressionCodec, data []byte) (result, error) {
	conf.Producer.RequiredAcks = sarama.WaitForAll
	conf.Producer.Idempotent = true
	conf.Net.MaxOpenRequests = 1
	conf.Producer.Compression = codec
	conf.Producer.Return.Successes = true
	conf.Producer.Retry.Max = 30
	conf.ChannelBufferSize = 4096
	if !w.latency {
		conf.Producer.Flush.Messages = 10000
		conf.Producer.Flush.Frequency = 5 * time.Millisecond
	}
	conf.Producer.Partitioner = func(string) sarama.Partitioner { return &sticky{} }
	p, err := sarama.NewAsyncProducer([]string{w.broker}, conf)
	if err != nil {
		return result{}, err
	}
	pool := sync.Pool{New: func() any { return new(sarama.ProducerMessage) }}
	send := func(i int) {
		m := pool.Get().(*sarama.ProducerMessage)
		*m = sarama.ProducerMessage{Topic: w.topic, Value: sarama.ByteEncoder(w.record(data, i))}
		p.Input() <- m
	}
	send(0)
	<-p.Successes()
	r, err := w.measure(func() error {
		if w.latency {
			for i := range w.records {
				send(i)
				<-p.Successes()
			}
			return nil
		}
		go func() {
			for i := range w.records {
				send(i)
			}
		}()
		for n := 0; n < w.records; n++ {
			select {
			case m := <-p.Successes():
				pool.Put(m)
			case e := <-p.Errors():
				return e
			}
		}
		return nil
	})
	if err == nil {
		err = p.Close()
	}
	return r, err
}

// sticky stays with a partition for 500 records.
type sticky struct{ n int32 }

func (s *sticky) Partition(_ *sarama.ProducerMessage, n int32) (int32, error) {
	s.n++
	return s.n / 500 % n, nil
}

func (s *sticky) RequiresConsistency() bool { return false }
