package producer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/headrace/headrace/connector"
)

// answering answers the produce requests for partition 0 of t that judge finds
// fault with.
func answering(c *kfake.Cluster, judge func(records []byte, into *kmsg.ProduceResponseTopicPartition) (bad bool)) (answers, refusals *atomic.Int64) {
	answers, refusals = new(atomic.Int64), new(atomic.Int64)
	onProduce(c, func(req *kmsg.ProduceRequest) (kmsg.Response, error, bool) {
		answers.Add(1)
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		rt, rp := kmsg.NewProduceResponseTopic(), kmsg.NewProduceResponseTopicPartition()
		rt.Topic = "t"
		if !judge(req.Topics[0].Partitions[0].Records, &rp) {
			return nil, nil, false
		}
		refusals.Add(1)
		rt.Partitions = append(rt.Partitions, rp)
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
	return answers, refusals
}

// The size that a topic takes is found with a few refusals, not anew for each
// batch, and batches come near to it.
func TestSizeIsLearnt(t *testing.T) {
	for _, limit := range []int{1000, 20_000, 700_000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
			requests, refusals := answering(c, func(records []byte, into *kmsg.ProduceResponseTopicPartition) bool {
				into.ErrorCode = kerr.MessageTooLarge.Code
				return len(records) > limit
			})
			p := start(t, c, "t", nil)
			const n, size = 30_000, 100
			ms := make([]*connector.Message, n)
			for i := range ms {
				ms[i] = message(string(bytes.Repeat([]byte{'a' + byte(i%26)}, size)))
			}
			for i, r := range send(t, p, ms...) {
				if r.Err != nil {
					t.Fatalf("record %d: %v", i, r.Err)
				}
			}
			rs := stored(t, c, "t")[0]
			if len(rs) != n {
				t.Fatalf("%d records stored", len(rs))
			}
			for i, r := range rs {
				if r.Value[0] != 'a'+byte(i%26) {
					t.Fatalf("record %d is another", i)
				}
			}
			least := int64(n * size / limit)
			if requests.Load() > 2*least+60 || refusals.Load() > 30 {
				t.Errorf("%d requests of which %d were refused, where %d would do", requests.Load(), refusals.Load(), least)
			}
		})
	}
}

// What is learnt is forgotten after a minute without refusals, step by step.
func TestSizeIsTriedAgain(t *testing.T) {
	var s batchSize
	s.init(1 << 20)
	now := int64(0)
	for _, n := range []int{1 << 20, 1 << 19, 1 << 18} {
		s.refuse(n, now)
	}
	if n := s.limit.Load(); n != 1<<17 {
		t.Fatalf("after refusals down to 256 KiB the limit is %d", n)
	}
	for range 20 {
		s.take(int(s.limit.Load()), now)
	}
	if n := s.limit.Load(); n < 1<<18*7/8-1 || n >= 1<<18 {
		t.Errorf("the limit between is %d, want near 256 KiB", n)
	}
	for range 100 {
		now += relearnAfter + 1
		s.take(int(s.limit.Load()), now)
	}
	if n := s.limit.Load(); n != 1<<20 || s.refused.Load() {
		t.Errorf("an hour later the limit is %d", n)
	}
}

// The broker's own words reach the record that they are about.
func TestBrokersWords(t *testing.T) {
	words := func(s string) *string { return &s }
	named := func(i int32, text string) kmsg.ProduceResponseTopicPartitionErrorRecord {
		r := kmsg.NewProduceResponseTopicPartitionErrorRecord()
		r.RelativeOffset, r.ErrorMessage = i, words(text)
		return r
	}
	for name, tc := range map[string]struct {
		answer func(*kmsg.ProduceResponseTopicPartition)
		want   [3]string // of three records; "" is stored
		kind   connector.Kind
		is     error
	}{
		"each record its own": {func(p *kmsg.ProduceResponseTopicPartition) {
			p.ErrorCode = kerr.InvalidRecord.Code
			p.ErrorMessage = words("One or more records have been rejected")
			p.ErrorRecords = append(p.ErrorRecords, named(0, "Compacted topic cannot accept message without key in topic partition t-0."), named(2, "Something else is wrong."))
		}, [3]string{"Compacted topic cannot accept message without key", "", "Something else is wrong."}, connector.Invalid, sarama.ErrInvalidRecord},
		"only of the batch": {func(p *kmsg.ProduceResponseTopicPartition) {
			p.ErrorCode = kerr.InvalidTimestamp.Code
			p.ErrorMessage = words("Timestamp 5 of message with offset 0 is out of range.")
			p.ErrorRecords = append(p.ErrorRecords, named(1, ""))
		}, [3]string{"", "Timestamp 5 of message with offset 0 is out of range.", ""}, connector.Invalid, sarama.ErrInvalidTimestamp},
		"no retry": {func(p *kmsg.ProduceResponseTopicPartition) {
			p.ErrorCode = kerr.PolicyViolation.Code
			p.ErrorMessage = words("Not on\nSundays.")
		}, [3]string{"Not on Sundays.", "Not on Sundays.", "Not on Sundays."}, connector.Invalid, sarama.ErrPolicyViolation},
		"others than there are": {func(p *kmsg.ProduceResponseTopicPartition) {
			p.ErrorCode = kerr.InvalidRecord.Code
			p.ErrorRecords = append(p.ErrorRecords, named(7, "x"), named(-1, "x"))
		}, [3]string{}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
			var once atomic.Bool
			answering(c, func(_ []byte, into *kmsg.ProduceResponseTopicPartition) bool {
				tc.answer(into)
				return once.CompareAndSwap(false, true)
			})
			p := start(t, c, "t", nil)
			for i, r := range send(t, p, numbered(3)...) {
				want := tc.want[i]
				if want == "" {
					if r.Err != nil {
						t.Errorf("record %d: %v", i, r.Err)
					}
					continue
				}
				if r.Err == nil || !strings.HasSuffix(r.Err.Error(), want) && !strings.Contains(r.Err.Error(), want) ||
					!strings.Contains(r.Err.Error(), "the broker says: ") || connector.KindOf(r.Err) != tc.kind || !errors.Is(r.Err, tc.is) {
					t.Errorf("record %d: %v (%v)", i, r.Err, connector.KindOf(r.Err))
				}
			}
		})
	}
}

// A record that is too large says which limit, where, and the other one.
func TestTooLargeNamesBothSettings(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	answering(c, func(records []byte, into *kmsg.ProduceResponseTopicPartition) bool {
		into.ErrorCode = kerr.MessageTooLarge.Code
		return len(records) > 1000
	})
	p := start(t, c, "t", func(c *Config) { c.MaxMessageBytes = 5000 })
	begin := time.Now()
	rs := send(t, p, message(strings.Repeat("x", 10)), message(strings.Repeat("x", 2000)), message(strings.Repeat("x", 6000)), message("y"))
	if rs[0].Err != nil || rs[3].Err != nil {
		t.Errorf("the neighbours: %v, %v", rs[0].Err, rs[3].Err)
	}
	for i, want := range []string{
		"write to t: the broker refuses a record of 2070 bytes: raise max.message.bytes of the topic (message.max.bytes of the broker is its default); max_message_bytes here is 5000 and allows it",
		"write to kafka: a record of 6070 bytes is over the limit here of 5000: raise max_message_bytes, and max.message.bytes of the topic where that is less",
	} {
		if err := rs[i+1].Err; err == nil || err.Error() != want || connector.KindOf(err) != connector.TooLarge {
			t.Errorf("got %v", err)
		}
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
}
