package consume

import (
	"errors"
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
		Topic     string   `json:"topic"`
		Partition wire.Int `json:"partition"`
	}
	// TopicPartitions is a list of partitions.
	TopicPartitions struct {
		Partitions []TopicPartition `json:"partitions"`
	}
	// TopicOffset is a position in a partition.
	TopicOffset struct {
		Topic     string   `json:"topic"`
		Partition wire.Int `json:"partition"`
		Offset    wire.Int `json:"offset"`
		Metadata  *string  `json:"metadata"`
	}
	// TopicOffsets is a list of positions.
	TopicOffsets struct {
		Offsets []TopicOffset `json:"offsets"`
	}
	// TopicTime is a time in a partition.
	TopicTime struct {
		Topic     string    `json:"topic"`
		Partition wire.Int  `json:"partition"`
		Timestamp wire.Text `json:"timestamp" doc:"ISO-8601, or milliseconds since 1970"`
		Metadata  *string   `json:"metadata"`
	}
	// Positions says where to go on reading.
	Positions struct {
		Offsets    []TopicOffset `json:"offsets,omitempty"`
		Timestamps []TopicTime   `json:"timestamps,omitempty"`
	}
)

func errNull() *wire.Error {
	return wire.Errorf(http.StatusUnprocessableEntity, "The request body must not be null")
}

func tpOf(topic string, p wire.Int) (reader.TP, error) {
	n, err := p.Int32("partition")
	if err != nil {
		return reader.TP{}, err
	}
	if topic == "" || n < 0 {
		return reader.TP{}, wire.Errorf(http.StatusUnprocessableEntity, "topic may not be empty and partition may not be negative")
	}
	return reader.TP{Topic: topic, Partition: n}, nil
}

func (b *TopicPartitions) tps() ([]reader.TP, error) {
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

func (h *Handler) subscribe(_ http.ResponseWriter, r *http.Request, in *instance) (any, error) {
	var req SubscriptionRequest
	if err := body(r, &req, errNull()); err != nil {
		return nil, err
	}
	var pattern *regexp.Regexp
	if len(req.Topics) == 0 {
		if req.Pattern == nil {
			return nil, nil // as the original: nothing happens
		}
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
		answer.Partitions = append(answer.Partitions, TopicPartition{tp.Topic, wire.Int(tp.Partition)})
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
		tp, err := tpOf(o.Topic, o.Partition)
		if err != nil {
			return nil, err
		}
		if o.Offset < 0 {
			return nil, wire.Errorf(http.StatusUnprocessableEntity, "offset may not be negative")
		}
		offsets[tp] = int64(o.Offset)
	}
	times := map[reader.TP]time.Time{}
	for _, o := range req.Timestamps {
		tp, err := tpOf(o.Topic, o.Partition)
		if err != nil {
			return nil, err
		}
		if times[tp], err = parseTime(string(o.Timestamp)); err != nil {
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
	var offsets map[reader.TP]reader.Committed
	for _, o := range req.Offsets {
		tp, err := tpOf(o.Topic, o.Partition)
		if err != nil {
			return nil, err
		}
		if o.Offset < 0 {
			return nil, wire.Errorf(http.StatusUnprocessableEntity, "offset may not be negative")
		}
		if offsets == nil {
			offsets = map[reader.TP]reader.Committed{}
		}
		c := reader.Committed{Offset: int64(o.Offset) + 1}
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
			answer.Offsets = append(answer.Offsets, TopicOffset{tp.Topic, wire.Int(tp.Partition), wire.Int(c.Offset), &c.Metadata})
		}
	}
	return answer, nil
}

// parseTime reads an ISO-8601 instant or milliseconds since the epoch.
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	if ms, ok := integer(s); ok {
		return time.UnixMilli(ms), nil
	}
	return time.Time{}, wire.Errorf(http.StatusBadRequest, "Bad Request: a timestamp must be an ISO-8601 instant such as 2022-04-22T14:48:47Z")
}
