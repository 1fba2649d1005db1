package produce

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/schema"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

// The embedded formats of v2.
const (
	formatBinary = "binary"
	formatJSON   = "json"
	formatRaw    = "raw" // the body is the value of one record
)

// The media types of formatRaw.
const (
	textPlain = "text/plain"
	octets    = "application/octet-stream"
)

var formatsV2 = []string{formatBinary, formatJSON, schema.FormatAvro, schema.FormatJSONSchema, schema.FormatProtobuf}

// types are the media types that a body may have.
func (h *Handler) types() []string {
	types := make([]string, 0, len(formatsV2)+3)
	for _, f := range formatsV2 {
		types = append(types, "application/vnd.kafka."+f+".v2+json")
	}
	if h.cfg.DefaultFormat != "" {
		types = append(types, wire.JSON, textPlain, octets)
	}
	return types
}

// formatOf reads the embedded format from a v2 Content-Type.
func (h *Handler) formatOf(r *http.Request) (string, error) {
	header := r.Header.Get("Content-Type")
	switch header { // the spelling of nearly all clients
	case "application/vnd.kafka.json.v2+json":
		return formatJSON, nil
	case "application/vnd.kafka.binary.v2+json":
		return formatBinary, nil
	}
	mediaType, params, ok := route.ContentType(r)
	if !ok {
		return "", wire.UnsupportedMediaType(h.types()...)
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return "", badBody("charset %s is not supported; send UTF-8", charset)
	}
	if h.cfg.DefaultFormat != "" {
		switch mediaType {
		case wire.JSON:
			return h.cfg.DefaultFormat, nil
		case textPlain, octets:
			return formatRaw, nil
		}
	}
	name, found := strings.CutPrefix(mediaType, "application/vnd.kafka.")
	name, tail := strings.CutSuffix(name, ".v2+json")
	if !found || !tail || !slices.Contains(formatsV2, name) {
		return "", wire.UnsupportedMediaType(h.types()...)
	}
	return name, nil
}

// accepted checks the Accept header; plain JSON is a superset of the original.
func acceptedV2(r *http.Request) (*[1]string, bool) {
	switch r.Header.Get("Accept") {
	case "", "*/*", wire.V2:
		return &typeV2, true
	}
	switch mediaType, ok := route.Accepts(r, wire.V2, wire.JSON); {
	case !ok:
		return nil, false
	case mediaType == wire.JSON:
		return &typeJSON, true
	default:
		return &typeV2, true
	}
}

func (h *Handler) produceV2(w http.ResponseWriter, r *http.Request) {
	answerType, ok := acceptedV2(r)
	if !ok {
		wire.WriteError(w, r, wire.NotAcceptable(wire.V2, wire.JSON))
		return
	}
	req := requestV2{topic: r.PathValue("topic"), partition: connector.AnyPartition, max: h.cfg.MaxRecords, metadata: h.cfg.Metadata, failed: h.cfg.FailedStatus}
	err := req.switches(r)
	if err != nil {
		wire.WriteError(w, r, err)
		return
	}
	if req.format, err = h.formatOf(r); err != nil {
		wire.WriteError(w, r, err)
		return
	}
	if p := r.PathValue("partition"); p != "" {
		n, err := strconv.ParseInt(p, 10, 32)
		switch {
		case err != nil:
			wire.WriteError(w, r, wire.NotFound())
			return
		case n < 0:
			wire.WriteError(w, r, wire.UnknownPartition())
			return
		}
		req.partition = int32(n)
	}
	out, err := h.cfg.Route(r.Context(), "")
	if err != nil {
		wire.WriteError(w, r, err)
		return
	}
	b := h.pool.get()
	if err := h.readV2(r, b, &req); err != nil {
		h.pool.put(b)
		wire.WriteError(w, r, err)
		return
	}
	b.publish(r.Context(), out)
	all := b.wait(r.Context(), h.cfg.AckTimeout)
	status := b.answerV2(&req)
	if status == http.StatusMultiStatus && !req.failed {
		status = http.StatusOK
	}
	writeAnswer(w, status, answerType, b.out)
	if all {
		h.pool.put(b)
	}
}

// switches reads what one request may choose for itself.
func (req *requestV2) switches(r *http.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	query := r.URL.Query()
	switch v := query.Get("failed_status"); v {
	case "":
	case "200", "207":
		req.failed = v == "207"
	default:
		return badBody("failed_status must be 200 or 207")
	}
	if v := query.Get("metadata"); v != "" {
		on, err := strconv.ParseBool(v)
		if err != nil {
			return badBody("metadata must be true or false")
		}
		req.metadata = on
	}
	if query.Has("key") {
		req.key = []byte(query.Get("key"))
	}
	return nil
}

func (h *Handler) readV2(r *http.Request, b *batch, req *requestV2) error {
	if err := b.read(r); err != nil {
		return bodyError(err)
	}
	if req.format == formatRaw {
		b.messages = append(b.messages, connector.Message{Topic: req.topic, Partition: req.partition, Key: req.key, Value: b.buf})
		return nil
	}
	if err := b.decodeV2(req); err != nil {
		return err
	}
	switch req.format {
	case formatBinary, formatJSON:
		return nil
	default:
		return h.encodeV2(r.Context(), b, req)
	}
}

// writeAnswer sends a whole answer with its length.
func writeAnswer(w http.ResponseWriter, status int, mediaType *[1]string, body []byte) {
	header := w.Header()
	contentType(header, mediaType)
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	if status != http.StatusOK {
		w.WriteHeader(status)
	}
	_, _ = w.Write(body) // the client is gone; nobody is left to tell
}

// answerV2 writes the answer into out and returns its status: 401 or 403 when
// a record failed so, 207 when another did.
func (b *batch) answerV2(req *requestV2) int {
	status := http.StatusOK
	o := append(b.out, `{"offsets":[`...)
	for i := range b.messages {
		if i > 0 {
			o = append(o, ',')
		}
		r := b.result(i)
		if r.Err == nil {
			o = append(o, `{"partition":`...)
			o = strconv.AppendInt(o, int64(r.Partition), 10)
			o = append(o, `,"offset":`...)
			o = strconv.AppendInt(o, r.Offset, 10)
			o = append(o, `,"error_code":null,"error":null}`...)
			continue
		}
		code := codeV2(r.Err)
		switch {
		case code == wire.CodeKafkaAuthentication:
			status = http.StatusUnauthorized
		case code == wire.CodeKafkaAuthorization && status != http.StatusUnauthorized:
			status = http.StatusForbidden
		case status == http.StatusOK:
			status = http.StatusMultiStatus
		}
		o = append(o, `{"partition":null,"offset":null,"error_code":`...)
		o = strconv.AppendInt(o, int64(code), 10)
		o = append(o, `,"error":`...)
		o = wire.AppendText(o, firstLine(r.Err.Error()))
		o = append(o, '}')
	}
	o = append(o, `],"key_schema_id":`...)
	o = appendSchemaID(o, req.keySchema.id, req.format)
	o = append(o, `,"value_schema_id":`...)
	o = appendSchemaID(o, req.valueSchema.id, req.format)
	b.out = append(o, '}')
	return status
}

func appendSchemaID(o []byte, id int, format string) []byte {
	if id == 0 || format == formatBinary || format == formatJSON || format == formatRaw {
		return append(o, "null"...)
	}
	return strconv.AppendInt(o, int64(id), 10)
}

// codeV2 is the code of a failed record in a v2 answer.
func codeV2(err error) int {
	switch connector.KindOf(err) {
	case connector.Unauthenticated:
		return wire.CodeKafkaAuthentication
	case connector.Denied:
		return wire.CodeKafkaAuthorization
	case connector.Unavailable, connector.Throttled, connector.NotFound:
		return wire.CodeKafkaRetriable // also the unknown topic: it may be created yet
	default:
		return wire.CodeKafkaError
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
