package producer

import (
	"math/bits"
	"sync"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
)

const (
	batchHeader    = 61 // bytes of a record batch before its records
	recordSlack    = 8  // what recordSize may say too much for a record that is alone
	recordOverhead = 96 // our own memory for one record, next to its bytes: its slot and its result
)

// recordSize is an upper bound of the encoded size of m in a batch.
func recordSize(m *connector.Message) int {
	n := 1 + 7 + 3 + bytesLen(m.Key) + bytesLen(m.Value) + varLen(len(m.Headers))
	for i := range m.Headers {
		h := &m.Headers[i]
		n += varLen(len(h.Key)) + len(h.Key) + bytesLen(h.Value)
	}
	return n + varLen(n)
}

// varLen is the length of n as a zigzag varint.
func varLen(n int) int { return (bits.Len64(uint64(n)<<1|1) + 6) / 7 }

// batch is a run of records of one partition. Its fields are guarded by the
// partition's mutex, but for the records while a sender encodes them.
type batch struct {
	slab  *slab
	n     int
	spans []span

	bytes   int   // upper bound of the encoded size, uncompressed
	cost    int64 // claimed from memory
	created int64 // clock of the first record
	firstMS int64
	maxMS   int64

	full     bool  // takes no more records
	stamped  bool  // has a sequence number
	id       int64 // -1 without one
	epoch    int16
	seq      int64 // sequence number of the first record since the epoch began, not wrapped
	inflight bool
	request  *request // that it is in flight with

	attempts  int
	agains    int   // answers that are retried only so often
	ambiguous bool  // an attempt may have been stored without us knowing
	lost      bool  // the last answer said that the sequence does not fit
	renew     bool  // and that the producer id must be renewed
	refusal   error // the broker refuses a record of it; settle takes it apart
	bad       []sarama.ProduceResponseRecordError
	words     string // of the broker, about the refusal
	lastErr   error

	done     bool // nothing is left to be sent
	acked    bool
	reported bool

	offset  int64 // answer for report; -1 unknown
	logTime int64 // LogAppendTime in ms; 0 when the records' own times hold
	failure error
}

// span says whose the records up to end are.
type span struct {
	w   *write
	end int
}

// slab is the memory of a batch's records. They come in four sizes, so that a
// batch of one record does not hold memory for thousands.
type slab struct {
	recs  []record
	class int
}

// record is a message in a batch. Its bytes stay the caller's until the report
// and are read when the batch is encoded, each time that it is sent.
type record struct {
	m     *connector.Message
	ms    int64
	index int32 // position in the results of its write
}

var slabSizes = [...]int{32, 256, 2048, mostRecords}

// pools hold what is used again and again. The zero value is ready.
type pools struct {
	slabs   [len(slabSizes)]sync.Pool
	batches sync.Pool
	writes  sync.Pool
	scratch sync.Pool
}

func (p *pools) slab(class int) *slab {
	if s, ok := p.slabs[class].Get().(*slab); ok {
		return s
	}
	return &slab{recs: make([]record, slabSizes[class]), class: class}
}

func (p *pools) putSlab(s *slab, used int) {
	clear(s.recs[:used])
	p.slabs[s.class].Put(s)
}

func (p *pools) batch() *batch {
	b, ok := p.batches.Get().(*batch)
	if !ok {
		b = &batch{}
	}
	b.slab = p.slab(0)
	b.id = -1
	return b
}

// putBatch takes back a batch that is reported and not in flight.
func (p *pools) putBatch(b *batch) {
	p.putSlab(b.slab, b.n)
	spans := b.spans
	clear(spans)
	*b = batch{spans: spans[:0]}
	p.batches.Put(b)
}

// grow moves the records into the next larger slab.
func (b *batch) grow(p *pools) {
	old := b.slab
	next := p.slab(old.class + 1)
	copy(next.recs, old.recs[:b.n])
	b.slab = next
	p.putSlab(old, b.n)
}

// add appends one record; the caller has checked that it fits.
func (b *batch) add(p *pools, w *write, index int32, m *connector.Message, ms int64, size int) {
	if b.n == len(b.slab.recs) {
		b.grow(p)
	}
	if b.n == 0 {
		b.firstMS, b.maxMS = ms, ms
		b.bytes = batchHeader
	}
	b.slab.recs[b.n] = record{m: m, ms: ms, index: index}
	b.n++
	b.maxMS = max(b.maxMS, ms)
	b.bytes += size
	b.cost += int64(size) + recordOverhead
	b.own(w)
}

// own says that the last record is w's.
func (b *batch) own(w *write) {
	if k := len(b.spans) - 1; k >= 0 && b.spans[k].w == w {
		b.spans[k].end = b.n
		return
	}
	b.spans = append(b.spans, span{w: w, end: b.n})
}

func (b *batch) fits(size, limit, records int) bool {
	return !b.full && b.n < records && b.bytes+size <= limit
}

// stamp gives the batch its place in the partition's sequence.
func (b *batch) stamp(id int64, epoch int16, seq int64) {
	b.stamped, b.id, b.epoch, b.seq = true, id, epoch, seq
}

// unstamp takes the place away; the batch is known not to be stored under it.
func (b *batch) unstamp() { b.stamped, b.ambiguous = false, false }
