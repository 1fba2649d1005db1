package consume

import (
	"net/http"
	"strconv"
	"time"

	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

// requested is the embedded format that the Accept header asks for. Anything,
// and the v2 type without format, are binary; plain JSON takes the instance's
// own format.
func requested(r *http.Request, own string) (string, error) {
	offered := make([]string, 0, len(formats)+2)
	for _, f := range formats {
		offered = append(offered, mediaTypeOf(f))
	}
	mediaType, ok := route.Accepts(r, append(offered, wire.V2, wire.JSON)...)
	switch {
	case !ok:
		return "", wire.NotAcceptable()
	case mediaType == wire.V2:
		return formatBinary, nil
	case mediaType == wire.JSON:
		return own, nil
	default:
		return formatOf(mediaType), nil
	}
}

func errMismatch() error {
	return wire.Errorf(wire.CodeFormatMismatch, "The requested embedded data format does not match the deserializer for this consumer instance")
}

func (h *Handler) records(w http.ResponseWriter, r *http.Request, in *instance) (any, error) {
	format, err := requested(r, in.format)
	if err != nil {
		return nil, err
	}
	// The schema formats share their deserializer in the original.
	if format != in.format && !(hasSchema(format) && hasSchema(in.format)) {
		return nil, errMismatch()
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
	w.Header().Set("Content-Type", mediaTypeOf(format))
	p := &payloads{ctx: r.Context(), format: in.format, decoder: h.cfg.Decoder}
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
	o = appendText(o, rec.Topic)
	o, bad := p.both(o, rec, `,"key":`, `,"value":`, `,"partition":`)
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
