package connector

import "sync"

// Watermark turns acknowledgements that come out of order into a position that
// never passes a gap. Begin is called in the order of the input with the
// position that may be committed once this piece and all before it are done;
// the returned ticket is given to Done when the piece is finished. Safe for
// concurrent use; the zero value is ready.
type Watermark[P any] struct {
	mu    sync.Mutex
	first int64 // ticket of pieces[0]
	queue []piece[P]
	last  P
	moved bool
}

type piece[P any] struct {
	position P
	done     bool
	halted   bool // position may be taken, but nothing behind it
}

// Begin adds the next piece of input.
func (w *Watermark[P]) Begin(position P) (ticket int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, piece[P]{position: position})
	return w.first + int64(len(w.queue)) - 1
}

// Done marks a piece as finished. It reports whether the position moved. A
// ticket that is done already, or was never given, changes nothing.
func (w *Watermark[P]) Done(ticket int64) (moved bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := ticket - w.first
	if i < 0 || i >= int64(len(w.queue)) {
		return false
	}
	w.queue[i].done = true
	return w.move()
}

// Halt ends a piece of which only a beginning is finished: position is the
// place behind that. It is taken once everything before the piece is done, and
// the watermark never moves past it.
func (w *Watermark[P]) Halt(ticket int64, position P) (moved bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := ticket - w.first
	if i < 0 || i >= int64(len(w.queue)) || w.queue[i].done {
		return false
	}
	w.queue[i].position, w.queue[i].halted = position, true
	return w.move()
}

// move takes what is done from the front of the queue; mu is held.
func (w *Watermark[P]) move() (moved bool) {
	n := 0
	for n < len(w.queue) && w.queue[n].done {
		w.last, w.moved, moved = w.queue[n].position, true, true
		n++
	}
	if n > 0 {
		w.first += int64(n)
		w.queue = append(w.queue[:0], w.queue[n:]...)
	}
	if len(w.queue) > 0 && w.queue[0].halted {
		w.last, w.moved, moved = w.queue[0].position, true, true
		w.queue[0].halted = false
	}
	return moved
}

// Position is the last position with nothing unfinished at or before it; ok is
// false while there is none.
func (w *Watermark[P]) Position() (position P, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, w.moved
}

// Idle reports that every piece begun was passed by the position.
func (w *Watermark[P]) Idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue) == 0
}
