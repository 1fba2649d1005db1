package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/oauth2"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
)

// explain says what a failed token request means. The body of the response
// never goes into an error: only the OAuth error code, and the description
// with every secret of the request taken out.
func explain(tokenURL string, err error, secrets []string) error {
	at := "requesting a token from " + redactURL(tokenURL)
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil {
		return explainResponse(at, refused, secrets)
	}
	if classified := ExplainTransport(at, err, Keys{URL: "oauth_token_url", CA: "oauth_cafile", Client: "oauth_client_auth: mtls", Wait: requestTimeout}); classified != nil {
		return classified
	}
	switch cause := withoutURL(err); {
	case strings.Contains(err.Error(), "missing access_token"), strings.Contains(err.Error(), "cannot parse json"):
		return connector.Errorf(connector.Unauthenticated, "%s: the answer is not that of a token endpoint; check oauth_token_url", at)
	default:
		return connector.Errorf(connector.Unavailable, "%s: %s", at, redact.Foreign(cause.Error(), secrets...))
	}
}

// Keys are the names that the settings of a connection have, for messages.
type Keys struct {
	URL    string
	CA     string        // what the CAs to trust are given with
	Client string        // what a client certificate is given with
	Wait   time.Duration // how long an answer was waited for; 0 when it is not known
}

// ExplainTransport says what an HTTP request that got no response failed on,
// and what to change: what was attempted, such as "requesting a token from
// https://id/t", comes first. It is nil for an error of any other kind. Failures
// of identity, ours or the server's, are Unauthenticated; trying again changes
// nothing. The rest is Unavailable. No query of a URL is repeated.
func ExplainTransport(what string, err error, k Keys) error {
	var (
		known   *connector.Error
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		header  tls.RecordHeaderError
		dns     *net.DNSError
		op      *net.OpError
	)
	switch cause := redact.Error(withoutURL(err)); {
	case errors.As(err, &known):
		return known // without the URL around it
	case errors.As(err, &unknown):
		return connector.Errorf(connector.Unauthenticated, "%s: its certificate comes from a CA that is not trusted; set %s: %w", what, k.CA, cause)
	case errors.As(err, &name):
		return connector.Errorf(connector.Unauthenticated, "%s: its certificate is for another name; check %s: %w", what, k.URL, cause)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return connector.Errorf(connector.Unauthenticated, "%s: its certificate has expired, or is not valid yet; the server needs a new one, and this machine the right time: %w", what, cause)
	case errors.As(err, &invalid):
		return connector.Errorf(connector.Unauthenticated, "%s: its certificate is not valid: %w", what, cause)
	case errors.As(err, &header), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return connector.Errorf(connector.Unauthenticated, "%s: the server does not speak TLS; use http:// in %s, or its TLS port: %w", what, k.URL, cause)
	case errors.As(err, &op) && op.Op == "remote error":
		return connector.Errorf(connector.Unauthenticated, "%s: it refused the TLS handshake; does it ask for a client certificate (%s)?: %w", what, k.Client, cause)
	case errors.As(err, &dns):
		return connector.Errorf(connector.Unavailable, "%s: no such host; check %s: %w", what, k.URL, cause)
	case errors.Is(err, syscall.ECONNREFUSED):
		return connector.Errorf(connector.Unavailable, "%s: connection refused; check %s and that the server runs: %w", what, k.URL, cause)
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		if k.Wait == 0 {
			return connector.Errorf(connector.Unavailable, "%s: no answer in time", what)
		}
		return connector.Errorf(connector.Unavailable, "%s: no answer in %s", what, k.Wait)
	case errors.As(err, &op):
		return connector.Errorf(connector.Unavailable, "%s: %w", what, cause)
	}
	return nil
}

func explainResponse(at string, r *oauth2.RetrieveError, secrets []string) error {
	status := r.Response.StatusCode
	what := fmt.Sprintf("%s: HTTP %d", at, status)
	if r.ErrorCode != "" {
		what += " " + redact.Foreign(r.ErrorCode, secrets...)
	}
	if r.ErrorDescription != "" {
		what += " (" + redact.Foreign(r.ErrorDescription, secrets...) + ")"
	}
	switch {
	case status == http.StatusTooManyRequests:
		return &connector.Error{Kind: connector.Throttled, RetryAfter: retryAfter(r.Response), Err: errors.New(what)}
	case status >= 500:
		return &connector.Error{Kind: connector.Unavailable, RetryAfter: retryAfter(r.Response), Err: errors.New(what + "; the identity provider is in trouble")}
	case r.ErrorCode != "":
		return connector.Errorf(connector.Unauthenticated, "%s; %s", what, adviceFor(r.ErrorCode))
	case status/100 == 3:
		return connector.Errorf(connector.Unauthenticated, "%s: it redirects, which is not followed with credentials; check oauth_token_url", what)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return connector.Errorf(connector.Unauthenticated, "%s; check oauth_client_id and oauth_client_secret", what)
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
	default:
		return "check the oauth_ keys"
	}
}

func retryAfter(r *http.Response) time.Duration {
	n, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if err != nil || n < 0 || n > 3600 {
		return 0
	}
	return time.Duration(n) * time.Second
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// withoutURL takes the *url.Error off, whose text repeats the URL with its
// query.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// redactURL keeps what names the endpoint: no user, no query.
func redactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "the token endpoint"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
