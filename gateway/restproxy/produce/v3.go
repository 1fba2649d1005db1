package produce

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

const (
	// wholeBody is the largest body that is read whole before its records are
	// published. Larger ones, and those of unknown length, are streams.
	wholeBody = 256 << 10
	// groupRecords and groupBytes bound what is published and answered at once.
	groupRecords = 1024
	groupBytes   = 1 << 20
)

var errRecordTooLarge = errors.New("record over the size limit")

func (h *Handler) produceV3(w http.ResponseWriter, r *http.Request) {
	out, ok := h.acceptV3(w, r)
	if !ok {
		return
	}
	call := &callV3{h: h, ctx: r.Context(), out: out, cluster: r.PathValue("cluster_id"), topic: r.PathValue("topic_name")}
	if r.ContentLength < 0 || r.ContentLength > wholeBody {
		call.stream(w, r)
		return
	}
	b := h.pool.get()
	if err := b.read(r); err != nil {
		h.pool.put(b)
		wire.WriteError(w, r, bodyError(err))
		return
	}
	call.whole(w, b)
}

// acceptV3 checks what holds for every v3 produce; false means that the
// request is answered.
func (h *Handler) acceptV3(w http.ResponseWriter, r *http.Request) (connector.Publisher, bool) {
	switch r.Header.Get("Accept") {
	case "", "*/*", wire.JSON:
	default:
		if _, ok := route.Accepts(r, wire.JSON); !ok {
			wire.WriteError(w, r, wire.NotAcceptable(wire.JSON))
			return nil, false
		}
	}
	switch r.Header.Get("Content-Type") {
	case "", wire.JSON:
	default:
		if err := charsetV3(r); err != nil {
			wire.WriteError(w, r, err)
			return nil, false
		}
	}
	out, err := h.cfg.Route(r.Context(), r.PathValue("cluster_id"))
	if err != nil {
		wire.WriteError(w, r, err)
		return nil, false
	}
	return out, true
}

// callV3 is one v3 request on its way.
type callV3 struct {
	h              *Handler
	ctx            context.Context
	out            connector.Publisher
	cluster, topic string
}

// fill adds records to a group until it is full, more says that the input is
// empty, or it ended. next decodes the next record and returns the group that
// it belongs to. fill reports whether more may come.
func (c *callV3) fill(rec *recordV3, next func(*recordV3) (*batch, error), more func() bool) bool {
	for {
		b, err := next(rec)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, errStreamEnds) {
				b.entries = append(b.entries, entry{message: -1, failure: broken(err)})
			}
			return false
		}
		c.add(b, rec)
		switch {
		case b.entries[len(b.entries)-1].failure.fatal:
			return false
		case len(b.entries) == groupRecords, !more():
			return true
		}
	}
}

// whole answers a body that was read.
func (c *callV3) whole(w http.ResponseWriter, b *batch) {
	var rec recordV3
	next := func(rec *recordV3) (*batch, error) { return b, b.nextRecord(rec) }
	more := func() bool { return !blank(b.dec.UnreadBuffer()) }
	all := true
	header := w.Header()
	contentType(header, &typeJSON)
	for first := true; all; first = false {
		again := c.fill(&rec, next, more) && more()
		b.publish(c.ctx, c.out)
		all = b.wait(c.ctx, c.h.cfg.AckTimeout)
		for i := range b.entries {
			b.out = c.appendElement(b.out, b, i)
		}
		if first && !again {
			header["Content-Length"] = []string{strconv.Itoa(len(b.out))}
		}
		_, _ = w.Write(b.out) // the client is gone; nobody is left to tell
		if !again {
			break
		}
		b.next()
	}
	if all {
		c.h.pool.put(b)
	}
}

// next empties a batch whose body is not read to its end.
func (b *batch) next() {
	buf := b.buf
	b.clear()
	b.buf = buf
}

// add turns a decoded record into a message, or into its failure.
func (c *callV3) add(b *batch, rec *recordV3) {
	e := entry{message: -1}
	key, f := c.payload(rec, &rec.key, true, &e.key)
	if f.code != 0 {
		rec.fail(f)
	}
	value, f := c.payload(rec, &rec.value, false, &e.value)
	if f.code != 0 {
		rec.fail(f)
	}
	if limit := c.h.cfg.Limit; limit != nil && rec.failure.code == 0 && !limit(c.cluster, len(key)+len(value)) {
		rec.fail(failf(http.StatusTooManyRequests, "Request rate limit exceeded: The rate limit of requests per second has been exceeded."))
	}
	if rec.failure.code != 0 {
		e.failure = rec.failure
		b.entries = append(b.entries, e)
		return
	}
	e.message = len(b.messages)
	m := connector.Message{Topic: c.topic, Partition: rec.partition, Key: key, Value: value, Time: rec.time}
	if rec.headerCount > 0 {
		m.Headers = b.headers[rec.firstHeader : rec.firstHeader+rec.headerCount : rec.firstHeader+rec.headerCount]
	}
	b.messages = append(b.messages, m)
	b.entries = append(b.entries, e)
}

// appendElement writes the answer to record i, with the line break behind it.
func (c *callV3) appendElement(o []byte, b *batch, i int) []byte {
	e := &b.entries[i]
	if e.message < 0 {
		return append(appendFailure(append(o, '{'), e.failure), "}\r\n"...)
	}
	r := b.result(e.message)
	if r.Err != nil {
		return append(appendFailure(append(o, '{'), failureOf(r.Err)), "}\r\n"...)
	}
	o = append(o, `{"error_code":200,`...)
	o = c.appendSuccess(o, e, r)
	return append(o, "}\r\n"...)
}

func (c *callV3) appendSuccess(o []byte, e *entry, r connector.Result) []byte {
	o = append(o, `"cluster_id":`...)
	o = wire.AppendText(o, c.cluster)
	o = append(o, `,"topic_name":`...)
	o = wire.AppendText(o, c.topic)
	o = append(o, `,"partition_id":`...)
	o = strconv.AppendInt(o, int64(r.Partition), 10)
	o = append(o, `,"offset":`...)
	o = strconv.AppendInt(o, r.Offset, 10)
	if r.Timestamp > 0 {
		o = append(o, `,"timestamp":"`...)
		o = appendTime(o, r.Timestamp)
		o = append(o, '"')
	}
	o = appendPart(o, `,"key":`, &e.key)
	return appendPart(o, `,"value":`, &e.value)
}

func appendPart(o []byte, name string, p *part) []byte {
	if !p.present {
		return o
	}
	o = append(o, name...)
	o = append(o, `{"type":"`...)
	o = append(o, p.kind...)
	if p.schema {
		o = append(o, `","subject":`...)
		o = wire.AppendText(o, p.subject)
		o = append(o, `,"schema_id":`...)
		o = strconv.AppendInt(o, int64(p.schemaID), 10)
		o = append(o, `,"schema_version":`...)
		o = strconv.AppendInt(o, int64(p.version), 10)
		o = append(o, `,"size":`...)
	} else {
		o = append(o, `","size":`...)
	}
	o = strconv.AppendInt(o, int64(p.size), 10)
	return append(o, '}')
}

func appendFailure(o []byte, f failure) []byte {
	o = append(o, `"error_code":`...)
	o = strconv.AppendInt(o, int64(f.code), 10)
	o = append(o, `,"message":`...)
	return wire.AppendText(o, firstLine(f.message))
}

// failureOf is the element of a record that the destination refused.
func failureOf(err error) failure {
	code := wire.CodeKafkaError
	switch connector.KindOf(err) {
	case connector.Invalid:
		code = http.StatusBadRequest
	case connector.TooLarge:
		code = http.StatusRequestEntityTooLarge
	case connector.Unauthenticated:
		code = wire.CodeKafkaAuthentication
	case connector.Denied:
		code = wire.CodeKafkaAuthorization
	case connector.NotFound:
		code = wire.CodeTopicNotFound
	case connector.Throttled:
		code = wire.CodeQuota
	case connector.Unavailable:
		code = wire.CodeKafkaRetriable
	}
	return failure{code: code, message: err.Error()}
}

// excerpt is the part of bad data that its error repeats.
func excerpt(data []byte) string {
	const most = 100
	if len(data) > most {
		data = data[:most]
	}
	return string(bytes.ToValidUTF8(data, nil))
}
