package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/backoff"
	"github.com/headrace/headrace/internal/redact"
)

const (
	mediaType = "application/vnd.schema.v1+json"
	// maxResponse bounds an answer, maxSchema the text of one schema.
	maxResponse = 8 << 20
	maxSchema   = 1 << 20
	maxWait     = 5 * time.Second
)

// ResponseError is an answer of the registry that is no success.
type ResponseError struct {
	Status  int    // of HTTP
	Code    int    // the registry's own, such as 40403
	Message string // what the registry says, cut
}

// Error names the status, the code and the registry's text.
func (e *ResponseError) Error() string {
	text := strconv.Itoa(e.Status)
	if e.Code != 0 && e.Code != e.Status {
		text = strconv.Itoa(e.Code)
	}
	if e.Message == "" {
		return text + " " + http.StatusText(e.Status)
	}
	return text + " " + e.Message
}

func kindOf(status int) connector.Kind {
	switch {
	case status == http.StatusUnauthorized:
		return connector.Unauthenticated
	case status == http.StatusForbidden:
		return connector.Denied
	case status == http.StatusNotFound:
		return connector.NotFound
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return connector.Throttled
	case status >= 500:
		return connector.Unavailable
	default:
		return connector.Invalid
	}
}

// advice says what to do about an error of a kind.
func advice(k connector.Kind) string {
	switch k {
	case connector.Unauthenticated:
		return "; check the credentials of schema_registry"
	case connector.Denied:
		return "; the credentials of schema_registry need the right to do this"
	default:
		return ""
	}
}

// call makes one call with its retries and decodes the answer into out.
func (c *Client) call(ctx context.Context, method, path string, in, out any, what string) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("schema registry: %s: %w", what, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	wait := c.cfg.Backoff
	var err error
	for attempt := range c.cfg.Attempts {
		if attempt > 0 {
			if !backoff.Sleep(ctx, pause(err, wait)) {
				break
			}
			wait = min(2*wait, maxWait)
		}
		at := c.first.Load()
		if err = c.once(ctx, method, c.cfg.URLs[int(at)%len(c.cfg.URLs)]+path, body, out); err == nil {
			return nil
		}
		if !connector.KindOf(err).Retriable() {
			break
		}
		c.first.CompareAndSwap(at, at+1) // the next instance, if there is one
	}
	kind := connector.KindOf(err)
	if kind == connector.Unknown {
		kind = connector.Unavailable
	}
	return connector.Errorf(kind, "schema registry: %s: %w%s", what, err, advice(kind))
}

// pause is the wait before the next attempt: what the registry asked for, or
// the back-off with up to half of it left out at random.
func pause(err error, wait time.Duration) time.Duration {
	var e *connector.Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		return min(e.RetryAfter, maxWait)
	}
	return backoff.Half(wait)
}

func (c *Client) once(ctx context.Context, method, at string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return connector.Errorf(connector.Invalid, "make the request: %w", err)
	}
	req.Header.Set("Accept", mediaType+", application/json;q=0.9")
	if body != nil {
		req.Header.Set("Content-Type", mediaType)
	}
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		if connector.KindOf(err) == connector.Unknown {
			return connector.Errorf(connector.Unavailable, "%w", redact.Error(err))
		}
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	switch {
	case err != nil:
		return connector.Errorf(connector.Unavailable, "read the answer: %w", redact.Error(err))
	case len(text) > maxResponse:
		return connector.Errorf(connector.TooLarge, "the answer is larger than %d MiB", maxResponse>>20)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return refusal(resp, text)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return connector.Errorf(connector.Unavailable, "the answer is not that of a Schema Registry; check the url of schema_registry and its path")
	}
	return nil
}

func refusal(resp *http.Response, text []byte) error {
	e := &ResponseError{Status: resp.StatusCode}
	var answer struct {
		Code    int    `json:"error_code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(text, &answer) == nil {
		e.Code = answer.Code
		e.Message, _, _ = strings.Cut(answer.Message, "\n")
		e.Message = redact.Foreign(e.Message)
	}
	after, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // a date is as good as nothing
	return &connector.Error{Kind: kindOf(resp.StatusCode), RetryAfter: time.Duration(max(after, 0)) * time.Second, Err: e}
}
