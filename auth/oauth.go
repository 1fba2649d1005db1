package auth

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

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
	ClientAuth   ClientAuth // default ClientSecretPost
	Scope        string
	Audience     string
	Params       map[string]connector.Secret // further form fields

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
// the server is Unavailable.
func (s *oauthSource) Token(ctx context.Context) (Token, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	client, err := s.httpClient()
	if err != nil {
		return Token{}, err
	}
	defer client.CloseIdleConnections()
	conf, secrets, err := s.request()
	if err != nil {
		return Token{}, err
	}
	issued := time.Now() // before the request, so that expiry is early rather than late
	tok, err := conf.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
	if err != nil {
		return Token{}, explain(s.cfg.TokenURL, err, secrets)
	}
	return s.accept(tok, issued)
}

func (s *oauthSource) accept(tok *oauth2.Token, issued time.Time) (Token, error) {
	if t := tok.Type(); !strings.EqualFold(t, "bearer") && !strings.EqualFold(t, "N_A") {
		return Token{}, connector.Errorf(connector.Unauthenticated, "requesting a token from %s: it issued a token of another type (%s) than bearer", redactURL(s.cfg.TokenURL), redact.Foreign(t))
	}
	if strings.ContainsAny(tok.AccessToken, "\x00\x01\r\n ") {
		return Token{}, connector.Errorf(connector.Unauthenticated, "requesting a token from %s: the token holds characters that no bearer token has", redactURL(s.cfg.TokenURL))
	}
	out := Token{Value: connector.Secret(tok.AccessToken), Issued: issued}
	switch claims, err := ParseClaims(tok.AccessToken); {
	case !tok.Expiry.IsZero(): // expires_in, counted from the answer; count it from the request
		out.Expiry = issued.Add(tok.Expiry.Sub(issued).Truncate(time.Second))
	case err == nil && !claims.Expiry.IsZero():
		out.Expiry = claims.Expiry
		if !claims.IssuedAt.IsZero() { // count by the issuer's clock, which may differ from ours
			out.Expiry = issued.Add(claims.Expiry.Sub(claims.IssuedAt))
		}
	}
	return out, nil
}

// request makes the parameters of one token request, and what must never show
// in an error about it.
func (s *oauthSource) request() (*clientcredentials.Config, []string, error) {
	c := &s.cfg
	secrets := []string{c.ClientSecret.Reveal()}
	form := url.Values{}
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
	conf := &clientcredentials.Config{
		TokenURL: c.TokenURL, ClientID: c.ClientID, ClientSecret: c.ClientSecret.Reveal(),
		EndpointParams: form, AuthStyle: oauth2.AuthStyleInParams,
	}
	if c.Scope != "" {
		conf.Scopes = []string{c.Scope}
	}
	assertion, err := s.assertion()
	if err != nil {
		return nil, nil, err
	}
	switch {
	case assertion != "":
		secrets = append(secrets, assertion)
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
		conf.ClientSecret = ""
	case c.ClientAuth == ClientSecretBasic:
		conf.AuthStyle = oauth2.AuthStyleInHeader
	case c.ClientAuth == MutualTLS:
		conf.ClientSecret = ""
	}
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
	return conf, secrets, nil
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

// readToken reads a token that a platform keeps fresh in a file.
func readToken(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", connector.Errorf(connector.Unauthenticated, "reading the token file: %w; check the path and the rights", redact.File(err))
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxTokenFileBytes+1)) // a device or a pipe has no size
	if err != nil {
		return "", connector.Errorf(connector.Unauthenticated, "reading the token file: %w; check the path and the rights", redact.File(err))
	}
	tok := strings.TrimSpace(string(b))
	if tok == "" || len(b) > maxTokenFileBytes {
		return "", connector.Errorf(connector.Unauthenticated, "reading the token file %s: it must hold one token", redact.Path(path))
	}
	if strings.ContainsAny(tok, " \r\n\t") {
		return "", connector.Errorf(connector.Unauthenticated, "reading the token file %s: it must hold one token and nothing else", redact.Path(path))
	}
	return tok, nil
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
			return nil, connector.Errorf(connector.Unauthenticated, "preparing TLS with the token endpoint %s: %w", redactURL(s.cfg.TokenURL), err)
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
	return fmt.Sprintf("token endpoint %s", redactURL(s.cfg.TokenURL))
}

// File is a source of a token that something else keeps fresh in a file; it is
// read at each call.
func File(path string) TokenSource {
	return TokenSourceFunc(func(ctx context.Context) (Token, error) {
		value, err := readToken(path)
		if err != nil {
			return Token{}, err
		}
		return Static(connector.Secret(value)).Token(ctx)
	})
}
