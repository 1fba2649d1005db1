package consume

import (
	"net/http"
	"strconv"
	"time"

	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

// requested is the embedded format that the Accept header asks for. The
// instance's own is offered first, so that it answers whatever allows it; the v2
// type without format is binary, as in the original.
func requested(r *http.Request, own string) (string, error) {
	offered := append([]string{mediaTypeOf(own), wire.JSON}, embeddedTypes...)
	mediaType, ok := route.Accepts(r, append(offered, wire.V2)...)
	switch {
	case !ok:
		return "", wire.NotAcceptable(mediaTypeOf(own), wire.JSON)
	case mediaType == wire.V2:
		return formatBinary, nil
	case mediaType == wire.JSON:
		return own, nil
	default:
		return formatOf(mediaType), nil
	}
}

func errMismatch(own string) error {
	return wire.Errorf(wire.CodeFormatMismatch, "The requested embedded data format does not match the deserializer for this consumer instance; it reads %s, so the Accept header must allow %s or %s",
		own, mediaTypeOf(own), wire.JSON)
}

// formatsV2 are the formats of values and keys that a read asks for, and the
// media type of its answer. The query chooses for one read what the consumer
// was made with otherwise.
func (h *Handler) formatsV2(r *http.Request, own string) (p *payloads, mediaType string, err error) {
	query := r.URL.Query()
	p = &payloads{ctx: r.Context(), decoder: h.cfg.Decoder}
	if p.format, err = h.readFormat(query, "format", own); err != nil {
		return nil, "", err
	}
	if p.keys, err = h.readFormat(query, "key_format", p.format); err != nil {
		return nil, "", err
	}
	if query.Get("format") != "" {
		types := []string{wire.V2, wire.JSON}
		if p.format != formatString {
			types = append([]string{mediaTypeOf(p.format)}, types...)
		}
		mediaType, ok := route.Accepts(r, types...)
		if !ok {
			return nil, "", wire.NotAcceptable(types...)
		}
		return p, mediaType, nil
	}
	format, err := requested(r, own)
	if err != nil {
		return nil, "", err
	}
	// The schema formats share their deserializer in the original.
	if format != own && !(hasSchema(format) && hasSchema(own)) {
		return nil, "", errMismatch(own)
	}
	return p, mediaTypeOf(format), nil
}

func (h *Handler) records(w http.ResponseWriter, r *http.Request, in *instance) (any, error) {
	p, mediaType, err := h.formatsV2(r, in.format)
	if err != nil {
		return nil, err
	}
	poll := reader.Poll{MaxBytes: h.cfg.MaxBytes, MinBytes: in.minBytes, Wait: in.timeout}
	query := r.URL.Query()
	if err := limits(query.Get("timeout"), query.Get("max_bytes"), &poll.Wait, &poll.MaxBytes); err != nil {
		return nil, err
	}
	metadata := h.cfg.Metadata
	if v := query.Get("metadata"); v != "" {
		if metadata, err = strconv.ParseBool(v); err != nil {
			return nil, wire.Errorf(http.StatusBadRequest, "Bad Request: metadata must be true or false")
		}
	}
	records, err := in.consumer.Poll(r.Context(), poll)
	if err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", mediaType)
	out := &writer{w: w, buf: append(make([]byte, 0, 2*writeAt), '[')}
	for i := range records {
		before := len(out.buf)
		if i > 0 {
			out.buf = append(out.buf, ',')
		}
		out.buf = appendRecordV2(out.buf, p, &records[i], metadata)
		if p.away != nil {
			in.rewind(records[i:])
			if i == 0 {
				w.Header().Del("Content-Type") // the error has its own
				return nil, wire.Errorf(wire.CodeSerialization, "Error deserializing key/value for partition: %s", p.away)
			}
			out.buf = out.buf[:before]
			break
		}
		out.flush(false)
	}
	out.buf = append(out.buf, ']')
	out.flush(true)
	return answered{}, nil
}

// rewind makes the next read begin with the records that were not answered,
// because what reads them was away.
func (in *instance) rewind(records []reader.Record) {
	first := map[reader.TP]int64{}
	for i := range records {
		tp := reader.TP{Topic: records[i].Topic, Partition: records[i].Partition}
		if at, ok := first[tp]; !ok || records[i].Offset < at {
			first[tp] = records[i].Offset
		}
	}
	for tp, at := range first {
		// A partition that was taken away meanwhile is its new reader's.
		_ = in.consumer.Seek(map[reader.TP]int64{tp: at})
	}
}

func appendRecordV2(o []byte, p *payloads, rec *reader.Record, metadata bool) []byte {
	o = append(o, `{"topic":`...)
	o = wire.AppendText(o, rec.Topic)
	o, bad := p.both(o, rec, p.partV2)
	o = append(o, `,"partition":`...)
	o = strconv.AppendInt(o, int64(rec.Partition), 10)
	o = append(o, `,"offset":`...)
	o = strconv.AppendInt(o, rec.Offset, 10)
	if metadata {
		o = append(o, `,"timestamp":`...)
		o = strconv.AppendInt(o, rec.Timestamp.UnixMilli(), 10)
		o = append(o, `,"headers":`...)
		o = appendHeaders(o, rec)
	}
	if bad != "" {
		o = appendBad(o, bad)
	}
	return append(o, '}')
}

// limits applies the query parameters that can only lower what is set. One that
// is not a number is a 404, as for any parameter of the original.
func limits(timeout, maxBytes string, wait *time.Duration, most *int) error {
	if timeout != "" {
		ms, ok := integer(timeout)
		if !ok {
			return wire.NotFound()
		}
		if ms >= 0 && ms < wait.Milliseconds() {
			*wait = time.Duration(ms) * time.Millisecond
		}
	}
	if maxBytes != "" {
		n, ok := integer(maxBytes)
		if !ok {
			return wire.NotFound()
		}
		if n > 0 && n < int64(*most) {
			*most = int(n)
		}
	}
	return nil
}
