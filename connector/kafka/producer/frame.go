package producer

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// frame is the produce request that the sender's connection puts in the place
// of an empty one of sarama's. Sarama keeps what it is good at, the version
// that the broker knows, correlation, authentication anew (KIP-368) and the
// answer, and the records go from the messages into one buffer and from there
// to the socket.
type frame struct {
	p   *Producer
	z   compressor
	r   *request // to be written next
	buf []byte
}

// keptFrame is the most memory that a sender keeps between requests.
const keptFrame = 2 * requestBytes

func newFrame(p *Producer) *frame {
	return &frame{p: p, z: compressor{codec: p.cfg.Compression, level: p.cfg.CompressionLevel}}
}

const (
	produceKey      = 0
	flexibleProduce = 9 // the first version with compact lengths and tags (KIP-482)
)

var errForeignFrame = errors.New("the request that was about to be sent is not an empty produce request")

// fill returns the whole request for sarama's empty one, or empty itself when
// it is no produce request.
func (f *frame) fill(empty []byte) ([]byte, error) {
	if len(empty) < 14 || binary.BigEndian.Uint16(empty[4:]) != produceKey {
		return empty, nil
	}
	version := binary.BigEndian.Uint16(empty[6:])
	header := 14 // length, key, version, correlation id, length of the client id
	if n := int16(binary.BigEndian.Uint16(empty[12:])); n > 0 {
		header += int(n)
	}
	if version >= flexibleProduce {
		header++ // tags
	}
	if f.r == nil || version < 3 || header > len(empty) {
		return nil, errForeignFrame
	}
	buf, err := f.body(append(f.buf[:0], empty[:header]...), version >= flexibleProduce)
	f.r = nil
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(buf, uint32(len(buf)-4))
	if f.buf = buf[:0]; cap(buf) > keptFrame {
		f.buf = nil
	}
	return buf, nil
}

// body appends the request behind its header.
func (f *frame) body(b []byte, compact bool) (_ []byte, err error) {
	cfg := &f.p.cfg
	w := layout{compact: compact}
	if cfg.TransactionalID == "" {
		b = w.null(b)
	} else {
		b = w.text(b, cfg.TransactionalID)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(cfg.Acks))
	b = binary.BigEndian.AppendUint32(b, uint32(f.p.ackTimeout()))
	topics := f.r.topics()
	b = w.count(b, len(topics))
	for _, t := range topics {
		b = w.text(b, t.name)
		b = w.count(b, f.r.of(t))
		for i, part := range f.r.parts {
			if part.t != t {
				continue
			}
			if b, err = f.partition(b, w, part, f.r.batches[i]); err != nil {
				return nil, err
			}
		}
		b = w.tags(b)
	}
	return w.tags(b), nil
}

func (f *frame) partition(b []byte, w layout, part *partition, batch *batch) (_ []byte, err error) {
	b = reserve(b, batch.bytes+64)
	b = binary.BigEndian.AppendUint32(b, uint32(part.id))
	at := len(b)
	b = w.hole(b)
	if b, err = batch.appendTo(b, &f.z, f.p.txn != nil); err != nil {
		return nil, fmt.Errorf("write to %s: %w", part.t.name, err)
	}
	w.plug(b[at:])
	return w.tags(b), nil
}

// topics are those of the request, each once.
func (r *request) topics() []*topic {
	var ts []*topic
	for _, part := range r.parts {
		if !slices.Contains(ts, part.t) {
			ts = append(ts, part.t)
		}
	}
	return ts
}

// of counts the batches of a topic.
func (r *request) of(t *topic) (n int) {
	for _, part := range r.parts {
		if part.t == t {
			n++
		}
	}
	return n
}

// layout writes lengths as the version of the request has them.
type layout struct{ compact bool }

func (l layout) null(b []byte) []byte {
	if l.compact {
		return append(b, 0)
	}
	return append(b, 0xff, 0xff)
}

func (l layout) text(b []byte, s string) []byte {
	if l.compact {
		b = binary.AppendUvarint(b, uint64(len(s))+1)
	} else {
		b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	}
	return append(b, s...)
}

func (l layout) count(b []byte, n int) []byte {
	if l.compact {
		return binary.AppendUvarint(b, uint64(n)+1)
	}
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

func (l layout) tags(b []byte) []byte {
	if l.compact {
		return append(b, 0)
	}
	return b
}

// hole is room for the length of bytes that are not written yet; as a varint it
// is five bytes long, which decoders take whatever the number.
func (l layout) hole(b []byte) []byte {
	if l.compact {
		return append(b, 0x80, 0x80, 0x80, 0x80, 0)
	}
	return append(b, 0, 0, 0, 0)
}

// plug writes the length of what follows the hole at the start of b.
func (l layout) plug(b []byte) {
	if !l.compact {
		binary.BigEndian.PutUint32(b, uint32(len(b)-4))
		return
	}
	n := uint32(len(b)-5) + 1
	for i := range 4 {
		b[i] = byte(n>>(7*i)) | 0x80
	}
	b[4] = byte(n >> 28)
}

// framed is a connection that fills the requests of its sender.
type framed struct {
	net.Conn
	f *frame
}

func (c *framed) Write(b []byte) (int, error) {
	full, err := c.f.fill(b)
	if err != nil {
		return 0, err
	}
	if _, err := c.Conn.Write(full); err != nil {
		return 0, err
	}
	return len(b), nil
}

// secured is TLS as sarama would set it up, but below the frames. Closing c
// ends the handshake.
func secured(c net.Conn, addr string, cfg *tls.Config, limit time.Duration) (net.Conn, error) {
	if cfg == nil {
		cfg = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if cfg.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		cfg = cfg.Clone()
		cfg.ServerName = host
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	s := tls.Client(c, cfg)
	return s, s.HandshakeContext(ctx)
}
