package producer

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
)

// action is what the answer for a batch asks us to do.
type action uint8

const (
	delivered     action = iota
	retry                // send again, it was not stored
	uncertain            // send again, it may have been stored
	moved                // send again, to the leader that metadata names
	again                // send again a few times, then treat it as refused
	outOfSequence        // the sequence does not fit: settle finds out why
	staleIdentity        // the same, and the producer id is of no use any more
	refused              // a record of it is not accepted: take the batch apart
	fatal                // the batch fails
)

const mostAgain = 5

func (a action) String() string {
	return [...]string{"delivered", "retry", "uncertain", "moved", "again", "out_of_sequence", "stale_identity", "refused", "fatal"}[a]
}

// ambiguous reports whether the batch may be stored after such an answer.
func (a action) ambiguous() bool { return a == uncertain || a == again }

func (a action) retries() bool { return a >= retry && a <= again }

// judge is the table from Kafka's errors of a produce request to actions. What
// is not a protocol error is the loss of a connection.
func judge(err error) action {
	var code sarama.KError
	if err == nil {
		return delivered
	}
	if !errors.As(err, &code) {
		return judgeLocal(err)
	}
	switch code {
	case sarama.ErrNoError, sarama.ErrDuplicateSequenceNumber:
		return delivered // stored by an earlier attempt (KIP-98)
	case sarama.ErrNotLeaderForPartition, sarama.ErrLeaderNotAvailable, sarama.ErrUnknownTopicOrPartition,
		sarama.ErrKafkaStorageError, sarama.ErrFencedLeaderEpoch, sarama.ErrUnknownLeaderEpoch,
		sarama.ErrReplicaNotAvailable, sarama.ErrBrokerNotAvailable:
		return moved
	case sarama.ErrNotEnoughReplicas, sarama.ErrThrottlingQuotaExceeded, sarama.ErrConcurrentTransactions,
		sarama.ErrOffsetsLoadInProgress, sarama.ErrConsumerCoordinatorNotAvailable, sarama.ErrNotCoordinatorForConsumer:
		return retry
	case sarama.ErrRequestTimedOut, sarama.ErrNotEnoughReplicasAfterAppend, sarama.ErrNetworkException:
		return uncertain
	case sarama.ErrInvalidMessage, sarama.ErrUnknown: // CORRUPT_MESSAGE, UNKNOWN_SERVER_ERROR
		return again
	case sarama.ErrOutOfOrderSequenceNumber, sarama.ErrUnknownProducerID:
		return outOfSequence
	case sarama.ErrInvalidProducerEpoch, sarama.ErrInvalidProducerIDMapping, sarama.ErrProducerFenced:
		return staleIdentity
	case sarama.ErrMessageSizeTooLarge, sarama.ErrMessageSetSizeTooLarge, sarama.ErrInvalidRecord, sarama.ErrInvalidTimestamp:
		return refused
	default:
		return fatal
	}
}

func judgeLocal(err error) action {
	var encoding sarama.PacketEncodingError
	var configuration sarama.ConfigurationError
	switch {
	case errors.As(err, &encoding), errors.As(err, &configuration), errors.Is(err, sarama.ErrUnsupportedVersion),
		connector.KindOf(err) == connector.Unauthenticated:
		return fatal
	default:
		return uncertain
	}
}

// unauthenticated reports whether a connection failed because our credentials
// were refused, which no retry helps.
func unauthenticated(err error) bool {
	return connector.KindOf(kafkaerr.Classify(err)) == connector.Unauthenticated
}

func jitter(d time.Duration) time.Duration {
	return d - d/5 + rand.N(d/5*2+1)
}
