// Package auth is how Headrace proves who it is to others: OAuth tokens that
// are renewed in time, client assertions, and (in its subfolders) JAAS lines
// and TLS stores. It knows no broker; what it makes is used for Kafka, schema
// registries and HTTP sources alike.
//
// No error, log line or metric of this package holds a secret or a token.
package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/headrace/headrace/connector"
)

// Token is an access token. It prints without its value.
type Token struct {
	Value  connector.Secret
	Issued time.Time // when we got it, by our clock
	Expiry time.Time // by our clock; zero when nobody told
}

// Life is how long the token lived when it was issued; 0 when nobody told.
func (t Token) Life() time.Duration {
	if t.Expiry.IsZero() || t.Issued.IsZero() {
		return 0
	}
	return t.Expiry.Sub(t.Issued)
}

// TokenSource gives access tokens. Implementations are safe for concurrent use.
type TokenSource interface {
	Token(ctx context.Context) (Token, error)
}

// TokenSourceFunc lets a function be a TokenSource.
type TokenSourceFunc func(ctx context.Context) (Token, error)

// Token calls f.
func (f TokenSourceFunc) Token(ctx context.Context) (Token, error) { return f(ctx) }

// Static is a source of one ready-made token. When it is a JWT that has
// expired, the source says so instead of letting the other side refuse it.
func Static(value connector.Secret) TokenSource {
	tok := Token{Value: value}
	if c, err := ParseClaims(value.Reveal()); err == nil {
		tok.Expiry, tok.Issued = c.Expiry, c.IssuedAt
	}
	return TokenSourceFunc(func(context.Context) (Token, error) {
		if !tok.Expiry.IsZero() && time.Now().After(tok.Expiry) {
			return Token{}, connector.Errorf(connector.Unauthenticated, "the configured access token expired on %s; give a new one, or a token endpoint", tok.Expiry.UTC().Format(time.RFC3339))
		}
		return tok, nil
	})
}

// Claims are the claims of a JWT that decide whether a server accepts it. They
// are read without checking the signature: only for telling a user what a
// token says, never for trusting one.
type Claims struct {
	Issuer    string
	Subject   string
	Audience  []string
	Scope     string
	Algorithm string
	KeyID     string
	Expiry    time.Time
	IssuedAt  time.Time
	NotBefore time.Time
}

type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(b, &many); err != nil {
		return err
	}
	*a = many
	return nil
}

// ParseClaims reads the claims of a JWT; an opaque token is an error.
func ParseClaims(token string) (Claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > 1<<20 {
		return Claims{}, fmt.Errorf("the token is not a JWT")
	}
	var header struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
	}
	var body struct {
		Iss   string   `json:"iss"`
		Sub   string   `json:"sub"`
		Aud   audience `json:"aud"`
		Scope string   `json:"scope"`
		Exp   float64  `json:"exp"`
		Iat   float64  `json:"iat"`
		Nbf   float64  `json:"nbf"`
	}
	if err := segment(parts[0], &header); err != nil {
		return Claims{}, err
	}
	if err := segment(parts[1], &body); err != nil {
		return Claims{}, err
	}
	return Claims{
		Issuer: body.Iss, Subject: body.Sub, Audience: body.Aud, Scope: body.Scope,
		Algorithm: header.Alg, KeyID: header.Kid,
		Expiry: unixTime(body.Exp), IssuedAt: unixTime(body.Iat), NotBefore: unixTime(body.Nbf),
	}, nil
}

func segment(part string, into any) error {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	if err != nil {
		return fmt.Errorf("the token is not a JWT")
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("the token is not a JWT")
	}
	return nil
}

func unixTime(seconds float64) time.Time {
	if seconds <= 0 || seconds > 1e12 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}
