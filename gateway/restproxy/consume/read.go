package consume

import (
	"net/http"
	"strconv"

	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

// read is GET /v3/clusters/{c}/topics/{t}/partitions/{p}/records: a read
// without a consumer. Any server can answer it, and the next one.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) {
	req, p, err := h.readRequest(r)
	if err != nil {
		wire.WriteError(w, r, err)
		return
	}
	source, err := h.cfg.Route(r.Context(), r.PathValue("cluster_id"))
	if err != nil {
		wire.WriteError(w, r, err)
		return
	}
	if at := r.URL.Query().Get("timestamp"); at != "" {
		t, err := timeOf(at)
		if err == nil {
			req.Offset, err = source.OffsetAt(r.Context(), req.TP, t.UnixMilli())
		}
		if err != nil {
			wire.WriteError(w, r, err)
			return
		}
	}
	out := &writer{w: w, buf: append(make([]byte, 0, 2*writeAt), `{"kind":"KafkaRecordList","data":[`...)}
	list := &recordList{payloads: p, writer: out, cluster: r.PathValue("cluster_id")}
	w.Header().Set("Content-Type", wire.JSON)
	answer, err := source.Fetch(r.Context(), req, list.add)
	if err != nil && list.next == 0 {
		w.Header().Del("Content-Type") // the error has its own
		wire.WriteError(w, r, err)
		return
	}
	if err != nil {
		answer.Next = list.next
	}
	h.endRead(r, out, &answer)
}

// recordList writes the data of an answer while it is read.
type recordList struct {
	*payloads
	*writer
	cluster string
	next    int64 // behind the last record that was written; 0 before the first
}

// add writes a portion. It fails at the first record whose schema cannot be had
// now: the next read may begin there.
func (l *recordList) add(records []reader.Record) error {
	for i := range records {
		before := len(l.buf)
		if l.next > 0 {
			l.buf = append(l.buf, ',')
		}
		l.buf = appendRecordV3(l.buf, l.payloads, &records[i], l.cluster)
		if l.away != nil {
			l.buf = l.buf[:before]
			return wire.Errorf(wire.CodeSerialization, "Error deserializing key/value for partition: %s", l.away)
		}
		l.next = records[i].Offset + 1
		l.flush(false)
	}
	return nil
}

// readRequest reads path and query.
func (h *Handler) readRequest(r *http.Request) (req reader.Request, p *payloads, err error) {
	query := r.URL.Query()
	n, ok := integer(r.PathValue("partition_id"))
	if !ok || n < 0 || int64(int32(n)) != n {
		return req, nil, wire.NotFound()
	}
	req = reader.Request{TP: reader.TP{Topic: r.PathValue("topic_name"), Partition: int32(n)}, Offset: reader.Earliest,
		MaxBytes: h.cfg.MaxBytes, Wait: maxTimeout}
	bad := func(text string) (reader.Request, *payloads, error) {
		return req, nil, wire.Errorf(http.StatusBadRequest, "Bad Request: %s", text)
	}
	if query.Get("timeout") == "" {
		req.Wait = h.cfg.RequestTimeout
	}
	if err := limits(query.Get("timeout"), query.Get("max_bytes"), &req.Wait, &req.MaxBytes); err != nil {
		return bad("timeout and max_bytes must be numbers")
	}
	switch at := query.Get("offset"); {
	case at != "" && query.Has("timestamp"):
		return bad("offset and timestamp cannot be used together")
	case at == "" || at == "earliest":
	case at == "latest":
		req.Offset = reader.Latest
	default:
		if req.Offset, ok = integer(at); !ok || req.Offset < 0 {
			return bad("offset must be a number, earliest or latest")
		}
	}
	p, err = h.formatsV3(r)
	return req, p, err
}

// formatsV3 are the formats of values and keys: the Accept header's, else those
// of the query.
func (h *Handler) formatsV3(r *http.Request) (*payloads, error) {
	query := r.URL.Query()
	mediaType, ok := route.Accepts(r, append([]string{wire.JSON}, embeddedTypes...)...)
	if !ok {
		return nil, wire.NotAcceptable(append([]string{wire.JSON}, embeddedTypes...)...)
	}
	p := &payloads{ctx: r.Context(), format: formatOf(mediaType), decoder: h.cfg.Decoder}
	var err error
	if p.format == "" {
		if p.format, err = h.readFormat(query, "format", formatBinary); err != nil {
			return nil, err
		}
	}
	if hasSchema(p.format) && h.cfg.Decoder == nil {
		return nil, errNoRegistry()
	}
	p.keys, err = h.readFormat(query, "key_format", p.format)
	return p, err
}

// endRead writes what is behind the data, as it is known only then.
func (h *Handler) endRead(r *http.Request, out *writer, a *reader.Answer) {
	self := string(wire.Root(r, h.cfg.Links).At("v3", "clusters", r.PathValue("cluster_id"), "topics", r.PathValue("topic_name"),
		"partitions", r.PathValue("partition_id"), "records"))
	query := r.URL.Query()
	query.Del("timestamp")
	query.Set("offset", strconv.FormatInt(a.Next, 10))
	own := self
	if r.URL.RawQuery != "" {
		own += "?" + r.URL.RawQuery
	}
	o := append(out.buf, `],"metadata":{"self":`...)
	o = wire.AppendText(o, own)
	o = append(o, `,"next":`...)
	o = wire.AppendText(o, self+"?"+query.Encode())
	o = append(o, `,"earliest_offset":`...)
	o = strconv.AppendInt(o, a.LogStart, 10)
	o = append(o, `,"latest_offset":`...)
	o = strconv.AppendInt(o, a.HighWatermark, 10)
	out.buf = append(o, "}}"...)
	out.flush(true)
}

func appendRecordV3(o []byte, p *payloads, rec *reader.Record, cluster string) []byte {
	o = append(o, `{"cluster_id":`...)
	o = wire.AppendText(o, cluster)
	o = append(o, `,"topic_name":`...)
	o = wire.AppendText(o, rec.Topic)
	o = append(o, `,"partition_id":`...)
	o = strconv.AppendInt(o, int64(rec.Partition), 10)
	o = append(o, `,"offset":`...)
	o = strconv.AppendInt(o, rec.Offset, 10)
	o = append(o, `,"timestamp":"`...)
	o = rec.Timestamp.UTC().AppendFormat(o, "2006-01-02T15:04:05.000Z")
	o = append(o, `","headers":`...)
	o = appendHeaders(o, rec)
	o, bad := p.both(o, rec, p.partV3)
	if bad != "" {
		o = appendBad(o, bad)
	}
	return append(o, '}')
}

func appendHeaders(o []byte, rec *reader.Record) []byte {
	o = append(o, '[')
	for i, header := range rec.Headers {
		if i > 0 {
			o = append(o, ',')
		}
		o = append(o, `{"name":`...)
		o = wire.AppendText(o, header.Key)
		o = append(o, `,"value":`...)
		if header.Value == nil {
			o = append(o, "null"...)
		} else {
			o = appendBase64(o, header.Value)
		}
		o = append(o, '}')
	}
	return append(o, ']')
}
