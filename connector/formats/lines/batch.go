package lines

import "github.com/headrace/headrace/connector"

// maxKept bounds the memory that a Batch keeps for the next one.
const maxKept = 4 << 20

// Batch writes messages as lines with one call a batch, and says what became of
// each. It reuses its memory; not for concurrent use.
type Batch struct {
	text    []byte
	results []connector.Result
}

// Write gives the lines of all messages that format can hold to write, which
// takes all or nothing, and returns a result for each message: one that the
// format cannot hold is refused alone, as Invalid; an error of write is that of
// all others. write is not called without text. The results hold until the next
// Write.
func (b *Batch) Write(format string, messages []*connector.Message, write func([]byte) error) []connector.Result {
	b.text, b.results = b.text[:0], b.results[:0]
	for _, m := range messages {
		var err error
		b.text, err = Append(b.text, format, m)
		b.results = append(b.results, connector.Result{Offset: -1, Err: err})
	}
	if len(b.text) == 0 {
		return b.results
	}
	if err := write(b.text); err != nil {
		for i := range b.results {
			if b.results[i].Err == nil {
				b.results[i].Err = err
			}
		}
	}
	if cap(b.text) > maxKept {
		b.text = nil
	}
	return b.results
}
