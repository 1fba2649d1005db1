//go:build integration

package test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/headrace/headrace/auth/tlsstore/certtest"
	"github.com/headrace/headrace/test/services"
)

// The ways to prove a client to Keycloak that are not a secret in the form, and
// the exchange of a token (RFC 8693), each up to records in Kafka.
func TestClientProofs(t *testing.T) {
	s := services.SecureKafka(t)
	kc := s.Keycloak
	pair := certtest.New(t, "CA").Issue("signer", time.Now().Add(time.Hour))
	now := time.Now()
	assertion, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.RegisteredClaims{Issuer: "workload", Subject: "workload", ID: fmt.Sprint(now.UnixNano()),
		Audience: []string{kc.Issuer}, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(50 * time.Second))}).SignedString(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	signed := map[string]any{"clientAuthenticatorType": "client-jwt", "attributes": map[string]string{
		"jwt.credential.certificate": base64.StdEncoding.EncodeToString(pair.Certificate.Certificate[0]), "token.endpoint.auth.signing.alg": "ES256"}}
	for id, proof := range map[string]map[string]any{"signer": signed, "workload": signed, "subject": {"secret": "subject-secret"},
		"exchanger": {"secret": "exchanger-secret", "attributes": map[string]string{"standard.token.exchange.enabled": "true"}}} {
		audience := "kafka"
		if id == "subject" {
			audience = "exchanger"
		}
		if err := kc.AddClient(t.Context(), id, audience, proof); err != nil {
			t.Fatal(err)
		}
	}
	subject, err := kc.Token(t.Context(), "subject")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"assertion": assertion, "subject": subject} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ client, keys string }{
		{"exporter", "oauth_client_secret: exporter-secret, oauth_client_auth: basic"},
		{"signer", "oauth_client_auth: private_key_jwt, oauth_keyfile: " + pair.KeyFile},
		{"workload", "oauth_assertion_file: " + filepath.Join(dir, "assertion")},
		{"exchanger", "oauth_client_secret: exchanger-secret, oauth_subject_token_file: " + filepath.Join(dir, "subject") +
			", oauth_subject_token_type: 'urn:ietf:params:oauth:token-type:access_token'"},
	} {
		t.Run(c.client, func(t *testing.T) {
			k := secureTopic(t, s, "exp.")
			allow := kadm.NewACLs().Allow("User:"+c.client).AllowHosts().Topics(k.name).Operations(kadm.OpWrite, kadm.OpDescribe).ResourcePatternType(kadm.ACLPatternLiteral)
			if _, err := k.adm.CreateACLs(t.Context(), allow); err != nil {
				t.Fatal(err)
			}
			keys := fmt.Sprintf("    security_protocol: SASL_SSL\n%s    sasl_config: {mechanism: OAUTHBEARER, oauth_token_url: %q, oauth_client_id: %s, %s}\n",
				ssl("cafile: "+s.Certs.CA), kc.TokenURL, c.client, c.keys)
			p := newProject(t, map[string]string{"mock.yaml": mockPipeline("mock", "m", 0, 50, s.SASLTLS, k.name, keys+"    timeout_ms: 10\n")})
			r := p.run(30*time.Second, 0, "run", "--once", "mock.yaml")
			if n := k.count(); n != 50 {
				t.Errorf("%d records of 50:\n%s", n, tail(r.err.String()))
			}
		})
	}
}
