package producer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
	"github.com/headrace/headrace/internal/redact"
)

// refusal is an error of a broker with its own words (KIP-467), which say what
// is wrong where the code only says that something is.
type refusal struct {
	text  string
	cause error
}

func (r *refusal) Error() string { return r.text }

func (r *refusal) Unwrap() error { return r.cause }

// inItsWords adds what the broker says to an error of its.
func inItsWords(err error, words string) error {
	if words == "" || err == nil {
		return err
	}
	return &refusal{text: strings.TrimSuffix(err.Error(), ".") + "; the broker says: " + redact.Foreign(words), cause: err}
}

func wordsOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func tooLarge(err error) bool {
	return errors.Is(err, sarama.ErrMessageSizeTooLarge) || errors.Is(err, sarama.ErrMessageSetSizeTooLarge)
}

// refusalOf is the error of a batch whose records are all refused.
func (p *partition) refusalOf(b *batch) error {
	err, words := b.refusal, b.words
	switch {
	case tooLarge(err):
		what := "a record"
		if b.n > 1 {
			what = fmt.Sprintf("a batch of %d records", b.n)
		}
		err = &connector.Error{Kind: connector.TooLarge, Err: &refusal{cause: err, text: fmt.Sprintf(
			"the broker refuses %s of %d bytes: raise max.message.bytes of the topic (message.max.bytes of the broker is its default); max_message_bytes here is %d and allows it",
			what, b.bytes-recordSlack, p.t.p.cfg.MaxMessageBytes)}}
		err = inItsWords(err, words)
	case errors.Is(err, sarama.ErrInvalidTimestamp), errors.Is(err, sarama.ErrInvalidRecord):
		err = &connector.Error{Kind: connector.Invalid, Err: inItsWords(err, words)}
	default:
		err = kafkaerr.Classify(inItsWords(err, words))
	}
	return fmt.Errorf("write to %s: %w", p.t.name, err)
}
