// Package wire is what the Kafka REST Proxy's endpoints have in common on the
// wire: the error body and its codes, media types and their negotiation,
// request bodies, and the absolute links of answers. It knows HTTP and the
// kinds of package connector, not Kafka.
package wire

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway/route"
)

// Error is an answer that is not a success. It is the body of the answer:
// {"error_code": 40403, "message": "…"}. Five-digit codes begin with their
// HTTP status, with the one exception 40001, which travels with 422.
type Error struct {
	Status  int    `json:"-"`
	Code    int    `json:"error_code" doc:"the status, or a five-digit code that begins with it"`
	Message string `json:"message" doc:"what is wrong"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Errorf returns an Error; the status is the first three digits of the code.
func Errorf(code int, format string, args ...any) *Error {
	return &Error{Status: StatusOf(code), Code: code, Message: fmt.Sprintf(format, args...)}
}

// StatusOf is the HTTP status that an error code travels with.
func StatusOf(code int) int {
	switch {
	case code == CodeConsumerConfigRange:
		return http.StatusUnprocessableEntity
	case code >= 1000:
		return code / 100
	default:
		return code
	}
}

// The error codes, by the names of the original.
const (
	CodeConsumerConfigRange   = 40001
	CodeKafkaRefused          = 40002
	CodeKafkaAuthentication   = 40101
	CodeKafkaAuthorization    = 40301
	CodeTopicNotFound         = 40401
	CodePartitionNotFound     = 40402
	CodeUnknownTopicPartition = 40403
	CodeConsumerNotFound      = 40403
	CodeFormatMismatch        = 40601
	CodeSerialization         = 40801
	CodeConsumerExists        = 40902
	CodeIllegalState          = 40903
	CodeKeySchemaMissing      = 42201
	CodeValueSchemaMissing    = 42202
	CodeConsumerConfig        = 42204
	CodeInvalidSchema         = 42205
	CodePayload               = 42206
	CodeSerializing           = 42207
	CodeBatch                 = 42208
	CodeQuota                 = 42901
	CodeKafkaError            = 50002
	CodeKafkaRetriable        = 50003
	CodeBrokerUnavailable     = 50302
)

// codeOfKind is the one table from the kind of an error to the code of the
// request it made fail. Elements of a produce stream or of a 207 answer have
// their own: there an unreachable broker is CodeKafkaRetriable.
func codeOfKind(k connector.Kind) int {
	switch k {
	case connector.Invalid:
		return CodeKafkaRefused
	case connector.TooLarge:
		return http.StatusRequestEntityTooLarge
	case connector.Unauthenticated:
		return CodeKafkaAuthentication
	case connector.Denied:
		return CodeKafkaAuthorization
	case connector.NotFound:
		return CodeUnknownTopicPartition
	case connector.Throttled:
		return CodeQuota
	case connector.Unavailable:
		return CodeBrokerUnavailable
	default:
		return CodeKafkaError
	}
}

// Of turns any error into the answer it gets: an *Error stays as it is, a body
// over its limit is a 413, a connector.Error is answered by its kind, and any
// other is a plain 500 whose text stays inside.
func Of(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return Errorf(http.StatusRequestEntityTooLarge, "the request body is over the limit of %d bytes", tooLarge.Limit)
	}
	var classified *connector.Error
	if errors.As(err, &classified) {
		return Errorf(codeOfKind(classified.Kind), "%s", firstLine(err.Error()))
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Errorf(CodeBrokerUnavailable, "%s", firstLine(err.Error()))
	}
	return Errorf(http.StatusInternalServerError, "Internal Server Error")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// ErrorRecorder is implemented by response writers that want to know why an
// answer is an error: access logs and metrics. It is found through Unwrap.
type ErrorRecorder interface{ RecordError(err error) }

// WriteError answers with err: its status, code and message, as JSON of the
// request's API. Retry-After is set when err carries it.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	record(w, err)
	e := Of(err)
	var classified *connector.Error
	if errors.As(err, &classified) && classified.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(classified.RetryAfter.Seconds()))))
	}
	WriteJSON(w, r, e.Status, ErrorMediaType(r), e)
}

func record(w http.ResponseWriter, err error) {
	for {
		switch v := w.(type) {
		case ErrorRecorder:
			v.RecordError(err)
			return
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return
		}
	}
}

// Refuse is WriteError for what is found before a handler: the route.Refuse of
// both APIs.
func Refuse(w http.ResponseWriter, r *http.Request, status int, reason string) {
	if reason == "" {
		reason = fmt.Sprintf("HTTP %d %s", status, http.StatusText(status))
	}
	WriteError(w, r, Errorf(status, "%s", reason))
}

// NotFound is the answer to a path that does not exist.
func NotFound() *Error { return Errorf(http.StatusNotFound, "HTTP 404 Not Found") }

// MethodNotAllowed is the answer to a method that the path does not have.
func MethodNotAllowed() *Error {
	return Errorf(http.StatusMethodNotAllowed, "HTTP 405 Method Not Allowed")
}

// NotAcceptable is the answer when nothing the path produces is accepted; it
// names what would be.
func NotAcceptable(produced ...string) *Error {
	return Errorf(http.StatusNotAcceptable, "%s", route.NotProduced(produced))
}

// UnsupportedMediaType is the answer to a Content-Type the path does not take;
// it names those that it takes.
func UnsupportedMediaType(taken ...string) *Error {
	return Errorf(http.StatusUnsupportedMediaType, "%s", route.NotTaken(taken))
}

// UnknownTopic is the answer to a topic, or in v2 to metadata of a topic, that
// the cluster does not have.
func UnknownTopic() *Error {
	return Errorf(CodeUnknownTopicPartition, "This server does not host this topic-partition.")
}

// UnknownPartition is v2's answer to a partition that the topic does not have.
func UnknownPartition() *Error { return Errorf(CodePartitionNotFound, "Partition not found.") }

// UnknownCluster is the answer to a cluster id that is not served here.
func UnknownCluster(id string) *Error {
	return Errorf(http.StatusNotFound, "Cluster %s cannot be found.", id)
}

// Payload is a request whose body is missing or makes no sense in v3.
func Payload(format string, args ...any) *Error {
	return Errorf(CodePayload, "Payload error. "+format, args...)
}
