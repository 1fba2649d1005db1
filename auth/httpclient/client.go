package httpclient

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
)

// Limits of a client.
const (
	handshakeTimeout = 10 * time.Second
	headerTimeout    = 60 * time.Second
	idleTimeout      = 90 * time.Second
	maxIdlePerHost   = 16
	maxHeaderBytes   = 256 << 10
	maxRedirects     = 5
)

// Client sends requests with the identity of its settings. It is safe for
// concurrent use, and a RoundTripper for http.Clients with settings of their
// own.
type Client struct {
	settings Settings
	name     string
	origins  map[string]bool // scheme://host:port that get the credentials
	tls      *tlsstore.Client
	tokens   auth.TokenSource // nil without tokens
	cached   *auth.Cached     // tokens, when they are renewed
	http     *http.Client

	dial       func(ctx context.Context, network, address string) (net.Conn, error) // nil: as usual
	mu         sync.Mutex
	generation uint64 // of the stores that transport was made from
	transport  *http.Transport
}

// New makes a client of checked settings; it needs no network. name is what
// the service is called in errors and in the label "source" of metrics. Close
// ends its background work.
func New(name string, s Settings, log *slog.Logger) (*Client, error) {
	if faults := s.Validate(); len(faults) > 0 {
		return nil, connector.Errorf(connector.Invalid, "settings of %s: %s: %s", name, faults[0].Path, faults[0].Message)
	}
	if len(s.URLs()) == 0 {
		return nil, connector.Errorf(connector.Invalid, "settings of %s: url: is missing", name)
	}
	c := &Client{settings: s, name: name, origins: map[string]bool{}, tls: s.TLS.Client()}
	for _, raw := range s.URLs() {
		if u, err := url.Parse(raw); err == nil {
			c.origins[origin(u)] = true
		}
	}
	c.tokens, c.cached = auth.Given{Ready: s.BearerToken, File: s.BearerTokenFile, OAuth: &s.OAuth}.Open(name, log)
	c.http = &http.Client{Transport: c, CheckRedirect: c.checkRedirect}
	return c, nil
}

// DialWith makes connections by dial, and none through a proxy, which would
// resolve names by itself. Call it before the first request.
func (c *Client) DialWith(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	c.dial = dial
}

// URLs are the configured addresses.
func (c *Client) URLs() []string { return c.settings.URLs() }

// Collectors are the metrics of the client's tokens; empty when it has none.
func (c *Client) Collectors() []prometheus.Collector {
	if c.cached == nil {
		return nil
	}
	return []prometheus.Collector{c.cached}
}

// Token is the token that requests carry, requested if need be; ok is false
// when they carry none.
func (c *Client) Token(ctx context.Context) (tok auth.Token, ok bool, err error) {
	if c.tokens == nil {
		return auth.Token{}, false, nil
	}
	tok, err = c.tokens.Token(ctx)
	return tok, true, err
}

// Do sends a request as http.Client does, following redirects within the
// configured origins. The request's context bounds all of it. A failure to get
// a response is a connector.Error that says what to change.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.Explain(req, err)
	}
	return resp, nil
}

// RoundTrip sends one request with the credentials.
func (c *Client) RoundTrip(req *http.Request) (*http.Response, error) {
	transport, err := c.current()
	if err != nil {
		closeBody(req)
		return nil, err
	}
	if c.settings.Authenticates() && c.origins[origin(req.URL)] {
		req = req.Clone(req.Context()) // a RoundTripper must not change the request
		if err := c.authorize(req); err != nil {
			closeBody(req)
			return nil, err
		}
	}
	return transport.RoundTrip(req)
}

func (c *Client) authorize(req *http.Request) error {
	if c.tokens == nil {
		req.SetBasicAuth(c.settings.Username, c.settings.Password.Reveal())
		return nil
	}
	tok, err := c.tokens.Token(req.Context())
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+tok.Value.Reveal())
	return nil
}

// current is the transport for the stores as they are now: when a certificate
// or a CA has changed on disk, new connections are made with it and idle ones
// are closed.
func (c *Client) current() (*http.Transport, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cfg, generation, err := c.tls.Current()
	if err != nil {
		return nil, connector.Errorf(connector.Unauthenticated, "preparing TLS with %s: %w", c.name, err)
	}
	if c.transport != nil && generation == c.generation {
		return c.transport, nil
	}
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
	c.generation = generation
	c.transport = &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        cfg,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    handshakeTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
	if c.dial != nil {
		c.transport.DialContext, c.transport.Proxy = c.dial, nil
	}
	return c.transport, nil
}

var errElsewhere = errors.New("it redirects to another server, which does not get the credentials; check url")

// checkRedirect keeps requests with credentials on the configured origins.
func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) >= maxRedirects:
		return errors.New("it redirects in a circle")
	case c.settings.Authenticates() && !c.origins[origin(req.URL)]:
		return errElsewhere
	}
	return nil
}

// Explain says why a request had no answer, for callers that use the Client as
// a RoundTripper: the service and the step are named, the URL's query is not.
func (c *Client) Explain(req *http.Request, err error) error {
	what := "calling " + c.name + " at " + origin(req.URL)
	keys := auth.Keys{URL: "url", CA: "ssl_config.cafile", Client: "ssl_config.certfile and keyfile", Plain: req.URL.Scheme == "http"}
	if explained := auth.ExplainTransport(what, err, keys); explained != nil {
		return explained
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	kind := connector.Unavailable
	if errors.Is(err, errElsewhere) {
		kind = connector.Unauthenticated
	}
	return connector.Errorf(kind, "%s: %w", what, redact.Error(err))
}

// Close ends the renewal of tokens and closes idle connections.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
	c.mu.Unlock()
	if c.cached == nil {
		return nil
	}
	return c.cached.Close()
}

// origin is scheme://host:port with the port always there.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}
