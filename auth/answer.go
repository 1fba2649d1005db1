package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/backoff"
	"github.com/headrace/headrace/internal/redact"
)

// maxAnswer bounds what is read of an answer; tokens are a few KiB.
const maxAnswer = 1 << 20

// answer is that of a token endpoint (RFC 6749, 5.1 and 5.2).
type answer struct {
	Token       string
	Type        string
	ExpiresIn   int64 // seconds; 0 when it does not say
	Code        string
	Description string
}

// readAnswer takes what a token endpoint answers, or says why it is of no use.
func readAnswer(tokenURL string, resp *http.Response, secrets []string) (answer, error) {
	at := "requesting a token from " + RedactURL(tokenURL)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer{}, explain(tokenURL, err, secrets)
	}
	got, known := parseAnswer(resp.Header.Get("Content-Type"), body)
	switch {
	case resp.StatusCode/100 != 2, got.Code != "":
		return answer{}, explainResponse(at, resp, got, secrets)
	case !known || got.Token == "" || len(body) > maxAnswer:
		return answer{}, connector.Errorf(connector.Unauthenticated, "%s: the answer is not that of a token endpoint; check oauth_token_url", at)
	}
	return got, nil
}

// parseAnswer reads JSON, whatever it is called, and the form-encoded text of some
// old providers. known is false for anything else.
func parseAnswer(contentType string, body []byte) (got answer, known bool) {
	var fields struct {
		Token       string  `json:"access_token"`
		Type        string  `json:"token_type"`
		ExpiresIn   seconds `json:"expires_in"`
		Code        string  `json:"error"`
		Description string  `json:"error_description"`
	}
	text := strings.TrimSpace(strings.TrimPrefix(string(body), "\uFEFF"))
	if strings.HasPrefix(text, "{") {
		err := json.Unmarshal([]byte(text), &fields)
		return answer{fields.Token, fields.Type, int64(fields.ExpiresIn), fields.Code, fields.Description}, err == nil
	}
	if kind, _, _ := mime.ParseMediaType(contentType); kind != "application/x-www-form-urlencoded" && kind != "text/plain" {
		return answer{}, false
	}
	form, err := url.ParseQuery(text)
	if err != nil {
		return answer{}, false
	}
	fields.ExpiresIn.set(form.Get("expires_in"))
	return answer{form.Get("access_token"), form.Get("token_type"), int64(fields.ExpiresIn), form.Get("error"), form.Get("error_description")}, true
}

// seconds of a life: a number, also with a fraction or as text. Anything else is
// as good as nothing, since the token itself may say it.
type seconds int64

func (s *seconds) UnmarshalJSON(b []byte) error {
	s.set(strings.Trim(string(b), `"`))
	return nil
}

func (s *seconds) set(text string) {
	const longest = 100 * 365 * 24 * 3600
	if v, err := strconv.ParseFloat(text, 64); err == nil && v > 0 {
		*s = seconds(min(v, longest))
	}
}

// explainResponse says what a refusal means. The body never goes into an error:
// only the OAuth error code, and the description with every secret of the request
// taken out.
func explainResponse(at string, resp *http.Response, got answer, secrets []string) error {
	status := resp.StatusCode
	what := fmt.Sprintf("%s: HTTP %d", at, status)
	if got.Code != "" {
		what += " " + redact.Foreign(got.Code, secrets...)
	}
	if got.Description != "" {
		what += " (" + redact.Foreign(got.Description, secrets...) + ")"
	}
	switch {
	case status == http.StatusTooManyRequests, status >= 500:
		advice := "the identity provider is in trouble"
		if status == http.StatusTooManyRequests {
			advice = "the identity provider is asked too often"
		}
		return &connector.Error{Kind: connector.Unavailable, RetryAfter: backoff.Asked(resp.Header), Err: errors.New(what + "; " + advice)}
	case got.Code != "":
		return connector.Errorf(connector.Unauthenticated, "%s; %s", what, adviceFor(got.Code))
	case status/100 == 3:
		return connector.Errorf(connector.Unauthenticated, "%s: it redirects, which is not followed with credentials; check oauth_token_url", what)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return connector.Errorf(connector.Unauthenticated, "%s; check oauth_client_id and oauth_client_secret", what)
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return connector.Errorf(connector.Unauthenticated, "%s; check the realm's name and the path in oauth_token_url", what)
	case status == http.StatusBadRequest && strings.HasPrefix(at, "requesting a token from http://"):
		return connector.Errorf(connector.Unauthenticated, "%s; check oauth_token_url: a port that speaks TLS answers so, and then it starts with https://", what)
	default:
		return connector.Errorf(connector.Unauthenticated, "%s; check oauth_token_url", what)
	}
}

// adviceFor says what to change for an error code of RFC 6749 section 5.2 and
// RFC 8693.
func adviceFor(code string) string {
	switch code {
	case "invalid_client":
		return "check oauth_client_id, oauth_client_secret and oauth_client_auth"
	case "unauthorized_client": // Keycloak's answer to a wrong secret too
		return "check oauth_client_id and oauth_client_secret, and allow the client this grant: in Keycloak, switch on its service account"
	case "invalid_scope":
		return "check oauth_scope; the client must be allowed each scope"
	case "invalid_target":
		return "check oauth_audience"
	case "invalid_grant":
		return "the subject token or assertion was not accepted; check its file, audience and life"
	case "unsupported_grant_type":
		return "the identity provider does not know this grant; is token exchange switched on?"
	case "Realm does not exist": // Keycloak
		return "check the realm's name in oauth_token_url"
	}
	return "check the oauth_ keys"
}
