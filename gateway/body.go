package gateway

import (
	"io"
	"net/http"
	"time"
)

// extendEvery is how many bytes a client must send in one BodyTimeout.
const extendEvery = 64 << 10

// body bounds a request body in size and in time. The deadline is set with
// the first read and moved each time enough has arrived, so a client that
// drips bytes is cut off and a large honest upload is not.
type body struct {
	conn    http.ResponseController
	header  http.Header
	rc      io.ReadCloser
	limit   int64
	left    int64
	timeout time.Duration
	quota   int64 // bytes until the deadline moves; 0 means it is not set yet
	stream  bool
	ended   bool
}

func (b *body) guard(w http.ResponseWriter, rc io.ReadCloser, limit int64, timeout time.Duration) {
	*b = body{conn: *http.NewResponseController(w), header: w.Header(), rc: rc, limit: limit, left: limit, timeout: timeout}
}

// Read returns *http.MaxBytesError once the body is larger than the limit.
func (b *body) Read(p []byte) (int, error) {
	if b.stream {
		n, err := b.rc.Read(p)
		b.ended = b.ended || err == io.EOF
		return n, err
	}
	if b.quota <= 0 {
		_ = b.conn.SetReadDeadline(time.Now().Add(b.timeout)) // without deadlines the server's own bounds hold
		b.quota = extendEvery
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.rc.Read(p)
	b.quota -= int64(n)
	if int64(n) > b.left {
		n = int(b.left)
		b.left = 0
		b.header.Set("Connection", "close") // the rest is not worth reading
		return n, &http.MaxBytesError{Limit: b.limit}
	}
	b.left -= int64(n)
	if err == io.EOF && !b.ended {
		b.ended = true
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

// Close closes the request's body.
func (b *body) Close() error { return b.rc.Close() }

// cutOff reports whether a stream was left before its end. What still comes on
// the connection is the rest of that body: it must not be read as a request.
func (b *body) cutOff() bool { return b.stream && !b.ended }

// Stream lifts the bounds of size and time from the body of a request: its
// handler reads it for as long as the client sends and bounds each record
// itself. Called before the first read. A handler that stops before the end
// of the body also ends the connection. Bodies that are wrapped are found by
// their Unwrap.
func Stream(r *http.Request) {
	for rc := r.Body; rc != nil; {
		switch b := rc.(type) {
		case *body:
			b.stream = true
			return
		case *inflated:
			b.stream = true
			rc = b.Unwrap()
		case interface{ Unwrap() io.ReadCloser }:
			rc = b.Unwrap()
		default:
			return
		}
	}
}
