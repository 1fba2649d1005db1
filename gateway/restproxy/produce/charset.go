package produce

import (
	"io"
	"net/http"
	"strings"

	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

func charsetV3(r *http.Request) error {
	mediaType, params, ok := route.ContentType(r)
	if !ok || mediaType != wire.JSON {
		return wire.UnsupportedMediaType(wire.JSON)
	}
	switch charset := strings.ToLower(params["charset"]); charset {
	case "", "utf-8", "utf8":
		return nil
	case "iso-8859-1":
		r.Body = &latin1{from: r.Body}
		r.ContentLength = -1
		return nil
	default:
		return badBody("charset %s is not supported; send UTF-8 or ISO-8859-1", params["charset"])
	}
}

// latin1 turns a body of ISO-8859-1 into UTF-8.
type latin1 struct {
	from io.ReadCloser
	rest []byte
	buf  [512]byte
	text [1024]byte
}

func (l *latin1) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		n, err := l.from.Read(l.buf[:])
		l.rest = l.text[:0]
		for _, c := range l.buf[:n] {
			l.rest = appendRune(l.rest, c)
		}
		if n == 0 {
			return 0, err
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func appendRune(b []byte, c byte) []byte {
	if c < 0x80 {
		return append(b, c)
	}
	return append(b, 0xc0|c>>6, 0x80|c&0x3f)
}

func (l *latin1) Close() error { return l.from.Close() }

// Unwrap lets the server find its own body.
func (l *latin1) Unwrap() io.ReadCloser { return l.from }
