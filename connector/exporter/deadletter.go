package exporter

import (
	"strconv"
	"time"

	"github.com/headrace/headrace/connector"
)

// The headers of a dead letter.
const (
	HeaderReason    = "headrace.reason"    // the kind of error: invalid, too_large, not_found, denied
	HeaderError     = "headrace.error"     // its text, without the payload
	HeaderTopic     = "headrace.topic"     // where the record was going
	HeaderPartition = "headrace.partition" // only if the record asked for one
	HeaderPipeline  = "headrace.pipeline"
	HeaderBlock     = "headrace.block"
	HeaderTime      = "headrace.time" // when it was given up, RFC 3339
)

// deadLetters reports whether a record refused with err belongs to the dead
// letters: no retry can help it, and keeping it would stop all behind it.
func (e *Exporter) deadLetters(err error) bool {
	if e.cfg.DeadLetter == nil {
		return false
	}
	switch connector.KindOf(err) {
	case connector.Invalid, connector.TooLarge:
		return true
	case connector.NotFound, connector.Denied:
		return e.cfg.DeadLetterTopics
	default:
		return false
	}
}

// bury writes messages to the dead letters, one result's error each, and
// acknowledges them. The caller has counted one flight for it.
func (e *Exporter) bury(messages []*connector.Message, why []connector.Result) {
	var held int64
	for _, m := range messages {
		held += e.sizeOf(m)
	}
	end := func() {
		e.room.Release(held)
		e.flying.add(-1)
	}
	if e.cfg.DeadLetter == nil {
		for i, m := range messages {
			e.failed(m, why[i])
		}
		end()
		return
	}
	letters := make([]*connector.Message, len(messages))
	for i, m := range messages {
		letters[i] = e.letter(m, why[i].Err)
	}
	e.dead.Lock()
	defer e.dead.Unlock()
	e.cfg.DeadLetter.Write(e.ctx, letters, func(results []connector.Result) {
		for i, m := range messages {
			if err := results[i].Err; err != nil {
				e.failed(m, connector.Result{Offset: -1, Err: connector.Errorf(connector.KindOf(err),
					"dead letter: %w; the record itself: %w", err, why[i].Err)})
				continue
			}
			m.Finish(connector.Result{Outcome: connector.DeadLettered, Offset: -1, Err: why[i].Err})
		}
		end()
	})
}

func (e *Exporter) letter(m *connector.Message, why error) *connector.Message {
	topic := m.Topic
	if topic == "" {
		topic = e.cfg.Origin.Topic
	}
	headers := append(make([]connector.Header, 0, len(m.Headers)+7), m.Headers...)
	add := func(key, value string) {
		if value != "" {
			headers = append(headers, connector.Header{Key: key, Value: []byte(value)})
		}
	}
	add(HeaderReason, connector.KindOf(why).String())
	add(HeaderError, why.Error())
	add(HeaderTopic, topic)
	if m.Partition >= 0 {
		add(HeaderPartition, strconv.Itoa(int(m.Partition)))
	}
	add(HeaderPipeline, e.cfg.Origin.Pipeline)
	add(HeaderBlock, e.cfg.Origin.Block)
	add(HeaderTime, time.Now().UTC().Format(time.RFC3339Nano))
	return &connector.Message{Partition: connector.AnyPartition, Key: m.Key, Value: m.Value,
		Headers: headers, Time: m.Time, Seq: m.Seq}
}
