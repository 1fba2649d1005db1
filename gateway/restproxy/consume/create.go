package consume

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// ConsumerCreate is the body of a create. Like the original it takes text for
// numbers and booleans.
type ConsumerCreate struct {
	Name       string     `json:"name,omitempty"`
	ID         string     `json:"id,omitempty" doc:"overrides name"`
	Format     string     `json:"format,omitempty" doc:"binary, json, avro, jsonschema or protobuf"`
	Reset      string     `json:"auto.offset.reset,omitempty" doc:"earliest, latest or none"`
	AutoCommit *wire.Text `json:"auto.commit.enable,omitempty"`
	Isolation  string     `json:"isolation.level,omitempty" doc:"read_uncommitted, the default, or read_committed"`
	MinBytes   *wire.Int  `json:"fetch.min.bytes,omitempty"`
	MinBytes2  *wire.Int  `json:"responseMinBytes,omitempty"`
	Timeout    *wire.Int  `json:"consumer.request.timeout.ms,omitempty"`
	Timeout2   *wire.Int  `json:"requestWaitMs,omitempty"`
}

// ConsumerInstance is the answer to a create.
type ConsumerInstance struct {
	InstanceID string `json:"instance_id"`
	BaseURI    string `json:"base_uri"`
}

func (h *Handler) create(w http.ResponseWriter, r *http.Request) {
	answer, err := h.createInstance(r)
	if err != nil {
		wire.WriteError(w, r, err)
		return
	}
	wire.WriteJSON(w, r, http.StatusOK, wire.V2, answer)
}

func (h *Handler) createInstance(r *http.Request) (any, error) {
	if err := negotiate(r); err != nil {
		return nil, err
	}
	var req ConsumerCreate
	if err := wire.DecodeBody(r, &req, nil); err != nil {
		return nil, err
	}
	in, cfg, err := h.prepare(&req)
	if err != nil {
		return nil, err
	}
	in.key.group, cfg.Group = r.PathValue("group"), r.PathValue("group")
	source, err := h.cfg.Route(r.Context(), "")
	if err != nil {
		return nil, err
	}
	if err := h.taken(r, in.key); err != nil {
		return nil, err
	}
	in.consumer = source.NewConsumer(cfg)
	if err := h.add(in); err != nil {
		return nil, err
	}
	h.announce(r.Context())
	return ConsumerInstance{in.key.name, string(wire.Root(r, h.cfg.Links).At("consumers", in.key.group, "instances", in.key.name))}, nil
}

func (h *Handler) prepare(req *ConsumerCreate) (*instance, reader.ConsumerConfig, error) {
	cfg := reader.ConsumerConfig{AutoCommit: !h.cfg.NoAutoCommit, Reset: reader.Reset(req.Reset)}
	if cfg.Reset == "" {
		cfg.Reset = reader.Reset(strings.ToLower(h.cfg.Reset))
	}
	in := &instance{format: strings.ToLower(req.Format), timeout: h.cfg.RequestTimeout, minBytes: *h.cfg.MinBytes}
	refuse := func(code int, format string, args ...any) (*instance, reader.ConsumerConfig, error) {
		return nil, cfg, wire.Errorf(code, format, args...)
	}
	if in.format == "" {
		in.format = formatBinary
	}
	if !slices.Contains(formats, in.format) {
		return refuse(http.StatusUnprocessableEntity, "Invalid format type.")
	}
	if hasSchema(in.format) && h.cfg.Decoder == nil {
		return nil, cfg, errNoRegistry()
	}
	switch cfg.Reset {
	case "", reader.ResetEarliest, reader.ResetLatest, reader.ResetNone:
	default:
		return refuse(wire.CodeConsumerConfig, "Invalid consumer configuration: auto.offset.reset must be earliest, latest or none")
	}
	switch req.Isolation {
	case "", "read_uncommitted":
	case "read_committed":
		cfg.Committed = true
	default:
		return refuse(wire.CodeConsumerConfig, "Invalid consumer configuration: isolation.level must be read_uncommitted or read_committed")
	}
	if req.AutoCommit != nil && *req.AutoCommit != "" {
		on, err := strconv.ParseBool(strings.ToLower(string(*req.AutoCommit)))
		if err != nil {
			return refuse(wire.CodeConsumerConfig, "Invalid consumer configuration: auto.commit.enable must be true or false")
		}
		cfg.AutoCommit = on
	}
	if n := either(req.MinBytes, req.MinBytes2); n != nil {
		if *n < -1 || *n > maxMinBytes {
			return refuse(wire.CodeConsumerConfigRange, "Invalid consumer configuration: fetch.min.bytes must be between -1 and %d", maxMinBytes)
		}
		in.minBytes = int(*n)
	}
	if n := either(req.Timeout, req.Timeout2); n != nil {
		if *n < 0 || int64(*n) > maxTimeout.Milliseconds() {
			return refuse(wire.CodeConsumerConfig, "Invalid consumer configuration: consumer.request.timeout.ms must be between 0 and %d", maxTimeout.Milliseconds())
		}
		in.timeout = time.Duration(*n) * time.Millisecond
	}
	if in.key.name = req.Name; req.ID != "" {
		in.key.name = req.ID
	}
	if in.key.name == "" {
		in.key.name = "rest-consumer-"
		if h.cfg.ID != "" {
			in.key.name += h.cfg.ID + "-"
		}
		in.key.name += uuid()
	}
	return in, cfg, nil
}

func either(a, b *wire.Int) *wire.Int {
	if a != nil {
		return a
	}
	return b
}

// uuid returns a random UUID (RFC 9562, version 4).
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
