package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
)

// explain says why a token request got no answer.
func explain(tokenURL string, err error, secrets []string) error {
	at := "requesting a token from " + RedactURL(tokenURL)
	if classified := ExplainTransport(at, err, Keys{URL: "oauth_token_url", CA: "oauth_cafile", Client: "oauth_client_auth: mtls", Wait: requestTimeout, Plain: strings.HasPrefix(tokenURL, "http:")}); classified != nil {
		return classified
	}
	return connector.Errorf(connector.Unavailable, "%s: %s", at, redact.Foreign(withoutURL(err).Error(), secrets...))
}

// Keys are the names that the settings of a connection have, for messages.
type Keys struct {
	URL    string
	CA     string        // what the CAs to trust are given with
	Client string        // what a client certificate is given with
	Wait   time.Duration // how long an answer was waited for; 0 when it is not known
	Plain  bool          // the URL is http://
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
	case k.Plain && answersTLS(err):
		return connector.Errorf(connector.Unauthenticated, "%s: the server speaks TLS on this port; write https:// in %s, or use its plain port", what, k.URL)
	case errors.As(err, &dns):
		return connector.Errorf(connector.Unavailable, "%s: no such host; check %s: %w", what, k.URL, cause)
	case errors.Is(err, syscall.ECONNREFUSED):
		return connector.Errorf(connector.Unavailable, "%s: connection refused; check %s and that the server runs: %w", what, k.URL, cause)
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		if k.Wait == 0 {
			return connector.Errorf(connector.Unavailable, "%s: no answer in time", what)
		}
		return connector.Errorf(connector.Unavailable, "%s: no answer in %s", what, k.Wait)
	case k.Plain && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		return connector.Errorf(connector.Unavailable, "%s: it closed the connection without an answer; if this port speaks TLS, write https:// in %s", what, k.URL)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return connector.Errorf(connector.Unavailable, "%s: it closed the connection without an answer; look into its log, and at what stands before it", what)
	case errors.As(err, &op):
		return connector.Errorf(connector.Unavailable, "%s: %w", what, cause)
	}
	return nil
}

// answersTLS reports an answer that begins as a TLS alert does, where HTTP was
// expected; the HTTP client gives it as text alone.
func answersTLS(err error) bool {
	text := err.Error()
	return strings.Contains(text, "malformed HTTP") && strings.Contains(text, `\x15\x03`)
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

// RedactURL keeps what names the endpoint: no user, no query.
func RedactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "the token endpoint"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
