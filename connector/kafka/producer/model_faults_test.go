package producer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Every error of a produce request: those that say that nothing was stored,
// those after which something is, those that fail records, and those about
// sequences. A broker of ours refuses before it acts, but for the second kind.
var (
	modelRetry = []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition, kerr.KafkaStorageError, kerr.FencedLeaderEpoch,
		kerr.UnknownLeaderEpoch, kerr.ReplicaNotAvailable, kerr.BrokerNotAvailable, kerr.NotEnoughReplicas, kerr.ThrottlingQuotaExceeded,
		kerr.ConcurrentTransactions, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator,
		kerr.NetworkException, kerr.CorruptMessage, kerr.UnknownServerError,
	}
	modelStored = []*kerr.Error{kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut}
	modelFatal  = []*kerr.Error{
		kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed, kerr.MessageTooLarge,
		kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.PolicyViolation, kerr.InvalidTopicException,
		kerr.InvalidRequiredAcks, kerr.UnsupportedForMessageFormat, kerr.UnsupportedCompressionType, kerr.InvalidTxnState,
	}
	modelSequence = []*kerr.Error{
		kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch, kerr.InvalidProducerIDMapping, kerr.ProducerFenced,
	}
)

// rig installs the faults: a control draws what happens to each partition of a
// request, and one fault for each error carries it out inside the broker.
func (m *model) rig() {
	onProduce(m.cluster, func(req *kmsg.ProduceRequest) (kmsg.Response, error, bool) {
		first := m.arrived(req)
		if m.chance(m.plan.late) {
			m.faults.Add(1)
			m.cluster.SleepControl(m.overtake)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.verdicts = make(map[int32]*kerr.Error)
		for part := range int32(m.plan.partitions) {
			if f, ok := first[part]; ok {
				m.draw(part, f)
			}
		}
		return nil, nil, false
	})
	for part := range int32(m.plan.partitions) {
		for _, list := range [][]*kerr.Error{modelRetry, modelStored, modelFatal, modelSequence} {
			for _, e := range list {
				m.cluster.Fault(kfake.Fault{
					Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{part}, Err: e, Count: -1,
					When: func(kmsg.Request) bool {
						m.mu.Lock()
						defer m.mu.Unlock()
						return m.verdicts[part] == e
					},
				})
			}
		}
	}
}

// overtake breaks connections while a request waits in the broker, and lets it
// go on when its retry may have been answered already.
func (m *model) overtake() {
	m.mu.Lock()
	pause := time.Duration(m.rng.IntN(4000)) * time.Microsecond
	if m.rng.IntN(4) > 0 {
		for c := range m.conns {
			_ = c.Close() // its owner reads of it
		}
		clear(m.conns)
	}
	m.mu.Unlock()
	time.Sleep(pause) // part of the schedule
}

// arrived notes the batches of a request and returns which of them the broker
// sees for the first time, by partition.
func (m *model) arrived(req *kmsg.ProduceRequest) map[int32]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := make(map[int32]bool)
	for _, rt := range req.Topics {
		for i := range rt.Partitions {
			rp := &rt.Partitions[i]
			if !m.plan.plain {
				ownProducer(rp)
			}
			id := fmt.Sprintf("%d %x", rp.Partition, rp.Records[43:57])
			first[rp.Partition] = !m.seen[id]
			m.seen[id] = true
		}
	}
	return first
}

// draw decides on one batch. A broker never calls a batch out of sequence or
// refuses it that it has stored or will store, so those errors are only for
// batches that it sees for the first time.
func (m *model) draw(part int32, first bool) {
	if m.rng.Float64() >= m.plan.errors {
		return
	}
	m.faults.Add(1)
	pick := func(es []*kerr.Error) { m.verdicts[part] = es[m.rng.IntN(len(es))] }
	switch k := m.rng.IntN(10); {
	case k < 2 && first && m.plan.sequences:
		pick(modelSequence)
	case k == 2 && first && m.plan.fatal:
		pick(modelFatal)
	case k < 6:
		pick(modelStored)
	default:
		pick(modelRetry)
	}
}

// ownProducer gives each partition a producer id of its own inside the broker:
// kfake keeps one epoch for a producer, Kafka one for a producer and partition.
func ownProducer(rp *kmsg.ProduceRequestTopicPartition) {
	id := binary.BigEndian.Uint64(rp.Records[43:])
	binary.BigEndian.PutUint64(rp.Records[43:], id&(1<<56-1)|uint64(rp.Partition+1)<<56)
	crc := crc32.Checksum(rp.Records[21:], crc32.MakeTable(crc32.Castagnoli))
	binary.BigEndian.PutUint32(rp.Records[17:], crc)
}

// listen makes connections that break and stall, before requests are read and
// before answers are written.
func (m *model) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	return &faultyListener{Listener: l, m: m}, err
}

type faultyListener struct {
	net.Listener
	m *model
}

func (l *faultyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	fc := &faultyConn{Conn: c, m: l.m}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.m.conns[fc] = struct{}{}
	return fc, nil
}

type faultyConn struct {
	net.Conn
	m *model
	n atomic.Int32 // calls; the first ones are left alone, so that connecting succeeds
}

var errCut = errors.New("cut by the test")

func (c *faultyConn) fault() error {
	if c.n.Add(1) < 6 {
		return nil
	}
	if !c.m.calm.Load() && c.m.chance(c.m.plan.drops) {
		c.m.faults.Add(1)
		_ = c.Conn.Close()
		return errCut
	}
	return nil
}

func (c *faultyConn) Read(b []byte) (int, error) {
	if err := c.fault(); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *faultyConn) Write(b []byte) (int, error) {
	if !c.m.calm.Load() && c.m.chance(c.m.plan.delays) {
		time.Sleep(time.Duration(1+len(b)%7) * 300 * time.Microsecond) // a slow answer is part of the schedule
	}
	if err := c.fault(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
