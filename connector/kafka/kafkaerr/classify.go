// Package kafkaerr says what a Kafka error means: one table from the
// protocol's error codes to the kinds of package connector.
package kafkaerr

import (
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
)

// Classify wraps err in a connector.Error of its kind. Nil and errors that are
// classified already come back as they are.
func Classify(err error) error {
	var known *connector.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &connector.Error{Kind: kind(err), Err: err}
}

func kind(err error) connector.Kind {
	var k sarama.KError
	if errors.As(err, &k) {
		return kindOfCode(k)
	}
	var netErr net.Error
	switch {
	case errors.Is(err, sarama.ErrMessageSizeTooLarge):
		return connector.TooLarge
	case errors.Is(err, sarama.ErrOutOfBrokers), errors.Is(err, sarama.ErrClosedClient),
		errors.Is(err, sarama.ErrNotConnected), errors.Is(err, sarama.ErrBrokerNotFound),
		errors.Is(err, sarama.ErrControllerNotAvailable),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, net.ErrClosed), errors.As(err, &netErr):
		return connector.Unavailable
	default:
		return connector.KindOf(err)
	}
}

func kindOfCode(k sarama.KError) connector.Kind {
	switch k {
	case sarama.ErrMessageSizeTooLarge, sarama.ErrOffsetMetadataTooLarge:
		return connector.TooLarge
	case sarama.ErrTopicAuthorizationFailed, sarama.ErrGroupAuthorizationFailed,
		sarama.ErrClusterAuthorizationFailed, sarama.ErrTransactionalIDAuthorizationFailed:
		return connector.Denied
	case sarama.ErrSASLAuthenticationFailed, sarama.ErrUnsupportedSASLMechanism, sarama.ErrIllegalSASLState:
		return connector.Unauthenticated
	case sarama.ErrUnknownTopicOrPartition, sarama.ErrGroupIDNotFound:
		return connector.NotFound
	case sarama.ErrThrottlingQuotaExceeded:
		return connector.Throttled
	case sarama.ErrInvalidTopic, sarama.ErrSecurityDisabled, sarama.ErrUnsupportedVersion,
		sarama.ErrTopicDeletionDisabled, sarama.ErrNonEmptyGroup, sarama.ErrOffsetOutOfRange, sarama.ErrInvalidGroupId,
		sarama.ErrInvalidMessage, sarama.ErrInvalidMessageSize, sarama.ErrInvalidTimestamp,
		sarama.ErrInvalidRecord, sarama.ErrUnsupportedForMessageFormat, sarama.ErrInvalidRequest,
		sarama.ErrInvalidPartitions, sarama.ErrInvalidReplicationFactor, sarama.ErrInvalidReplicaAssignment,
		sarama.ErrInvalidConfig, sarama.ErrPolicyViolation, sarama.ErrTopicAlreadyExists:
		return connector.Invalid
	case sarama.ErrLeaderNotAvailable, sarama.ErrNotLeaderForPartition, sarama.ErrRequestTimedOut,
		sarama.ErrBrokerNotAvailable, sarama.ErrReplicaNotAvailable, sarama.ErrNetworkException,
		sarama.ErrOffsetsLoadInProgress, sarama.ErrConsumerCoordinatorNotAvailable,
		sarama.ErrNotCoordinatorForConsumer, sarama.ErrNotEnoughReplicas,
		sarama.ErrNotEnoughReplicasAfterAppend, sarama.ErrNotController, sarama.ErrKafkaStorageError:
		return connector.Unavailable
	default:
		return connector.Unknown
	}
}
