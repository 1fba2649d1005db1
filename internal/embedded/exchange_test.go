package embedded_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/headrace/headrace/internal/embedded"
)

func TestTokenExchange(t *testing.T) {
	issuer := startIssuer(t, embedded.IssuerConfig{Realm: exportedRealm(t)})
	_, body := exchangeForm(t, issuer.TokenURL(), url.Values{
		"client_id": {"app"}, "client_secret": {"app-secret"}, "grant_type": {"password"},
		"username": {"alice"}, "password": {"alice-secret"},
	}, nil)
	subject := body["access_token"].(string)
	before := claimsOf(t, issuer, subject)
	exchange := func(client, token, audience string) (int, map[string]any) {
		f := url.Values{
			"client_id": {client}, "client_secret": {client + "-secret"},
			"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
			"subject_token":      {token},
			"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
		}
		if audience != "" {
			f.Set("audience", audience)
		}
		return exchangeForm(t, issuer.TokenURL(), f, nil)
	}
	status, body := exchange("gateway", subject, "kafka")
	if status != http.StatusOK || body["issued_token_type"] != "urn:ietf:params:oauth:token-type:access_token" {
		t.Fatalf("%d %v", status, body)
	}
	after := claimsOf(t, issuer, body["access_token"])
	if after["sub"] != before["sub"] || after["azp"] != "gateway" || after["aud"] != "kafka" || after["preferred_username"] != "alice" {
		t.Errorf("claims %v", after)
	}
	issuer.SetFaults(embedded.Faults{UnknownKey: true})
	_, forged := exchangeForm(t, issuer.TokenURL(), url.Values{
		"client_id": {"app"}, "client_secret": {"app-secret"}, "grant_type": {"client_credentials"},
	}, nil)
	issuer.SetFaults(embedded.Faults{})
	for name, c := range map[string]struct {
		client, token, audience string
		want                    string
	}{
		"not for this client": {"exporter", subject, "", "access_denied"},
		"audience not had":    {"gateway", subject, "billing", "invalid_request"},
		"forged":              {"gateway", forged["access_token"].(string), "", "invalid_request"},
		"no token":            {"gateway", "x", "", "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			if status, body := exchange(c.client, c.token, c.audience); status < 400 || body["error"] != c.want {
				t.Errorf("%d %v, want %s", status, body, c.want)
			}
		})
	}
}

func TestPrivateKeyJWT(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "ES256"}}})
	if err != nil {
		t.Fatal(err)
	}
	realm := embedded.DefaultRealm()
	realm.Clients = append(realm.Clients, embedded.Client{
		ID: "signer", Authenticator: "client-jwt", ServiceAccount: true,
		Attributes: map[string]string{"jwks.string": string(public), "access.token.lifespan": "7"},
	})
	issuer := startIssuer(t, embedded.IssuerConfig{Realm: realm})
	sign := func(with *ecdsa.PrivateKey, edit func(*jwt.Claims)) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: with, KeyID: "k1"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		claims := jwt.Claims{
			Issuer: "signer", Subject: "signer", Audience: jwt.Audience{issuer.TokenURL()}, ID: rand.Text(),
			Expiry: jwt.NewNumericDate(time.Now().Add(time.Minute)),
		}
		if edit != nil {
			edit(&claims)
		}
		text, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	twice := sign(key, nil)
	for _, c := range []struct {
		name, assertion string
		ok              bool
	}{
		{"good", sign(key, nil), true},
		{"for the issuer", sign(key, func(c *jwt.Claims) { c.Audience = jwt.Audience{issuer.URL()} }), true},
		{"first use", twice, true},
		{"second use", twice, false},
		{"another key", sign(other, nil), false},
		{"expired", sign(key, func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(time.Now().Add(-time.Hour)) }), false},
		{"no end", sign(key, func(c *jwt.Claims) { c.Expiry = nil }), false},
		{"ends too late", sign(key, func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(time.Now().Add(48 * time.Hour)) }), false},
		{"another audience", sign(key, func(c *jwt.Claims) { c.Audience = jwt.Audience{"x"} }), false},
		{"no id", sign(key, func(c *jwt.Claims) { c.ID = "" }), false},
		{"another subject", sign(key, func(c *jwt.Claims) { c.Subject = "exporter" }), false},
		{"a client without keys", sign(key, func(c *jwt.Claims) { c.Subject, c.Issuer = "exporter", "exporter" }), false},
		{"no JWT", "x", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := exchangeForm(t, issuer.TokenURL(), url.Values{
				"grant_type": {"client_credentials"}, "client_assertion": {c.assertion},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			}, nil)
			if (status == http.StatusOK) != c.ok || !c.ok && body["error"] != "invalid_client" {
				t.Errorf("%d %v", status, body)
			}
			if c.ok && body["expires_in"] != 7.0 {
				t.Errorf("expires_in %v", body["expires_in"])
			}
		})
	}
	status, body := exchangeForm(t, issuer.TokenURL(), url.Values{"grant_type": {"client_credentials"}, "client_id": {"signer"}}, nil)
	if status != http.StatusUnauthorized {
		t.Errorf("a client with a key got in without: %d %v", status, body)
	}
}
