package webhooksink

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/net/http/httpguts"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/egress"
)

// Headers that carry the key of a record that is sent alone.
const (
	headerKey       = "Headrace-Key"
	headerKeyBase64 = "Headrace-Key-Base64" // of a key that is no plain text
)

const (
	maxKeyHeader = 4 << 10
	maxAnswer    = 64 << 10 // read of an answer, so that its connection can be used again
)

// request sends the records at places in one request. The results of all of them
// are set, unless an error is returned: then they, and what follows in their
// lane, may be tried later.
func (s *sink) request(ctx context.Context, batch []*connector.Message, places []int, results []connector.Result) error {
	body, sent := s.body(batch, places, results)
	if len(sent) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(s.cfg.Timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, s.cfg.Method, s.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return connector.Errorf(connector.Invalid, "the webhook's url cannot be called")
	}
	s.setHeaders(req, body, batch[sent[0]])
	resp, err := s.http.Do(req)
	if err == nil {
		_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
		_ = resp.Body.Close()
		err = s.refusal(resp)
	} else {
		err = s.unreachable(req, err)
	}
	if connector.KindOf(err).Retriable() {
		return err
	}
	for _, place := range sent {
		results[place] = connector.Result{Offset: -1, Err: err}
	}
	return nil
}

// body returns what is sent, and the places of the records in it: one that is no
// JSON cannot be in an array.
func (s *sink) body(batch []*connector.Message, places []int, results []connector.Result) (body []byte, sent []int) {
	if s.cfg.Batch == 1 {
		m := batch[places[0]]
		if m.Value == nil {
			results[places[0]] = connector.Result{Offset: -1, Err: connector.Errorf(connector.Invalid, "a record without a value cannot be sent to a webhook")}
			return nil, nil
		}
		if len(m.Key) > maxKeyHeader {
			results[places[0]] = connector.Result{Offset: -1, Err: connector.Errorf(connector.TooLarge, "the key of a record is %d bytes long; a webhook takes %d, in a header", len(m.Key), maxKeyHeader)}
			return nil, nil
		}
		return m.Value, places
	}
	body = append(body, '[')
	for _, place := range places {
		if m := batch[place]; !jsontext.Value(m.Value).IsValid() {
			results[place] = connector.Result{Offset: -1, Err: connector.Errorf(connector.Invalid, "a record that is no JSON cannot be in an array; set batch: 1")}
			continue
		} else if len(sent) > 0 {
			body = append(body, ',')
		}
		body = append(body, batch[place].Value...)
		sent = append(sent, place)
	}
	return append(body, ']'), sent
}

func (s *sink) setHeaders(req *http.Request, body []byte, first *connector.Message) {
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "headrace")
	if s.cfg.Batch == 1 {
		if !jsontext.Value(body).IsValid() {
			req.Header.Set("Content-Type", "application/octet-stream")
		}
		if key := first.Key; key != nil {
			if text := string(key); httpguts.ValidHeaderFieldValue(text) && strings.TrimSpace(text) == text && ascii(text) {
				req.Header.Set(headerKey, text)
			} else {
				req.Header.Set(headerKeyBase64, base64.StdEncoding.EncodeToString(key))
			}
		}
	}
	for name, value := range s.cfg.Headers {
		req.Header.Set(name, value.Reveal())
	}
	if sig := s.cfg.Signature; sig != nil {
		at := strconv.FormatInt(s.now().Unix(), 10)
		mac := hmac.New(sha256.New, []byte(sig.Secret.Reveal()))
		_, _ = mac.Write([]byte(at + "."))
		_, _ = mac.Write(body)
		req.Header.Set(sig.Header, "t="+at+",v1="+hex.EncodeToString(mac.Sum(nil)))
	}
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// refusal is what an answer means. Its text is not shown: it may repeat the
// record.
func (s *sink) refusal(resp *http.Response) error {
	code := resp.StatusCode
	if code >= 200 && code < 300 {
		return nil
	}
	kind := connector.Unknown
	advice := ""
	switch {
	case code == http.StatusTooManyRequests:
		kind = connector.Throttled
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusInternalServerError, code == http.StatusBadGateway,
		code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		kind = connector.Unavailable
	case code == http.StatusUnauthorized:
		kind, advice = connector.Unauthenticated, "; check authentication"
	case code == http.StatusForbidden:
		kind, advice = connector.Denied, "; check the rights of the caller"
	case code == http.StatusNotFound, code == http.StatusGone, code == http.StatusMethodNotAllowed:
		kind, advice = connector.NotFound, "; check url and method"
	case code == http.StatusRequestEntityTooLarge:
		kind, advice = connector.TooLarge, "; make batch smaller, or allow more at the receiver"
	case code >= 300 && code < 400:
		advice = "; it redirects, and a webhook does not follow: write the address that it names into url"
	case code >= 400 && code < 500:
		kind = connector.Invalid
	}
	err := connector.Errorf(kind, "the webhook at %s answered %d %s%s", resp.Request.URL.Host, code, http.StatusText(code), advice).(*connector.Error)
	err.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), s.now())
	return err
}

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = time.Hour

// retryAfter reads seconds or a date (RFC 9110, 10.2.3).
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(text); err == nil {
		return min(max(time.Duration(n), 0)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// unreachable explains a request without an answer.
func (s *sink) unreachable(req *http.Request, err error) error {
	if errors.Is(err, egress.ErrForbidden) {
		return connector.Errorf(connector.Unknown, "the webhook at %s was not called: %w", req.URL.Host, egress.ErrForbidden)
	}
	return s.client.Explain(req, err)
}
