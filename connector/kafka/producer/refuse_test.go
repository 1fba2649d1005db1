package producer

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/headrace/headrace/connector"
)

// TestFailsAtOnce: errors that no retry heals end the records without delay,
// and the ones behind them are stored.
func TestFailsAtOnce(t *testing.T) {
	cases := map[string]struct {
		err  *kerr.Error
		kind connector.Kind
	}{
		"denied":           {kerr.TopicAuthorizationFailed, connector.Denied},
		"cluster denied":   {kerr.ClusterAuthorizationFailed, connector.Denied},
		"policy":           {kerr.PolicyViolation, connector.Invalid},
		"invalid record":   {kerr.InvalidRecord, connector.Invalid},
		"bad timestamp":    {kerr.InvalidTimestamp, connector.Invalid},
		"too large":        {kerr.MessageTooLarge, connector.TooLarge},
		"list too large":   {kerr.RecordListTooLarge, connector.TooLarge},
		"format too old":   {kerr.UnsupportedForMessageFormat, connector.Invalid},
		"corrupt for good": {kerr.CorruptMessage, connector.Invalid},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
			h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: tc.err, Count: -1})
			p := start(t, c, "t", nil)
			begin := time.Now()
			if r := send(t, p, message("x"))[0]; connector.KindOf(r.Err) != tc.kind || r.Outcome != connector.Failed {
				t.Errorf("%v is %v, want %v", r.Err, connector.KindOf(r.Err), tc.kind)
			}
			if took := time.Since(begin); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			h.Remove()
			for _, r := range send(t, p, numbered(3)...) {
				if r.Err != nil {
					t.Errorf("after the fault: %v", r.Err)
				}
			}
			exact(t, c, "t", 0, 3)
		})
	}
}

// TestRefusedIdentity: no right to idempotence fails records at once.
func TestRefusedIdentity(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.ClusterAuthorizationFailed, Count: -1})
	p := start(t, c, "t", nil)
	if r := send(t, p, message("x"))[0]; connector.KindOf(r.Err) != connector.Denied {
		t.Errorf("got %v, want denied", r.Err)
	}
}

// TestDeniedTopic: the broker tells in the metadata already.
func TestDeniedTopic(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	p := start(t, c, "t", nil)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "t", Err: kerr.TopicAuthorizationFailed, Count: -1})
	if r := send(t, p, message("x"))[0]; connector.KindOf(r.Err) != connector.Denied {
		t.Errorf("got %v, want denied", r.Err)
	}
}

// TestWrongCredentials: they are refused while the producer connects, and
// records fail at once.
func TestWrongCredentials(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	cl := client(t, c, clientConfig())
	cl.Config().Net.SASL.Enable = true
	cl.Config().Net.SASL.Mechanism = sarama.SASLTypePlaintext
	cl.Config().Net.SASL.User, cl.Config().Net.SASL.Password = "u", "wrong"
	c.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := r.ResponseKind().(*kmsg.SASLHandshakeResponse)
		resp.SupportedMechanisms = []string{"PLAIN"}
		return resp, nil, true
	})
	c.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return resp, nil, true
	})
	p, err := New(DefaultConfig(cl, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	begin := time.Now()
	if r := send(t, p, message("x"))[0]; connector.KindOf(r.Err) != connector.Unauthenticated {
		t.Errorf("got %v (%v), want unauthenticated", r.Err, connector.KindOf(r.Err))
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestNamedRecords: of a batch with a record that the broker names as bad
// (KIP-467) only that one fails.
func TestNamedRecords(t *testing.T) {
	c := broker(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	var once sync.Once
	onProduce(c, func(req *kmsg.ProduceRequest) (_ kmsg.Response, _ error, handled bool) {
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		once.Do(func() {
			rt, rp := kmsg.NewProduceResponseTopic(), kmsg.NewProduceResponseTopicPartition()
			rt.Topic = "t"
			rp.ErrorCode = kerr.InvalidRecord.Code
			bad := kmsg.NewProduceResponseTopicPartitionErrorRecord()
			bad.RelativeOffset = 2
			rp.ErrorRecords = append(rp.ErrorRecords, bad)
			rt.Partitions = append(rt.Partitions, rp)
			resp.Topics = append(resp.Topics, rt)
			handled = true
		})
		return resp, nil, handled
	})
	p := start(t, c, "t", nil)
	for i, r := range send(t, p, numbered(6)...) {
		if i == 2 && connector.KindOf(r.Err) != connector.Invalid || i != 2 && r.Err != nil {
			t.Errorf("record %d: %v", i, r.Err)
		}
	}
	if rs := stored(t, c, "t")[0]; len(rs) != 5 || string(rs[2].Value) != "3" {
		t.Errorf("%d records stored", len(rs))
	}
}
