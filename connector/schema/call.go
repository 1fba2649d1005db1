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
	mediaType = "application/vnd.schemaregistry.v1+json"
	// maxResponse bounds an answer, maxSchema the text of one schema.
	maxResponse = 8 << 20
	maxSchema   = 1 << 20
	firstWait   = 100 * time.Millisecond
	maxWait     = 5 * time.Second // of one call
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
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	var err error
	for attempt := 1; attempt <= c.cfg.Attempts; {
		at, wait, held := c.enter()
		if held != nil {
			err = &connector.Error{Kind: connector.KindOf(held), RetryAfter: wait, Err: held}
			if wait > maxWait || !backoff.Sleep(ctx, wait) {
				break
			}
			continue
		}
		err = c.once(ctx, method, c.cfg.URLs[at]+path, body, out)
		c.settle(parent, at, err)
		if err == nil {
			return nil
		}
		if attempt++; attempt > c.cfg.Attempts || !connector.KindOf(err).Retriable() || !away(err) && !backoff.Sleep(ctx, backoff.Half(backoff.Step(firstWait, maxWait, attempt-1))) {
			break
		}
	}
	kind := connector.KindOf(err)
	if kind == connector.Unknown {
		kind = connector.Unavailable
	}
	return connector.Errorf(kind, "schema registry: %s: %w%s", what, err, advice(kind))
}

// registries hold the failures of the instances for all clients of the process.
var registries = backoff.Gates{First: firstWait, Most: 2 * maxWait}

// enter chooses the instance to ask: the one that answered last, or another when
// that is to be left alone. Otherwise it returns the failure that stands, and for
// how long.
func (c *Client) enter() (at int, wait time.Duration, failure error) {
	n := len(c.cfg.URLs)
	for i := range n {
		at = (int(c.first.Load()) + i) % n
		left, err := registries.For(c.cfg.URLs[at]).Enter()
		if err == nil {
			return at, 0, nil
		}
		if failure == nil || left < wait {
			failure, wait = err, left
		}
	}
	return 0, wait, failure
}

// settle notes what became of an attempt. Errors of one request close nothing: an
// instance that is away, or overloaded, is left alone by everybody.
func (c *Client) settle(caller context.Context, at int, err error) {
	gate := registries.For(c.cfg.URLs[at])
	switch {
	case err != nil && caller.Err() != nil: // the caller gave up
		gate.Left()
		return
	case away(err):
		var e *connector.Error
		errors.As(err, &e)
		gate.Failed(err, e.RetryAfter)
	default:
		gate.Passed()
	}
	if err != nil && connector.KindOf(err).Retriable() {
		c.first.Store(uint32((at + 1) % len(c.cfg.URLs)))
	}
}

// away reports whether an instance cannot be reached, or wants to be left alone.
func away(err error) bool {
	var e *connector.Error
	if !errors.As(err, &e) || !e.Kind.Retriable() {
		return false
	}
	var answer *ResponseError
	return !errors.As(err, &answer) || answer.Status == http.StatusTooManyRequests || answer.Status == http.StatusServiceUnavailable || e.RetryAfter > 0
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
	return &connector.Error{Kind: kindOf(resp.StatusCode), RetryAfter: backoff.Asked(resp.Header), Err: e}
}
