package consume

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
	"strings"
)

// read is GET /v3/clusters/{c}/topics/{t}/partitions/{p}/records: a read
// without a consumer. Any server can answer it, and the next one.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) {
	req, format, err := h.readRequest(r)
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
		t, err := parseTime(at)
		if err == nil {
			req.Offset, err = source.OffsetAt(r.Context(), req.TP, t.UnixMilli())
		}
		if err != nil {
			wire.WriteError(w, r, err)
			return
		}
	}
	p := &payloads{ctx: r.Context(), format: format, typeV3: strings.ToUpper(format), decoder: h.cfg.Decoder}
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

// readRequest reads path and query. format is "" for plain JSON.
func (h *Handler) readRequest(r *http.Request) (req reader.Request, format string, err error) {
	query := r.URL.Query()
	n, ok := integer(r.PathValue("partition_id"))
	if !ok || n < 0 || int64(int32(n)) != n {
		return req, "", wire.NotFound()
	}
	req = reader.Request{TP: reader.TP{Topic: r.PathValue("topic_name"), Partition: int32(n)}, Offset: reader.Earliest,
		MaxBytes: h.cfg.MaxBytes, Wait: maxTimeout}
	bad := func(text string) (reader.Request, string, error) {
		return req, "", wire.Errorf(http.StatusBadRequest, "Bad Request: %s", text)
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
	offered := []string{wire.JSON}
	for _, f := range formats {
		offered = append(offered, mediaTypeOf(f))
	}
	mediaType, ok := route.Accepts(r, offered...)
	if !ok {
		return req, "", wire.NotAcceptable()
	}
	format = formatOf(mediaType)
	if f := query.Get("format"); format == "" && f != "" {
		if f != formatString && !slices.Contains(formats, f) {
			return bad("format must be one of binary, string, json, avro, jsonschema and protobuf")
		}
		format = f
	}
	if format == "" {
		format = formatBinary
	}
	if hasSchema(format) && h.cfg.Decoder == nil {
		return req, "", wire.Payload("Schema Registry must be configured when using schemas.")
	}
	return req, format, nil
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
	o = appendText(o, own)
	o = append(o, `,"next":`...)
	o = appendText(o, self+"?"+query.Encode())
	o = append(o, `,"earliest_offset":`...)
	o = strconv.AppendInt(o, a.LogStart, 10)
	o = append(o, `,"latest_offset":`...)
	o = strconv.AppendInt(o, a.HighWatermark, 10)
	out.buf = append(o, "}}"...)
	out.flush(true)
}

func appendRecordV3(o []byte, p *payloads, rec *reader.Record, cluster string) []byte {
	o = append(o, `{"cluster_id":`...)
	o = appendText(o, cluster)
	o = append(o, `,"topic_name":`...)
	o = appendText(o, rec.Topic)
	o = append(o, `,"partition_id":`...)
	o = strconv.AppendInt(o, int64(rec.Partition), 10)
	o = append(o, `,"offset":`...)
	o = strconv.AppendInt(o, rec.Offset, 10)
	o = append(o, `,"timestamp":"`...)
	o = rec.Timestamp.UTC().AppendFormat(o, "2006-01-02T15:04:05.000Z")
	o = append(o, `","headers":`...)
	o = appendHeaders(o, rec)
	kind := `{"type":"` + p.typeV3 + `","data":`
	o, bad := p.both(o, rec, `,"key":`+kind, `},"value":`+kind, `}`)
	if bad != "" {
		o = appendBad(o, bad)
	}
	return append(o, '}')
}

func appendHeaders(o []byte, rec *reader.Record) []byte {
	o = append(o, '[')
	binary := payloads{format: formatBinary}
	for i, header := range rec.Headers {
		if i > 0 {
			o = append(o, ',')
		}
		o = append(o, `{"name":`...)
		o = appendText(o, header.Key)
		o = append(o, `,"value":`...)
		o, _ = binary.append(o, header.Value) // base64 takes all bytes
		o = append(o, '}')
	}
	return append(o, ']')
}
