package restproxy

import (
	"bufio"
	"io"
	"net/http"
	"strings"
)

// stream is an open produce stream.
type stream struct {
	p   *proxy
	in  *io.PipeWriter
	out *bufio.Reader
	res chan *http.Response
	got *http.Response
}

func (p *proxy) stream(path string) *stream {
	p.t.Helper()
	// A server may close a connection behind a stream that it ended; a client that
	// begins the next one there would wait for both its ends.
	client.CloseIdleConnections()
	r, w := io.Pipe()
	req, err := http.NewRequest("POST", p.url+path, r)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", plain)
	s := &stream{p: p, in: w, res: make(chan *http.Response, 1)}
	go func() {
		res, err := client.Do(req)
		if err != nil {
			_ = r.CloseWithError(err)
			res = nil
		}
		s.res <- res
	}()
	return s
}

func (s *stream) send(text string) {
	s.p.t.Helper()
	if _, err := io.WriteString(s.in, text); err != nil {
		s.p.t.Fatal(err)
	}
}

// line is the next answer, "" at the end.
func (s *stream) line() string {
	s.p.t.Helper()
	if s.out == nil {
		if s.got = <-s.res; s.got == nil {
			s.p.t.Fatal("the stream was not answered")
		}
		s.out = bufio.NewReader(s.got.Body)
	}
	text, err := s.out.ReadString('\n')
	if err != nil && err != io.EOF {
		s.p.t.Fatal(err)
	}
	return strings.TrimSuffix(text, "\r\n")
}

func (s *stream) close() {
	_ = s.in.Close()
	if s.got != nil {
		_ = s.got.Body.Close()
	}
}
