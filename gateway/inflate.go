package gateway

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// errNotGzip is what a handler gets of a body that is not what it says.
var errNotGzip = errors.New("the body is not the gzip that Content-Encoding names, or it is cut off")

// inflated is a request body that came compressed. What comes out of it has the
// same bound as a body that came as it is.
type inflated struct {
	rc     io.ReadCloser
	gz     *gzip.Reader // nil before the first read
	limit  int64
	left   int64
	stream bool
}

// inflate unpacks the body of a request whose Content-Encoding names gzip, and
// reports whether the encoding is one that is known.
func inflate(r *http.Request, limit int64) bool {
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); {
	case encoding == "" || encoding == "identity" || r.Body == nil || r.Body == http.NoBody:
		return true
	case encoding != "gzip" && encoding != "x-gzip" || len(r.Header.Values("Content-Encoding")) > 1:
		return false
	}
	r.Body = &inflated{rc: r.Body, limit: limit, left: limit}
	r.Header.Del("Content-Encoding")
	r.Header.Del("Content-Length")
	r.ContentLength = -1
	return true
}

// Read returns *http.MaxBytesError once more comes out than the limit.
func (b *inflated) Read(p []byte) (int, error) {
	if b.gz == nil {
		gz, err := gzip.NewReader(b.rc)
		if err == io.EOF {
			return 0, err // nothing at all, as some clients send it with an empty body
		}
		if err != nil {
			return 0, gzipError(err)
		}
		b.gz = gz
	}
	if !b.stream && int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.gz.Read(p)
	if !b.stream && int64(n) > b.left {
		n = int(b.left)
		b.left = 0
		return n, &http.MaxBytesError{Limit: b.limit}
	}
	b.left -= int64(n)
	if err != nil && err != io.EOF {
		err = gzipError(err)
	}
	return n, err
}

// gzipError keeps what the bounds of the body say, and words the rest.
func gzipError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return errNotGzip
	}
	return err
}

// Close closes the body below.
func (b *inflated) Close() error { return b.rc.Close() }

// Unwrap is for Stream.
func (b *inflated) Unwrap() io.ReadCloser {
	return b.rc
}
