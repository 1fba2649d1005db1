package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// OAuthCheck says which tokens the broker takes.
type OAuthCheck struct {
	Issuer   string // exactly the token's iss; its discovery document is read when the first token comes
	Audience string // one of the token's aud; empty takes any
	JWKSURL  string // instead of the one in the discovery document
	// Principal is the claim that names the user, "sub" by default. A token
	// without it is refused.
	Principal string
	Leeway    time.Duration // how long a token outlives its exp
	Client    *http.Client  // default one with a timeout of five seconds
}

func (c *OAuthCheck) check() error {
	if c.Issuer == "" {
		return errors.New("OAUTHBEARER needs the issuer of the tokens")
	}
	return nil
}

// signatures are the algorithms taken; "none" and shared secrets are not.
var signatures = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

const (
	maxDocument   = 1 << 20
	fetchInterval = 100 * time.Millisecond // between two looks for an unknown key
)

// verifier checks tokens against an issuer's published keys.
type verifier struct {
	OAuthCheck

	mu      sync.Mutex
	keys    jose.JSONWebKeySet
	fetched time.Time
}

func newVerifier(c OAuthCheck) *verifier {
	if c.Principal == "" {
		c.Principal = "sub"
	}
	if c.Client == nil {
		c.Client = &http.Client{Timeout: 5 * time.Second}
	}
	return &verifier{OAuthCheck: c}
}

// verify returns whom the token names and when it ends.
func (v *verifier) verify(ctx context.Context, token string) (*identity, error) {
	parsed, err := jwt.ParseSigned(token, signatures)
	if err != nil {
		return nil, errors.New("the token is not a signed JWT")
	}
	key, err := v.key(ctx, parsed.Headers[0].KeyID)
	if err != nil {
		return nil, err
	}
	var claims jwt.Claims
	var all map[string]any
	if err := parsed.Claims(key, &claims, &all); err != nil {
		return nil, errors.New("the signature of the token is wrong")
	}
	expected := jwt.Expected{Issuer: v.Issuer, Time: time.Now()}
	switch err := claims.ValidateWithLeeway(expected, v.Leeway); {
	case errors.Is(err, jwt.ErrExpired):
		return nil, errors.New("the token has expired")
	case errors.Is(err, jwt.ErrInvalidIssuer):
		return nil, fmt.Errorf("the token is from another issuer than %s", v.Issuer)
	case err != nil:
		return nil, errors.New("the token is not valid yet")
	case claims.Expiry == nil:
		return nil, errors.New("the token never expires")
	case v.Audience != "" && !slices.Contains(claims.Audience, v.Audience):
		return nil, fmt.Errorf("the audience of the token is not %s", v.Audience)
	}
	name, ok := all[v.Principal].(string)
	if !ok || name == "" {
		return nil, fmt.Errorf("the token has no claim %s", v.Principal)
	}
	return &identity{name: name, ends: claims.Expiry.Time().Add(v.Leeway)}, nil
}

// key returns the issuer's key. An unknown one is looked for again, since keys
// rotate, but not more often than every tenth of a second.
func (v *verifier) key(ctx context.Context, id string) (any, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if found := v.keys.Key(id); len(found) > 0 {
		return found[0].Key, nil
	}
	if time.Since(v.fetched) >= fetchInterval {
		v.fetched = time.Now()
		if err := v.fetch(ctx); err != nil {
			return nil, err
		}
	}
	if found := v.keys.Key(id); len(found) > 0 {
		return found[0].Key, nil
	}
	return nil, errors.New("the token is signed with a key that the issuer does not publish")
}

func (v *verifier) fetch(ctx context.Context) error {
	address := v.JWKSURL
	if address == "" {
		var discovery struct {
			JWKSURI string `json:"jwks_uri"`
		}
		if err := v.get(ctx, strings.TrimSuffix(v.Issuer, "/")+"/.well-known/openid-configuration", &discovery); err != nil {
			return err
		}
		address = discovery.JWKSURI
	}
	var keys jose.JSONWebKeySet
	if err := v.get(ctx, address, &keys); err != nil {
		return err
	}
	v.keys = keys
	return nil
}

func (v *verifier) get(ctx context.Context, address string, into any) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("reading the issuer's keys: %w", err)
	}
	response, err := v.Client.Do(request)
	if err != nil {
		return fmt.Errorf("reading the issuer's keys: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("reading the issuer's keys from %s: %s", address, response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxDocument)).Decode(into); err != nil {
		return fmt.Errorf("reading the issuer's keys from %s: %w", address, err)
	}
	return nil
}

// bearer is the server's side of OAUTHBEARER (RFC 7628, KIP-255).
type bearer struct {
	verifier *verifier
	refused  refusal // what the client is told once it has taken note
}

func (b *bearer) step(ctx context.Context, in []byte) ([]byte, *identity, error) {
	if b.refused != "" {
		return nil, nil, b.refused
	}
	token, err := bearerToken(in)
	if err != nil {
		return nil, nil, err
	}
	who, err := b.verifier.verify(ctx, token)
	if err != nil {
		// RFC 7628 3.2.2: first a message of the exchange that says what is
		// wrong, then, after the client's word, the failure. Kafka's own
		// message holds the status alone.
		challenge, marshal := json.Marshal(map[string]string{"status": "invalid_token", "reason": err.Error()})
		if marshal != nil {
			return nil, nil, marshal
		}
		b.refused = refusal(challenge)
		return challenge, nil, nil
	}
	return nil, who, nil
}

// bearerToken reads the client's first message: "n,,", then key=value pairs
// that a 0x01 ends each, and another 0x01.
func bearerToken(in []byte) (string, error) {
	const malformed = refusal("Authentication failed: Invalid OAUTHBEARER client first message")
	header, rest, found := bytes.Cut(in, []byte{1})
	if !found || !bytes.HasPrefix(header, []byte("n,")) || !bytes.HasSuffix(header, []byte(",")) {
		return "", malformed
	}
	pairs, found := bytes.CutSuffix(rest, []byte{1, 1})
	if !found {
		return "", malformed
	}
	for pair := range bytes.SplitSeq(pairs, []byte{1}) {
		key, val, _ := strings.Cut(string(pair), "=")
		scheme, token, _ := strings.Cut(val, " ")
		if key == "auth" && strings.EqualFold(scheme, "bearer") && strings.TrimSpace(token) != "" {
			return strings.TrimSpace(token), nil
		}
	}
	return "", malformed
}
