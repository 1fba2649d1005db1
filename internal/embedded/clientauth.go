package embedded

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticate finds the client and checks that it is who it says it is, by
// the header (client_secret_basic), the form (client_secret_post) or an
// assertion (private_key_jwt, RFC 7523).
func (i *Issuer) authenticate(r *http.Request) (*Client, *oauthError) {
	id, secret, basic := r.BasicAuth()
	if basic { // RFC 6749 2.3.1: both parts are form-encoded first
		id, secret = unescape(id), unescape(secret)
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	assertion := r.PostForm.Get("client_assertion")
	if assertion != "" && r.PostForm.Get("client_assertion_type") == assertionType {
		return i.assertion(id, assertion)
	}
	client := i.realm.client(id)
	switch {
	case client == nil:
		return nil, refused(http.StatusUnauthorized, "invalid_client", "Invalid client or Invalid client credentials")
	case client.Public:
		return client, nil
	case client.Authenticator == "client-jwt" || client.Secret == "" || !equal(secret, client.Secret):
		return nil, refused(http.StatusUnauthorized, "unauthorized_client", "Invalid client or Invalid client credentials")
	}
	return client, nil
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// assertion checks a JWT that the client signed with its own key: it names the
// client as issuer and subject and this issuer as audience, ends within the
// hour, and is used once.
func (i *Issuer) assertion(id, assertion string) (*Client, *oauthError) {
	wrong := func(why string) (*Client, *oauthError) {
		return nil, refused(http.StatusUnauthorized, "invalid_client", "Client assertion refused: "+why)
	}
	parsed, err := jwt.ParseSigned(assertion, signatures)
	if err != nil {
		return wrong("not a signed JWT")
	}
	var claims jwt.Claims
	if parsed.UnsafeClaimsWithoutVerification(&claims) != nil || claims.Subject == "" || claims.Issuer != claims.Subject ||
		id != "" && id != claims.Subject {
		return wrong("iss and sub must be the client id")
	}
	client := i.realm.client(claims.Subject)
	if client == nil {
		return wrong("no such client")
	}
	if !slices.ContainsFunc(client.keys(parsed.Headers[0].KeyID), func(key any) bool {
		return parsed.Claims(key, new(jwt.Claims)) == nil
	}) {
		return wrong("the signature does not fit a key of the client")
	}
	now := time.Now()
	switch {
	case claims.Expiry == nil || claims.Expiry.Time().After(now.Add(time.Hour)):
		return wrong("exp is missing or more than an hour away")
	case claims.ValidateWithLeeway(jwt.Expected{Time: now}, 15*time.Second) != nil:
		return wrong("it has expired or is not valid yet")
	case !slices.ContainsFunc(claims.Audience, func(a string) bool { return a == i.URL() || a == i.TokenURL() }):
		return wrong("aud must be the issuer or the token endpoint")
	case claims.ID == "" || !i.replays.first(claims.Subject+" "+claims.ID, claims.Expiry.Time().Add(time.Minute), now):
		return wrong("jti is missing or was used before")
	}
	return client, nil
}

// keys returns the public keys that an export holds for a client.
func (c *Client) keys(id string) []any {
	var keys []any
	var set jose.JSONWebKeySet
	if json.Unmarshal([]byte(c.Attributes["jwks.string"]), &set) == nil {
		for _, k := range set.Keys {
			if k.IsPublic() && (id == "" || k.KeyID == "" || k.KeyID == id) {
				keys = append(keys, k.Key)
			}
		}
	}
	if der, err := base64.StdEncoding.DecodeString(bare(c.Attributes["jwt.credential.certificate"])); err == nil {
		if certificate, err := x509.ParseCertificate(der); err == nil {
			keys = append(keys, certificate.PublicKey)
		}
	}
	if der, err := base64.StdEncoding.DecodeString(bare(c.Attributes["jwt.credential.public.key"])); err == nil {
		if key, err := x509.ParsePKIXPublicKey(der); err == nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// bare strips PEM's lines: exports hold the base64 alone or the whole PEM.
func bare(pem string) string {
	var b strings.Builder
	for line := range strings.Lines(pem) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// maxReplays bounds the assertions that are remembered.
const maxReplays = 10_000

// replays remembers the ids of assertions until they expire.
type replays struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// first reports whether id was not seen before. When there are too many to
// remember, new ones are refused until old ones expire.
func (r *replays) first(id string, until, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = make(map[string]time.Time)
	}
	if end, known := r.seen[id]; known && now.Before(end) {
		return false
	}
	if len(r.seen) >= maxReplays {
		for old, end := range r.seen {
			if !now.Before(end) {
				delete(r.seen, old)
			}
		}
		if len(r.seen) >= maxReplays {
			return false
		}
	}
	r.seen[id] = until
	return true
}

// knows reports whether password is the user's.
func (u *User) knows(password string) bool {
	return slices.ContainsFunc(u.Credentials, func(c Credential) bool {
		return c.Type == "password" && password != "" && c.matches(password)
	})
}

// maxIterations bounds the work that a realm file can ask for; Keycloak uses
// up to 600,000.
const maxIterations = 2_000_000

func (c Credential) matches(password string) bool {
	if c.SecretData == "" {
		return equal(password, c.Value)
	}
	var secret struct{ Value, Salt []byte }
	var how struct {
		HashIterations int
		Algorithm      string
	}
	if json.Unmarshal([]byte(c.SecretData), &secret) != nil || json.Unmarshal([]byte(c.CredentialData), &how) != nil {
		return false
	}
	algorithm, known := map[string]func() hash.Hash{"pbkdf2-sha256": sha256.New, "pbkdf2-sha512": sha512.New}[how.Algorithm]
	if !known || how.HashIterations < 1 || how.HashIterations > maxIterations || len(secret.Value) == 0 || len(secret.Value) > 1024 {
		return false
	}
	key, err := pbkdf2.Key(algorithm, password, secret.Salt, how.HashIterations, len(secret.Value))
	return err == nil && subtle.ConstantTimeCompare(key, secret.Value) == 1
}
