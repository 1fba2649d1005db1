package admin

import (
	"strings"

	"github.com/IBM/sarama"
)

// Refusal is an error code that Kafka answered with, and its own words.
type Refusal struct {
	Message string // Kafka's words; never empty
	code    sarama.KError
}

// Error returns Kafka's words.
func (r *Refusal) Error() string { return r.Message }

// Unwrap returns the client library's error of the code.
func (r *Refusal) Unwrap() error { return r.code }

// The reasons that callers ask for with errors.Is.
const (
	ErrUnknownTopic     = sarama.ErrUnknownTopicOrPartition
	ErrInvalidTopicName = sarama.ErrInvalidTopic
	ErrTopicExists      = sarama.ErrTopicAlreadyExists
	ErrUnknownGroup     = sarama.ErrGroupIDNotFound
	ErrGroupNotEmpty    = sarama.ErrNonEmptyGroup
	ErrDeniedTopic      = sarama.ErrTopicAuthorizationFailed
	ErrDeniedGroup      = sarama.ErrGroupAuthorizationFailed
)

// refused returns nil for the code that means success.
func refused(code sarama.KError, message *string) error {
	if code == sarama.ErrNoError {
		return nil
	}
	r := &Refusal{code: code, Message: strings.TrimPrefix(code.Error(), "kafka server: ")}
	if message != nil && *message != "" {
		r.Message = *message
	}
	return r
}
