package consume

import (
	"errors"
	"math"
	"net/http"
	"regexp"
	regexpsyntax "regexp/syntax"
	"slices"
	"time"

	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// The bodies of the calls that look at or change a consumer's state.
type (
	// SubscriptionRequest names topics, or a pattern for their whole names.
	SubscriptionRequest struct {
		Topics  []string `json:"topics,omitempty"`
		Pattern *string  `json:"topic_pattern,omitempty"`
	}
	// Subscription is what a consumer is subscribed to.
	Subscription struct {
		Topics []string `json:"topics"`
	}
	// TopicPartition names a partition.
	TopicPartition struct {
		Topic     string    `json:"topic" required:"true"`
		Partition *wire.Int `json:"partition" required:"true"`
	}
	// TopicPartitions is a list of partitions.
	TopicPartitions struct {
		Partitions []TopicPartition `json:"partitions" required:"true"`
	}
	// TopicOffset is a position in a partition.
	TopicOffset struct {
		Topic     string    `json:"topic" required:"true"`
		Partition *wire.Int `json:"partition" required:"true"`
		Offset    *wire.Int `json:"offset" required:"true"`
		Metadata  *string   `json:"metadata"`
	}
	// TopicOffsets is a list of positions.
	TopicOffsets struct {
		Offsets []TopicOffset `json:"offsets" required:"true"`
	}
	// TopicTime is a time in a partition.
	TopicTime struct {
		Topic     string     `json:"topic" required:"true"`
		Partition *wire.Int  `json:"partition" required:"true"`
		Timestamp *wire.Text `json:"timestamp" required:"true" doc:"ISO-8601, or milliseconds since 1970"`
		Metadata  *string    `json:"metadata"`
	}
	// Positions says where to go on reading.
	Positions struct {
		Offsets    []TopicOffset `json:"offsets,omitempty"`
		Timestamps []TopicTime   `json:"timestamps,omitempty"`
	}
)

func number[T int32 | int64](n T) *wire.Int {
	i := wire.Int(n)
	return &i
}

func errNull() *wire.Error {
	return wire.Errorf(http.StatusUnprocessableEntity, "The request body must not be null")
}

// errAbsent is the answer to an element that lacks a field. What is absent is
// never taken for zero: that would be the first partition, and the begin of it.
func errAbsent(field string) error {
	return wire.Errorf(http.StatusUnprocessableEntity, "%s must not be null; nothing was changed", field)
}

func tpOf(topic string, p *wire.Int) (reader.TP, error) {
	if topic == "" {
		return reader.TP{}, wire.Errorf(http.StatusUnprocessableEntity, "topic may not be empty")
	}
	if p == nil {
		return reader.TP{}, errAbsent("partition")
	}
	n, err := p.Int32("partition")
	if err != nil {
		return reader.TP{}, err
	}
	if n < 0 {
		return reader.TP{}, wire.Errorf(http.StatusUnprocessableEntity, "partition may not be negative")
	}
	return reader.TP{Topic: topic, Partition: n}, nil
}

// position is the partition and the offset of an element.
func (o *TopicOffset) position() (reader.TP, int64, error) {
	tp, err := tpOf(o.Topic, o.Partition)
	switch {
	case err != nil:
		return tp, 0, err
	case o.Offset == nil:
		return tp, 0, errAbsent("offset")
	case *o.Offset < 0 || *o.Offset == math.MaxInt64: // a commit stores the one behind it
		return tp, 0, wire.Errorf(http.StatusUnprocessableEntity, "offset may not be negative or above %d", int64(math.MaxInt64-1))
	}
	return tp, int64(*o.Offset), nil
}

func (b *TopicPartitions) tps() ([]reader.TP, error) {
	if b.Partitions == nil {
		return nil, errAbsent("partitions")
	}
	var tps []reader.TP
	for _, p := range b.Partitions {
		tp, err := tpOf(p.Topic, p.Partition)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(tps, tp) {
			tps = append(tps, tp)
		}
	}
	return tps, nil
}

// body checks the media types and decodes the request of a state call.
func body(r *http.Request, v any, missing *wire.Error) error {
	if err := negotiate(r); err != nil {
		return err
	}
	return wire.DecodeBody(r, v, missing)
}

// patternFault is what is wrong with a regular expression, without the name of
// the function that says so.
func patternFault(err error) string {
	var syntax *regexpsyntax.Error
	if errors.As(err, &syntax) {
		return syntax.Code.String()
	}
	return "it cannot be read"
}

func (h *Handler) subscribe(w http.ResponseWriter, r *http.Request, in *instance) (any, error) {
	var req SubscriptionRequest
	if err := body(r, &req, errNull()); err != nil {
		return nil, err
	}
	var pattern *regexp.Regexp
	switch {
	case len(req.Topics) > 0: // it wins over a pattern
		for _, t := range req.Topics {
			if t == "" {
				return nil, wire.Errorf(http.StatusUnprocessableEntity, "topic may not be empty")
			}
		}
	case req.Pattern == nil && req.Topics == nil:
		return nil, nil // as the original: nothing was asked for
	case req.Pattern == nil:
		return h.unsubscribe(w, r, in) // no topics, as Kafka's own client
	default:
		var err error
		if pattern, err = regexp.Compile(*req.Pattern); err != nil {
			return nil, wire.Errorf(http.StatusBadRequest, "Bad Request: topic_pattern is not a regular expression: %s", patternFault(err))
		}
		pattern.Longest() // a name has to match as a whole
	}
	in.calls.Lock()
	defer in.calls.Unlock()
	return nil, in.consumer.Subscribe(req.Topics, pattern)
}

func (h *Handler) subscription(_ http.ResponseWriter, r *http.Request, in *instance) (any, error) {
	if err := negotiate(r); err != nil {
		return nil, err
	}
	topics := in.consumer.Subscription()
	if topics == nil {
		topics = []string{}
	}
	return Subscription{topics}, nil
}

func (h *Handler) unsubscribe(_ http.ResponseWriter, r *http.Request, in *instance) (any, error) {
	in.calls.Lock()
	defer in.calls.Unlock()
	return nil, in.consumer.Unsubscribe(r.Context())
}

func (h *Handler) assign(_ http.ResponseWriter, r *http.Request, in *instance) (any, error) {
	var req TopicPartitions
	if err := body(r, &req, errNull()); err != nil {
		return nil, err
	}
	tps, err := req.tps()
	if err != nil {
		return nil, err
	}
	in.calls.Lock()
	defer in.calls.Unlock()
	return nil, in.consumer.Assign(tps)
}

func (h *Handler) assignments(_ http.ResponseWriter, r *http.Request, in *instance) (any, error) {
	if err := negotiate(r); err != nil {
		return nil, err
	}
	answer := TopicPartitions{Partitions: []TopicPartition{}}
	for _, tp := range in.consumer.Assignment() {
		answer.Partitions = append(answer.Partitions, TopicPartition{tp.Topic, number(tp.Partition)})
	}
	return answer, nil
}

func (h *Handler) seek(_ http.ResponseWriter, r *http.Request, in *instance) (any, error) {
	var req Positions
	if err := body(r, &req, errNull()); err != nil {
		return nil, err
	}
	offsets := map[reader.TP]int64{}
	for _, o := range req.Offsets {
		tp, offset, err := o.position()
		if err != nil {
			return nil, err
		}
		offsets[tp] = offset
	}
	times := map[reader.TP]time.Time{}
	for _, o := range req.Timestamps {
		tp, err := tpOf(o.Topic, o.Partition)
		if err != nil {
			return nil, err
		}
		if o.Timestamp == nil {
			return nil, errAbsent("timestamp")
		}
		if times[tp], err = timeOf(string(*o.Timestamp)); err != nil {
			return nil, err
		}
	}
	in.calls.Lock()
	defer in.calls.Unlock()
	if err := in.consumer.Seek(offsets); err != nil {
		return nil, err
	}
	return nil, in.consumer.SeekTime(r.Context(), times)
}

func (h *Handler) seekTo(position int64) call {
	return func(_ http.ResponseWriter, r *http.Request, in *instance) (any, error) {
		var req TopicPartitions
		if err := body(r, &req, errNull()); err != nil {
			return nil, err
		}
		tps, err := req.tps()
		if err != nil {
			return nil, err
		}
		offsets := map[reader.TP]int64{}
		for _, tp := range tps {
			offsets[tp] = position
		}
		in.calls.Lock()
		defer in.calls.Unlock()
		return nil, in.consumer.Seek(offsets)
	}
}

// commit stores offset+1, as the original does: clients name the last record
// that they are done with.
func (h *Handler) commit(_ http.ResponseWriter, r *http.Request, in *instance) (any, error) {
	var req TopicOffsets
	if err := body(r, &req, nil); err != nil {
		return nil, err
	}
	var offsets map[reader.TP]reader.Committed // nil stores what was read
	if req.Offsets != nil {
		offsets = map[reader.TP]reader.Committed{}
	}
	for _, o := range req.Offsets {
		tp, offset, err := o.position()
		if err != nil {
			return nil, err
		}
		c := reader.Committed{Offset: offset + 1}
		if o.Metadata != nil {
			c.Metadata = *o.Metadata
		}
		offsets[tp] = c
	}
	in.calls.Lock()
	defer in.calls.Unlock()
	if err := in.consumer.Commit(r.Context(), offsets); err != nil {
		return nil, err
	}
	return []struct{}{}, nil
}

func (h *Handler) committed(_ http.ResponseWriter, r *http.Request, in *instance) (any, error) {
	var req TopicPartitions
	if err := body(r, &req, wire.UnknownPartition()); err != nil {
		return nil, err
	}
	tps, err := req.tps()
	if err != nil {
		return nil, err
	}
	stored, err := in.consumer.Committed(r.Context(), tps)
	if err != nil {
		return nil, err
	}
	answer := TopicOffsets{Offsets: []TopicOffset{}}
	for _, tp := range tps {
		if c := stored[tp]; c.Offset >= 0 {
			answer.Offsets = append(answer.Offsets, TopicOffset{tp.Topic, number(tp.Partition), number(c.Offset), &c.Metadata})
		}
	}
	return answer, nil
}

// timeOf reads a timestamp, as all of v2 and v3 do.
func timeOf(s string) (time.Time, error) {
	t, ok := wire.ParseTime(s)
	if !ok {
		return t, wire.Errorf(http.StatusBadRequest, "Bad Request: a timestamp must be an ISO-8601 instant such as 2022-04-22T14:48:47Z, or milliseconds since 1970")
	}
	return t, nil
}
