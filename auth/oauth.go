package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
)

// ClientAuth is how a client proves itself to a token endpoint (OpenID Connect
// Core section 9, RFC 8705 for mutual TLS).
type ClientAuth string

// The ways of client authentication.
const (
	ClientSecretPost  ClientAuth = "post"
	ClientSecretBasic ClientAuth = "basic"
	PrivateKeyJWT     ClientAuth = "private_key_jwt"
	MutualTLS         ClientAuth = "mtls"
)

// OAuthConfig says where tokens come from.
type OAuthConfig struct {
	TokenURL     string
	ClientID     string
	ClientSecret connector.Secret
	// ClientSecretFile is the file that the client secret came from. It is read
	// at each request, so that a rotated secret is used by the next.
	ClientSecretFile string
	ClientAuth       ClientAuth // default ClientSecretPost
	Scope            string
	Audience         string
	Params           map[string]connector.Secret // further form fields

	// AssertionFile holds a client assertion (RFC 7523) issued by a platform:
	// a workload token of Kubernetes, GitHub or GitLab. Read at each request.
	AssertionFile string
	// SigningKeyFile is the PEM key of PrivateKeyJWT, read at each request.
	SigningKeyFile     string
	SigningKeyPassword connector.Secret
	SigningKeyID       string
	SigningAlgorithm   string // default by the key

	// SubjectTokenFile holds a token to exchange (RFC 8693); read at each
	// request. Without it the grant is client_credentials.
	SubjectTokenFile string
	SubjectTokenType string // default urn:ietf:params:oauth:token-type:jwt

	// TLS makes the TLS settings of the endpoint: its own CA, the client
	// certificate of MutualTLS. Nil means the system's CAs.
	TLS *tlsstore.Client
}

// requestTimeout bounds one token request.
const requestTimeout = 10 * time.Second

const (
	grantExchange     = "urn:ietf:params:oauth:grant-type:token-exchange"
	assertionType     = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	subjectTokenType  = "urn:ietf:params:oauth:token-type:jwt"
	maxTokenFileBytes = 64 << 10
)

// NewOAuth returns a source that asks the token endpoint at each call; wrap it
// in NewCached. Proxies come from the environment (HTTPS_PROXY, NO_PROXY).
func NewOAuth(cfg OAuthConfig) TokenSource { return &oauthSource{cfg: cfg} }

type oauthSource struct{ cfg OAuthConfig }

// Token makes one token request. Errors are classified: refused credentials
// are Unauthenticated and name the OAuth error code, trouble on the way or on
// the server is Unavailable, with the time that the server asks to be left alone.
func (s *oauthSource) Token(ctx context.Context) (Token, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	client, err := s.httpClient()
	if err != nil {
		return Token{}, err
	}
	defer client.CloseIdleConnections()
	req, secrets, err := s.request(ctx)
	if err != nil {
		return Token{}, err
	}
	issued := time.Now() // before the request, so that expiry is early rather than late
	resp, err := client.Do(req)
	if err != nil {
		return Token{}, explain(s.cfg.TokenURL, err, secrets)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := readAnswer(s.cfg.TokenURL, resp, secrets)
	if err != nil {
		return Token{}, err
	}
	return s.accept(got, issued)
}

func (s *oauthSource) accept(got answer, issued time.Time) (Token, error) {
	at := "requesting a token from " + RedactURL(s.cfg.TokenURL)
	if t := got.Type; t != "" && !strings.EqualFold(t, "bearer") && !strings.EqualFold(t, "N_A") {
		return Token{}, connector.Errorf(connector.Unauthenticated, "%s: it issued a token of another type (%s) than bearer", at, redact.Foreign(t))
	}
	if strings.ContainsAny(got.Token, "\x00\x01\r\n ") {
		return Token{}, connector.Errorf(connector.Unauthenticated, "%s: the token holds characters that no bearer token has", at)
	}
	out := Token{Value: connector.Secret(got.Token), Issued: issued}
	switch claims, err := ParseClaims(got.Token); {
	case got.ExpiresIn > 0:
		out.Expiry = issued.Add(time.Duration(got.ExpiresIn) * time.Second)
		// A JWT ends on a whole second, up to one earlier than that; where the
		// clocks agree its own end is exact.
		if agree := issued.Sub(claims.IssuedAt); err == nil && agree >= 0 && agree <= time.Second && !claims.Expiry.IsZero() && claims.Expiry.Before(out.Expiry) {
			out.Expiry = claims.Expiry
		}
	case err == nil && !claims.Expiry.IsZero():
		out.Expiry = claims.Expiry
		if !claims.IssuedAt.IsZero() { // count by the issuer's clock, which may differ from ours
			out.Expiry = issued.Add(claims.Expiry.Sub(claims.IssuedAt))
		}
	}
	return out, nil
}

// request makes one token request, and says what must never show in an error
// about it.
func (s *oauthSource) request(ctx context.Context) (*http.Request, []string, error) {
	c := &s.cfg
	secret, err := s.secret()
	if err != nil {
		return nil, nil, err
	}
	secrets := []string{secret}
	form := url.Values{"grant_type": {"client_credentials"}}
	set := func(key, value string) {
		if value != "" {
			form.Set(key, value)
		}
	}
	for k, v := range c.Params {
		set(k, v.Reveal())
		secrets = append(secrets, v.Reveal())
	}
	set("audience", c.Audience)
	set("scope", c.Scope)
	if c.SubjectTokenFile != "" {
		subject, err := readToken(c.SubjectTokenFile)
		if err != nil {
			return nil, nil, err
		}
		secrets = append(secrets, subject)
		form.Set("grant_type", grantExchange)
		form.Set("subject_token", subject)
		form.Set("subject_token_type", subjectTokenType)
		set("subject_token_type", c.SubjectTokenType)
		if form.Get("requested_token_type") == "" {
			form.Set("requested_token_type", "urn:ietf:params:oauth:token-type:access_token")
		}
	}
	assertion, err := s.assertion()
	if err != nil {
		return nil, nil, err
	}
	secrets = append(secrets, assertion)
	basic := false
	switch {
	case assertion != "":
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
		set("client_id", c.ClientID)
	case c.ClientAuth == ClientSecretBasic:
		basic = true
	case c.ClientAuth == MutualTLS:
		set("client_id", c.ClientID)
	default:
		set("client_id", c.ClientID)
		set("client_secret", secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, nil, connector.Errorf(connector.Invalid, "requesting a token: oauth_token_url is not a URL")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if basic { // RFC 6749, 2.3.1: both are form-encoded first
		req.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(secret))
	}
	return req, secrets, nil
}

// secret is the client secret as it is now.
func (s *oauthSource) secret() (string, error) {
	if s.cfg.ClientSecretFile == "" {
		return s.cfg.ClientSecret.Reveal(), nil
	}
	return readSecret(s.cfg.ClientSecretFile)
}

func (s *oauthSource) assertion() (string, error) {
	switch {
	case s.cfg.AssertionFile != "":
		return readToken(s.cfg.AssertionFile)
	case s.cfg.ClientAuth == PrivateKeyJWT:
		return s.signAssertion()
	}
	return "", nil
}

// httpClient is made anew for each request, which come minutes apart, so that
// rotated CAs and certificates count at once. Redirects are not followed: they
// would carry the credentials elsewhere.
func (s *oauthSource) httpClient() (*http.Client, error) {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSHandshakeTimeout:    requestTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		DisableKeepAlives:      true,
		ForceAttemptHTTP2:      true,
	}
	if s.cfg.TLS != nil {
		cfg, err := s.cfg.TLS.Config("") // the transport fills in the name
		if err != nil {
			return nil, connector.Errorf(connector.Unauthenticated, "preparing TLS with the token endpoint %s: %w", RedactURL(s.cfg.TokenURL), err)
		}
		transport.TLSClientConfig = cfg
	}
	return &http.Client{
		Transport:     transport,
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// String names the source without secrets.
func (s *oauthSource) String() string {
	return fmt.Sprintf("token endpoint %s", RedactURL(s.cfg.TokenURL))
}
