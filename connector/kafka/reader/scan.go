package reader

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector/kafka/broker"
)

// firstBytes is what the first request of a read asks for: how far the log
// unpacks is known only after it.
const firstBytes = 128 << 10

// Request is one read from a partition.
type Request struct {
	TP
	Offset   int64         // or Earliest, or Latest
	MaxBytes int           // of keys and values; one record always passes
	Wait     time.Duration // how long to wait for the first record
}

// Answer is where a read ended.
type Answer struct {
	Next          int64 // the offset to go on with
	LogStart      int64
	HighWatermark int64 // the offset that the next record will get
}

// Fetch reads the records from an offset on and gives them to take in portions,
// in order and never empty. While take has one the next is fetched, so that two
// are held at once. No portion and no error mean that there were no records
// within the wait. An error before the first portion is returned: an offset
// outside the log is Invalid, an unknown topic or partition NotFound. One behind
// it ends the read, and the next read meets it. An error of take ends the read
// and is returned as it is.
func (r *Reader) Fetch(ctx context.Context, req Request, take func([]Record) error) (Answer, error) {
	s := &scan{r: r, req: req, deadline: time.Now().Add(req.Wait), answer: Answer{Next: req.Offset}, lives: 3}
	if req.Offset < 0 {
		var err error
		if s.answer.Next, err = r.OffsetAt(ctx, req.TP, req.Offset); err != nil {
			return Answer{}, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	ahead := s.fetch(ctx)
	defer func() { cancel(); <-ahead }()
	for {
		portion, more, err := s.settle(ctx, <-ahead)
		if more {
			ahead = s.fetch(ctx)
		}
		if len(portion) > 0 && err == nil {
			err = take(portion)
		}
		if err != nil || !more {
			return s.answer, err
		}
	}
}

// scan is a read under way. Its fields are those of one goroutine: a request
// that is fetched ahead has what it needs.
type scan struct {
	r        *Reader
	req      Request
	deadline time.Time
	answer   Answer
	given    int   // records so far
	size     int   // of their keys and values
	unpacked int64 // the bytes that the requests so far brought
	asked    int64 // and what they asked for
	lives    int   // failures that newer metadata may still mend
}

// fetch asks for what comes next. The channel gives the answer and is closed.
func (s *scan) fetch(ctx context.Context) <-chan *broker.Part {
	most := inLog(s.req.MaxBytes - s.size)
	switch {
	case s.asked == 0:
		most = min(most, firstBytes)
	case s.unpacked > s.asked: // compressed: what is too much would be unpacked for nothing
		most = max(int32(int64(most)*s.asked/s.unpacked), min(most, firstBytes))
	}
	s.asked += int64(most)
	p := &broker.Part{TP: s.req.TP, Offset: s.answer.Next}
	wait := min(time.Until(s.deadline), fetchSlice)
	done := make(chan *broker.Part, 1)
	go func() {
		defer close(done)
		if err := s.r.conns.Fetch(ctx, []*broker.Part{p}, broker.Fetching{Most: most, Wait: wait}); err != nil {
			p.Err = err
		}
		done <- p
	}()
	return done
}

// settle moves the read behind what came, as far as it fits, and says whether
// to go on.
func (s *scan) settle(ctx context.Context, p *broker.Part) (portion []Record, more bool, err error) {
	switch {
	case p.Err == nil:
	case s.given > 0:
		return nil, false, nil
	case broker.Transient(p.Err) && s.lives > 0 && ctx.Err() == nil:
		s.lives--
		err := s.r.conns.Relearn(ctx, p.Topic)
		return nil, err == nil, err
	default:
		return nil, false, fmt.Errorf("reading %s/%d at offset %d: %w%s", p.Topic, p.Partition, p.Offset, p.Err, s.bounds(ctx, p))
	}
	a := &s.answer
	a.LogStart, a.HighWatermark, a.Next = p.LogStart, p.HighWatermark, p.Next
	fit := s.fit(p.Records)
	some := s.given > 0 || fit > 0
	s.given += fit
	switch {
	case fit < len(p.Records):
		a.Next = p.Records[fit].Offset
		return p.Records[:fit], false, nil
	case fit == 0:
		more = time.Until(s.deadline) > 0
	default:
		more = s.size < s.req.MaxBytes
	}
	return p.Records, more && !(some && a.Next >= a.HighWatermark), nil
}

// bounds says where a partition begins and ends when the offset was outside.
func (s *scan) bounds(ctx context.Context, p *broker.Part) string {
	if !errors.Is(p.Err, sarama.ErrOffsetOutOfRange) {
		return ""
	}
	earliest, err := s.r.OffsetAt(ctx, p.TP, Earliest)
	if err != nil {
		return "" // what was wrong first is the answer
	}
	latest, err := s.r.OffsetAt(ctx, p.TP, Latest)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("; the earliest offset is %d, the latest %d", earliest, latest)
}

// fit counts the records up to the one that would reach the limit. The first of
// a read always fits.
func (s *scan) fit(records []Record) int {
	fit, full := 0, false
	for i := range records {
		n := len(records[i].Key) + len(records[i].Value)
		s.unpacked += int64(n)
		full = full || s.given+fit > 0 && s.size+n >= s.req.MaxBytes
		if !full {
			s.size += n
			fit++
		}
	}
	return fit
}
