package produce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headrace/headrace/connector"
)

// What a pooled batch may keep; larger ones are left to the collector.
const (
	keepBytes   = 1 << 20
	keepRecords = 4096
)

// batch is the working memory of a group of records that is published at once.
// It is reused only after every record was acknowledged.
type batch struct {
	whole bytes.Buffer // buf, for dec: it reads a bytes.Buffer without copying
	dec   *jsontext.Decoder
	input []byte // what whole began with
	buf   []byte // the request's body, or copies of its parts: all keys and values lie here
	out   []byte // the answer

	entries  []entry
	messages []connector.Message
	headers  []connector.Header
	pointers []*connector.Message

	results []connector.Result
	acked   []atomic.Bool
	left    atomic.Int64 // records without acknowledgement
	wanted  atomic.Int64 // a record whose acknowledgement is waited for; -1 = none
	signal  chan struct{}
	ack     func(*connector.Message, connector.Result)
	timer   *time.Timer
}

// entry is one record of a request, in its order: a message to publish, or
// the error that it got before.
type entry struct {
	message    int // index in messages; -1 when failure is set
	failure    failure
	id         string
	key, value part
}

// part is what the answer says about a key or value.
type part struct {
	present  bool
	size     int
	kind     string
	schema   bool
	subject  string
	schemaID int
	version  int
}

// failure is the error element of one record.
type failure struct {
	code    int
	message string
	fatal   bool // the stream ends behind it
	whole   bool // records:batch refuses all entries
}

func failf(code int, format string, args ...any) failure {
	return failure{code: code, message: fmt.Sprintf(format, args...)}
}

type batchPool struct{ pool sync.Pool }

func (p *batchPool) get() *batch {
	if b, ok := p.pool.Get().(*batch); ok {
		return b
	}
	b := &batch{signal: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	b.timer.Stop()
	b.dec = jsontext.NewDecoder(&b.whole, jsontext.AllowDuplicateNames(true))
	b.ack = b.acknowledge
	return b
}

// put takes a batch back whose records are all acknowledged.
func (p *batchPool) put(b *batch) {
	if cap(b.buf) > keepBytes || cap(b.out) > keepBytes || cap(b.messages) > keepRecords || cap(b.headers) > keepRecords {
		return
	}
	b.clear()
	p.pool.Put(b)
}

func (b *batch) clear() {
	clear(b.entries)
	clear(b.messages)
	clear(b.headers)
	clear(b.pointers)
	clear(b.results)
	b.entries, b.messages, b.headers = b.entries[:0], b.messages[:0], b.headers[:0]
	b.pointers, b.results, b.acked = b.pointers[:0], b.results[:0], b.acked[:0]
	b.buf, b.out = b.buf[:0], b.out[:0]
}

// read takes the whole body into buf and lets dec read from there.
func (b *batch) read(r *http.Request) error {
	if n := r.ContentLength; n > 0 && n < keepBytes && cap(b.buf) <= int(n) {
		b.buf = make([]byte, 0, n+512)
	}
	for {
		if len(b.buf) == cap(b.buf) {
			b.buf = append(b.buf, 0)[:len(b.buf)]
		}
		n, err := r.Body.Read(b.buf[len(b.buf):cap(b.buf)])
		b.buf = b.buf[:len(b.buf)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	b.decodeFrom(bytes.TrimPrefix(b.buf, byteOrderMark))
	return nil
}

// byteOrderMark is what some editors and shells put in front of UTF-8.
var byteOrderMark = []byte("\ufeff")

// decodeFrom lets dec read p, a part of buf. What dec returns then are parts of
// buf too, and may be changed in place once dec is past them.
func (b *batch) decodeFrom(p []byte) {
	b.input, b.whole = p, *bytes.NewBuffer(p)
	b.dec.Reset(&b.whole, jsontext.AllowDuplicateNames(true))
}

// publish sends the messages on. When out refuses them, each gets its error.
func (b *batch) publish(ctx context.Context, out connector.Publisher) {
	n := len(b.messages)
	if n == 0 {
		return
	}
	if cap(b.results) < n {
		b.results, b.acked = make([]connector.Result, n), make([]atomic.Bool, n)
	}
	b.results, b.acked = b.results[:n], b.acked[:n]
	for i := range b.messages {
		m := &b.messages[i]
		m.Seq, m.Ack = int64(i), b.ack
		b.acked[i].Store(false)
		b.pointers = append(b.pointers, m)
	}
	b.left.Store(int64(n))
	b.wanted.Store(-1)
	if err := out.Publish(ctx, b.pointers); err != nil {
		for i := range b.messages {
			b.acknowledge(&b.messages[i], connector.Result{Outcome: connector.Failed, Offset: -1, Err: err})
		}
	}
}

// acknowledge is the Ack of every message. As soon as left is 0 the batch may
// be in use again, so behind that only the signal is touched: one that comes
// late wakes the next waiter once for nothing.
func (b *batch) acknowledge(m *connector.Message, r connector.Result) {
	seq := m.Seq
	b.results[seq] = r
	b.acked[seq].Store(true)
	if b.wanted.Load() == seq {
		b.wake()
	}
	if b.left.Add(-1) == 0 {
		b.wake()
	}
}

func (b *batch) wake() {
	select {
	case b.signal <- struct{}{}:
	default: // one is on its way already
	}
}

// wait returns when every message is acknowledged: true, and the batch may be
// reused after its answer. False means that patience or ctx ended first.
func (b *batch) wait(ctx context.Context, patience time.Duration) bool {
	if b.left.Load() == 0 {
		return true
	}
	b.timer.Reset(patience)
	defer b.timer.Stop()
	for {
		select {
		case <-b.signal:
			if b.left.Load() == 0 {
				return true
			}
		case <-b.timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

var errNoAcknowledgement = &connector.Error{Kind: connector.Unavailable,
	Err: errors.New("the cluster did not acknowledge the record in time; it may still arrive")}

// result is what is known of message i now.
func (b *batch) result(i int) connector.Result {
	if !b.acked[i].Load() {
		return connector.Result{Offset: -1, Outcome: connector.Failed, Err: errNoAcknowledgement}
	}
	return b.results[i]
}
