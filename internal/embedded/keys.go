package embedded

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"sync"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const publishedKeys = 3

// keyring holds the signing keys, the newest first.
type keyring struct {
	algorithm jose.SignatureAlgorithm

	mu      sync.Mutex
	keys    []jose.JSONWebKey
	unknown *jose.JSONWebKey // never published
}

func newKeyring(algorithm jose.SignatureAlgorithm) (*keyring, error) {
	if algorithm == "" {
		algorithm = jose.ES256
	}
	k := &keyring{algorithm: algorithm}
	return k, k.rotate()
}

func (k *keyring) rotate() error {
	key, err := k.generate()
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = append([]jose.JSONWebKey{key}, k.keys...)
	k.keys = k.keys[:min(len(k.keys), publishedKeys)]
	return nil
}

func (k *keyring) generate() (jose.JSONWebKey, error) {
	var key crypto.Signer
	var err error
	switch k.algorithm {
	case jose.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.RS256:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		return jose.JSONWebKey{}, fmt.Errorf("cannot sign with %s; use ES256 or RS256", k.algorithm)
	}
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("making a signing key: %w", err)
	}
	return jose.JSONWebKey{Key: key, KeyID: rand.Text(), Algorithm: string(k.algorithm), Use: "sig"}, nil
}

func (k *keyring) public() jose.JSONWebKeySet {
	k.mu.Lock()
	defer k.mu.Unlock()
	var set jose.JSONWebKeySet
	for i := range k.keys {
		set.Keys = append(set.Keys, k.keys[i].Public())
	}
	return set
}

// sign returns a JWT signed with the newest key, or with one that nobody knows.
func (k *keyring) sign(claims map[string]any, unknown bool) (string, error) {
	key, err := k.signer(unknown)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: k.algorithm, Key: key},
		(&jose.SignerOptions{}).WithType("JWT"),
	)
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

func (k *keyring) signer(unknown bool) (jose.JSONWebKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !unknown {
		return k.keys[0], nil
	}
	if k.unknown == nil {
		key, err := k.generate()
		if err != nil {
			return key, err
		}
		k.unknown = &key
	}
	return *k.unknown, nil
}

// verify returns the claims of a token that this issuer signed.
func (k *keyring) verify(token string) (jwt.Claims, map[string]any, error) {
	var claims jwt.Claims
	var all map[string]any
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{k.algorithm})
	if err != nil {
		return claims, nil, err
	}
	err = parsed.Claims(k.public(), &claims, &all)
	return claims, all, err
}
