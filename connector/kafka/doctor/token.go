package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector/kafka"
)

// leeway is how far clocks may differ before a token is refused: the default
// of Kafka's sasl.oauthbearer.clock.skew.seconds.
const leeway = 30 * time.Second

// token walks to the token endpoint, asks for a token and reads it.
func (w *walk) token(s *kafka.Settings, cluster *kafka.Cluster) {
	var o *auth.OAuthSettings
	if w.failed == "" {
		o, _ = s.TokenEndpoint()
	}
	w.tokenSteps(o, func(ctx context.Context) (auth.Token, bool, error) {
		if cluster == nil {
			return auth.Token{}, false, nil
		}
		return cluster.Token(ctx)
	})
}

// tokenSteps are the same for brokers and HTTP services. A nil o means that
// there is no endpoint; ask may give a token all the same.
func (w *walk) tokenSteps(o *auth.OAuthSettings, ask func(context.Context) (auth.Token, bool, error)) {
	if o != nil {
		w.endpoint(o)
	}
	var tok auth.Token
	var given bool
	w.step("token", func(ctx context.Context) outcome {
		var err error
		if tok, given, err = ask(ctx); err != nil {
			otherwise := "correct the keys that the token is made with"
			if errors.Is(err, context.DeadlineExceeded) {
				otherwise = "the token endpoint takes the connection and does not answer in time: look into the log of the identity provider, and at what stands before it"
			}
			return failed(err, adviceIn(err.Error(), otherwise))
		}
		if !given {
			return skipped("not used")
		}
		if life := tok.Life(); life > 0 {
			return ok(fmt.Sprintf("issued for %s", life.Round(time.Second)))
		}
		return ok("issued; it does not say for how long")
	})
	w.step("claims", func(ctx context.Context) outcome {
		if !given {
			return skipped("not used")
		}
		return w.claims(ctx, o, tok)
	})
}

// endpoint walks to the token endpoint, or to its proxy.
func (w *walk) endpoint(o *auth.OAuthSettings) {
	u, err := url.Parse(o.TokenURL)
	if err != nil {
		return // Validate has found it
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err == nil && proxy != nil {
		w.step("token-tcp", func(context.Context) outcome { return skipped("goes through the proxy " + proxy.Redacted()) })
		return
	}
	hostport := addPort(u)
	w.name("token-name", hostport, tokenKeys)
	conn := w.tcp("token-tcp", hostport, tokenKeys)
	if conn != nil {
		defer func() { _ = conn.Close() }()
	}
	if u.Scheme != "https" {
		return
	}
	w.step("token-tls", func(ctx context.Context) outcome {
		stores := o.Config().TLS
		if stores == nil {
			stores = tlsstore.NewClient(nil, nil, true)
		}
		_, out := shake(ctx, conn, stores, hostport, tokenKeys)
		return out
	})
}

func addPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

// claims reads the token as a broker would, as far as it can be known here.
func (w *walk) claims(ctx context.Context, o *auth.OAuthSettings, tok auth.Token) outcome {
	c, err := auth.ParseClaims(tok.Value.Reveal())
	if err != nil {
		return skipped("the token is not a JWT; only the server can read it")
	}
	found := &Claims{Issuer: oneLine(c.Issuer), Subject: oneLine(c.Subject), Scope: oneLine(c.Scope), Algorithm: oneLine(c.Algorithm), KeyID: oneLine(c.KeyID),
		IssuedAt: c.IssuedAt.UTC(), Expiry: c.Expiry.UTC()}
	for _, a := range c.Audience {
		found.Audience = append(found.Audience, oneLine(a))
	}
	if c.IssuedAt.IsZero() {
		found.IssuedAt = time.Time{}
	} else if o != nil && time.Since(tok.Issued) < stepTimeout {
		if skew := c.IssuedAt.Sub(tok.Issued); skew.Abs() > 2*time.Second { // the claim counts whole seconds
			found.ClockSkew = skew.Round(time.Second).String()
		}
	}
	out := w.judge(found, c)
	if out.err == nil && o != nil {
		w.discover(ctx, o, c, &out)
	}
	out.Claims = found
	if out.err == nil {
		out.Detail = describeClaims(found, o) + out.Detail
	}
	return out
}

// judge holds the claims against the clock and what the user says that the
// broker wants.
func (w *walk) judge(found *Claims, c auth.Claims) outcome {
	now := time.Now()
	switch {
	case !c.Expiry.IsZero() && now.After(c.Expiry):
		return failed(fmt.Errorf("the token ended at %s, and it is %s here", c.Expiry.UTC().Format(time.DateTime), now.UTC().Format(time.DateTime)),
			"set the clock of this machine or of the identity provider, or give its tokens a longer life")
	case !c.NotBefore.IsZero() && c.NotBefore.After(now.Add(leeway)), !c.IssuedAt.IsZero() && c.IssuedAt.After(now.Add(leeway)):
		return failed(fmt.Errorf("the token is from the future: issued at %s, and it is %s here", c.IssuedAt.UTC().Format(time.DateTime), now.UTC().Format(time.DateTime)),
			"set the clock of this machine, or that of the identity provider")
	case w.options.Issuer != "" && w.options.Issuer != c.Issuer:
		return failed(fmt.Errorf("the token is from the issuer %q, and the broker wants %q", found.Issuer, w.options.Issuer),
			"ask another realm for the token (oauth_token_url), or change sasl.oauthbearer.expected.issuer of the broker")
	case w.options.Audience != "" && !slices.Contains(c.Audience, w.options.Audience):
		return failed(fmt.Errorf("the token is for %q, and the broker wants %q", found.Audience, w.options.Audience),
			fmt.Sprintf("set oauth_audience: %s, or add an audience mapper for it to the client (Keycloak: Client scopes, Mappers, Audience)", w.options.Audience))
	case strings.EqualFold(c.Algorithm, "none"):
		return failed(errors.New("the token is not signed"), "let the identity provider sign its tokens")
	}
	return outcome{}
}

func describeClaims(c *Claims, o *auth.OAuthSettings) string {
	parts := []string{"issuer " + orWord(c.Issuer, "none"), "audience " + orWord(strings.Join(c.Audience, " "), "none"), "subject " + orWord(c.Subject, "none")}
	if c.Scope != "" {
		parts = append(parts, "scope "+c.Scope)
	}
	if !c.Expiry.IsZero() {
		parts = append(parts, "ends "+c.Expiry.Format(time.RFC3339))
	}
	if c.ClockSkew != "" {
		parts = append(parts, "the issuer's clock differs by "+c.ClockSkew)
	}
	if o != nil && o.Audience != "" && !slices.Contains(c.Audience, o.Audience) {
		parts = append(parts, "the audience that was asked for is not in it")
	}
	return strings.Join(parts, ", ")
}

const keycloakToken = "/protocol/openid-connect/token"

// discover asks the realm's own description, where the token URL has
// Keycloak's form, for the issuer's name and its keys: those are what a broker
// is set up with. A description that cannot be had fails nothing.
func (w *walk) discover(ctx context.Context, o *auth.OAuthSettings, c auth.Claims, out *outcome) {
	realm, keycloak := strings.CutSuffix(o.TokenURL, keycloakToken)
	if !keycloak {
		return
	}
	client, err := plainClient(o)
	if err != nil {
		return
	}
	defer client.CloseIdleConnections()
	var about struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if err := getJSON(ctx, client, realm+"/.well-known/openid-configuration", &about); err != nil || about.Issuer == "" {
		out.Detail = "; the realm's description cannot be read"
		return
	}
	if about.Issuer != c.Issuer {
		*out = failed(fmt.Errorf("the token names the issuer %q, and the realm calls itself %q", oneLine(c.Issuer), oneLine(about.Issuer)),
			"give the identity provider one host name (Keycloak: --hostname), the same for clients and brokers")
		return
	}
	var keys struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	if err := getJSON(ctx, client, about.JWKS, &keys); err != nil {
		*out = failed(fmt.Errorf("the realm's keys cannot be read: %w", err), "without them no broker can check a token: look into the log of the identity provider")
		return
	}
	for _, k := range keys.Keys {
		if k.ID == c.KeyID {
			return
		}
	}
	*out = failed(fmt.Errorf("the token is signed with the key %q, which the realm does not publish", oneLine(c.KeyID)),
		"look at the realm's keys: one that signs is not active, or the token comes from elsewhere")
}

// plainClient reaches the endpoint without credentials.
func plainClient(o *auth.OAuthSettings) (*http.Client, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	if stores := o.Config().TLS; stores != nil {
		cfg, err := stores.Config("")
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = cfg
	}
	return &http.Client{Transport: transport, Timeout: stepTimeout / 2}, nil
}

func getJSON(ctx context.Context, client *http.Client, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP %d from %s", resp.StatusCode, req.URL.Redacted())
	}
	return json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(into)
}

// tokenRefusal says what a broker may dislike about a token that looks well.
func (w *walk) tokenRefusal() string {
	for _, s := range w.found.Steps {
		if s.Claims == nil {
			continue
		}
		return fmt.Sprintf("compare the token with the broker's settings: it is from issuer %s for audience %s, and the broker may want others (sasl.oauthbearer.expected.issuer, …expected.audience), or not reach the issuer's keys; --expect-audience and --expect-issuer check here",
			orWord(s.Claims.Issuer, "none"), orWord(strings.Join(s.Claims.Audience, " "), "none"))
	}
	return "the broker does not accept the token: check the issuer and the audience that it wants"
}
