package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
)

// assertionLife is how long a signed client assertion is good for: long enough
// for clocks that differ, too short to be worth stealing.
const assertionLife = 2 * time.Minute

// signAssertion makes the JWT of private_key_jwt (RFC 7523 section 3). The key
// is read each time, so a rotated one is used by the next request.
func (s *oauthSource) signAssertion() (string, error) {
	fail := func(format string, args ...any) (string, error) {
		return "", connector.Errorf(connector.Unauthenticated, "signing the client assertion: "+format, args...)
	}
	key, err := tlsstore.ReadKey(s.cfg.SigningKeyFile, s.cfg.SigningKeyPassword.Reveal())
	if err != nil {
		return fail("%w", err)
	}
	alg := s.cfg.SigningAlgorithm
	if alg == "" {
		alg = algorithmFor(key)
	}
	method := jwt.GetSigningMethod(alg)
	if method == nil {
		return fail("no algorithm for this kind of key; use RSA, EC P-256, P-384 or P-521, or Ed25519")
	}
	now := time.Now()
	token := jwt.NewWithClaims(method, jwt.RegisteredClaims{
		Issuer: s.cfg.ClientID, Subject: s.cfg.ClientID, Audience: jwt.ClaimStrings{s.cfg.TokenURL},
		ID: rand.Text(), IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(assertionLife)),
	})
	if s.cfg.SigningKeyID != "" {
		token.Header["kid"] = s.cfg.SigningKeyID
	}
	signed, err := token.SignedString(key)
	if err != nil {
		return fail("algorithm %s does not fit the key in %s; choose one for its kind", alg, redact.Path(s.cfg.SigningKeyFile))
	}
	return signed, nil
}

func algorithmFor(key crypto.PrivateKey) string {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return "RS256"
	case ed25519.PrivateKey:
		return "EdDSA"
	case *ecdsa.PrivateKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return "ES256"
		case 384:
			return "ES384"
		case 521:
			return "ES512"
		}
	}
	return ""
}
