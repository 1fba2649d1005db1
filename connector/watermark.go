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
	n := 0
	for n < len(w.queue) && w.queue[n].done {
		w.last, w.moved, moved = w.queue[n].position, true, true
		n++
	}
	if n > 0 {
		w.first += int64(n)
		w.queue = append(w.queue[:0], w.queue[n:]...)
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

// Pending is the number of pieces begun and not yet passed by the position.
func (w *Watermark[P]) Pending() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue)
}
