// Package slab makes batches whose memory is used again: the messages lie in
// one array and the bytes that they point into in one block, and both come back
// when the whole batch was delivered. Sources that read bytes, rows or pages
// build their batches here.
package slab

import (
	"sync"
	"unsafe"

	"github.com/headrace/headrace/connector"
)

// Pool keeps slabs that came back. It is safe for concurrent use; the zero
// value is ready.
type Pool struct{ pool sync.Pool }

// Slab is a batch that is being built. It belongs to one goroutine until it is
// published, and again when it came back from the Pool.
type Slab struct {
	// Block is the memory that keys and values may point into. Its content is
	// the builder's; a slab from the pool has whatever the last user left.
	Block    []byte
	messages []connector.Message
	marks    []Mark
	refs     []*connector.Message
	pool     *Pool
	release  func() // s.back, bound once
}

// Mark is the place behind a message, in the source's own two numbers, such as
// a byte and a line, both counted from where the batch begins: there is one for
// each record, and small ones cost less.
type Mark [2]int32

// Get returns an empty slab with room for n messages.
func (p *Pool) Get(n int) *Slab {
	s, ok := p.pool.Get().(*Slab)
	if !ok {
		s = &Slab{pool: p}
		s.release = s.back
	}
	if cap(s.messages) < n {
		s.messages = make([]connector.Message, 0, n)
		s.refs = make([]*connector.Message, 0, n)
		s.marks = make([]Mark, 0, n)
	}
	return s
}

// Add returns a new message at the end of the batch. It stays where it is: no
// more than the n of Get may be added.
func (s *Slab) Add(seq int64) *connector.Message {
	if len(s.messages) == cap(s.messages) {
		panic("slab: more messages than it was made for")
	}
	s.messages = append(s.messages, connector.Message{Partition: connector.AnyPartition, Seq: seq})
	return &s.messages[len(s.messages)-1]
}

// Drop takes back the message of the last Add.
func (s *Slab) Drop() { s.messages = s.messages[:len(s.messages)-1] }

// Mark notes the place behind the last message.
func (s *Slab) Mark(m Mark) { s.marks = append(s.marks, m) }

// Behind returns the place behind the i-th message.
func (s *Slab) Behind(i int) Mark { return s.marks[i] }

// Len is the number of messages.
func (s *Slab) Len() int { return len(s.messages) }

const messageBytes = int(unsafe.Sizeof(connector.Message{}) + unsafe.Sizeof(uintptr(0)) + unsafe.Sizeof(Mark{}))

// Batch returns the batch to publish, without positions. The slab goes back to
// its pool when the batch is released.
func (s *Slab) Batch() connector.Batch {
	for i := range s.messages {
		s.refs = append(s.refs, &s.messages[i])
	}
	return connector.Batch{Messages: s.refs, Bytes: cap(s.Block) + cap(s.messages)*messageBytes, Release: s.release}
}

// back makes the slab empty again. What it points to is let go; the block stays.
func (s *Slab) back() {
	clear(s.messages)
	clear(s.refs)
	s.messages, s.refs, s.marks = s.messages[:0], s.refs[:0], s.marks[:0]
	s.pool.pool.Put(s)
}
