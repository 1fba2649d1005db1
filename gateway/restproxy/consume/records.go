package consume

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// requested is the embedded format that the Accept header asks for. Anything,
// and the v2 type without format, are binary; plain JSON takes the instance's
// own format.
func requested(r *http.Request, own string) (string, error) {
	offered := make([]string, 0, len(formats)+2)
	for _, f := range formats {
		offered = append(offered, mediaTypeOf(f))
	}
	mediaType, ok := wire.Accepts(r, append(offered, wire.V2, wire.JSON)...)
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
	answer, err := source.Fetch(r.Context(), req)
	if err != nil {
		wire.WriteError(w, r, err)
		return
	}
	h.writeRead(w, r, &answer, format)
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
	mediaType, ok := wire.Accepts(r, offered...)
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

var typesV3 = map[string]string{formatBinary: "BINARY", formatString: "STRING", formatJSON: "JSON",
	formatAvro: "AVRO", formatJSONSchema: "JSONSCHEMA", formatProtobuf: "PROTOBUF"}

func (h *Handler) writeRead(w http.ResponseWriter, r *http.Request, a *reader.Answer, format string) {
	w.Header().Set("Content-Type", wire.JSON)
	self := wire.BaseURL(r, h.cfg.Links) + r.URL.Path
	query := r.URL.Query()
	query.Del("timestamp")
	query.Set("offset", strconv.FormatInt(a.Next, 10))
	o := append(make([]byte, 0, 2*writeAt), `{"kind":"KafkaRecordList","metadata":{"self":`...)
	own := self
	if r.URL.RawQuery != "" {
		own += "?" + r.URL.RawQuery
	}
	o = appendText(o, own)
	o = append(o, `,"next":`...)
	o = appendText(o, self+"?"+query.Encode())
	o = append(o, `,"earliest_offset":`...)
	o = strconv.AppendInt(o, a.LogStart, 10)
	o = append(o, `,"latest_offset":`...)
	o = strconv.AppendInt(o, a.HighWatermark, 10)
	o = append(o, `},"data":[`...)
	out := &writer{w: w, buf: o}
	p := &payloads{ctx: r.Context(), format: format, decoder: h.cfg.Decoder}
	cluster := r.PathValue("cluster_id")
	for i := range a.Records {
		if i > 0 {
			out.buf = append(out.buf, ',')
		}
		out.buf = appendRecordV3(out.buf, p, &a.Records[i], cluster)
		out.flush(false)
	}
	out.buf = append(out.buf, "]}"...)
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
	kind := `{"type":"` + typesV3[p.format] + `","data":`
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
