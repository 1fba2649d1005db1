package produce

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway"
)

const (
	// streamGroups is how many groups of a stream may wait for their
	// acknowledgement or for the client to read its answers.
	streamGroups = 8
	// writeTimeout is how long a client may leave its answers unread.
	writeTimeout = time.Minute
)

var errStreamEnds = errors.New("the stream was told to end")

// streamV3 is a produce stream. The handler's goroutine reads and publishes,
// one more waits for the acknowledgements and answers in order. The groups in
// the channel between them bound what a client that does not read its answers
// can make the server hold.
type streamV3 struct {
	*callV3
	r      *http.Request
	w      http.ResponseWriter
	conn   *http.ResponseController
	groups chan *batch
	dec    *jsontext.Decoder

	current *batch // being filled
	read    int64  // bytes of the body so far
	record  int64  // where the record being read starts

	ending atomic.Bool // no more is read
	old    atomic.Bool // because the stream is over its longest life
	gone   atomic.Bool // the client does not take answers any more
}

// stream answers records as they come. It returns when the client ended its
// body and has every answer, or went away.
func (c *callV3) stream(w http.ResponseWriter, r *http.Request) {
	s := &streamV3{callV3: c, r: r, w: w, conn: http.NewResponseController(w),
		groups: make(chan *batch, streamGroups)}
	gateway.Stream(r)
	// Without full duplex (HTTP/1.0, a test's recorder) the answers come at
	// the end, which is as good as such a client can have it.
	_ = s.conn.EnableFullDuplex()
	_ = s.conn.SetReadDeadline(time.Time{})
	contentType(w.Header(), &typeJSON)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		s.answer()
	}()
	s.take()
	close(s.groups)
	<-answered
	_ = s.conn.SetWriteDeadline(time.Time{})
	if s.old.Load() {
		timer := time.NewTimer(c.h.cfg.StreamGrace)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.ctx.Done():
		}
	}
	// The end of a body that is there already keeps the connection; what the
	// client still sends must not be waited for.
	_ = s.conn.SetReadDeadline(time.Now())
	_, _ = io.CopyN(io.Discard, r.Body, wholeBody) // without its end the connection is closed
	_ = s.conn.SetReadDeadline(time.Now().Add(c.h.cfg.StreamGrace))
}

// take reads records until the body ends and publishes them in groups.
func (s *streamV3) take() {
	// Where records end is found without a look at their text: a lone surrogate
	// costs its record, and not those behind it.
	s.dec = jsontext.NewDecoder(s, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	s.current = s.h.pool.get()
	var rec recordV3
	for s.fill(&rec, s.next, s.roomLeft) {
		s.flush()
	}
	s.flush()
	s.h.pool.put(s.current) // it is empty
}

// next waits for a whole record before it decodes it, so that nothing of an
// unfinished record lies in the group when Read publishes it.
func (s *streamV3) next(rec *recordV3) (*batch, error) {
	raw, err := s.dec.ReadValue()
	if err != nil {
		return s.current, err
	}
	s.record = s.dec.InputOffset()
	b := s.current
	start := len(b.buf)
	b.buf = append(b.buf, raw...)
	b.decodeFrom(b.buf[start:len(b.buf):len(b.buf)])
	headers := len(b.headers)
	if err := b.decodeRecord(rec, false); err != nil {
		b.headers = b.headers[:headers]
		*rec = recordV3{partition: connector.AnyPartition, firstHeader: headers, failure: broken(err)}
		rec.failure.fatal = false // where it ends is known
	}
	return b, nil
}

func (s *streamV3) roomLeft() bool { return len(s.current.buf) < groupBytes }

// flush publishes what was decoded and begins a new group. It waits while the
// client does not take the answers of earlier groups.
func (s *streamV3) flush() {
	if len(s.current.entries) == 0 {
		return
	}
	s.current.publish(s.ctx, s.out)
	s.groups <- s.current
	s.current = s.h.pool.get()
}

// Read is what the decoder reads from. Before it waits for the client it
// publishes what was decoded, so that no record waits for the one behind it.
func (s *streamV3) Read(p []byte) (int, error) {
	s.flush()
	if s.ending.Load() || s.gone.Load() {
		return 0, errStreamEnds
	}
	if s.read-s.record > int64(s.h.cfg.MaxRecordBytes) {
		return 0, errRecordTooLarge
	}
	n, err := s.r.Body.Read(p)
	if s.read == 0 && bytes.HasPrefix(p[:n], byteOrderMark) {
		n = copy(p, p[len(byteOrderMark):n])
	}
	s.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) && (s.ending.Load() || s.gone.Load()) {
		err = errStreamEnds
	}
	return n, err
}

// answer writes the answers in order until the groups end.
func (s *streamV3) answer() {
	life := time.NewTimer(s.h.cfg.StreamMax)
	defer life.Stop()
	draining := gateway.Draining(s.w)
	for {
		select {
		case b, ok := <-s.groups:
			if !ok {
				if s.old.Load() {
					s.write(append(appendFailure([]byte{'{'}, failure{code: http.StatusRequestTimeout,
						message: "Streaming connection open for longer than allowed: Connection will be closed."}), "}\r\n"...))
				}
				return
			}
			s.answerGroup(b)
		case <-life.C:
			s.old.Store(true)
			s.end()
		case <-draining:
			draining = nil
			s.end()
		}
	}
}

// end makes the reader stop: at once, also when it waits for the client.
func (s *streamV3) end() {
	s.ending.Store(true)
	_ = s.conn.SetReadDeadline(time.Now())
}

// answerGroup answers each record as soon as it and those before it are
// acknowledged, in as few writes as that allows.
func (s *streamV3) answerGroup(b *batch) {
	patience := time.Now().Add(s.h.cfg.AckTimeout)
	for i := range b.entries {
		m := b.entries[i].message
		if m >= 0 && !b.acked[m].Load() {
			s.write(b.out)
			b.out = b.out[:0]
			if !b.waitFor(s.ctx.Done(), m, time.Until(patience)) {
				patience = time.Now() // what is not there now is answered as such
			}
		}
		b.out = s.appendElement(b.out, b, i)
	}
	s.write(b.out)
	if b.left.Load() == 0 {
		s.h.pool.put(b)
	}
}

// waitFor returns when message m is acknowledged, or false when patience ends.
func (b *batch) waitFor(done <-chan struct{}, m int, patience time.Duration) bool {
	b.wanted.Store(int64(m))
	defer b.wanted.Store(-1)
	b.timer.Reset(patience)
	defer b.timer.Stop()
	for !b.acked[m].Load() {
		select {
		case <-b.signal:
		case <-b.timer.C:
			return false
		case <-done:
			return false
		}
	}
	return true
}

func (s *streamV3) write(p []byte) {
	if len(p) == 0 || s.gone.Load() {
		return
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := s.w.Write(p); err == nil {
		err = s.conn.Flush()
		if err == nil || errors.Is(err, http.ErrNotSupported) {
			return
		}
	}
	s.gone.Store(true) // nobody reads: no more is taken, what was taken is delivered
	_ = s.conn.SetReadDeadline(time.Now())
}
