package embedded_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/internal/embedded"
)

func TestPasswords(t *testing.T) {
	b := startBroker(t, embedded.BrokerConfig{
		SASLPlain: map[string]string{"alice": "secret"},
		SASLScram: map[string]string{"bob": "s3=cr,et"},
	})
	const (
		plain  = sarama.SASLTypePlaintext
		sha256 = sarama.SASLTypeSCRAMSHA256
		sha512 = sarama.SASLTypeSCRAMSHA512
	)
	for name, c := range map[string]struct {
		config *sarama.Config
		want   error
	}{
		"PLAIN":                {withPassword(plain, "alice", "secret"), nil},
		"PLAIN wrong password": {withPassword(plain, "alice", "wrong"), sarama.ErrSASLAuthenticationFailed},
		"PLAIN wrong user":     {withPassword(plain, "bob", "s3=cr,et"), sarama.ErrSASLAuthenticationFailed},
		"256":                  {withPassword(sha256, "bob", "s3=cr,et"), nil},
		"256 wrong password":   {withPassword(sha256, "bob", "wrong"), sarama.ErrSASLAuthenticationFailed},
		"256 wrong user":       {withPassword(sha256, "alice", "secret"), sarama.ErrSASLAuthenticationFailed},
		"512":                  {withPassword(sha512, "bob", "s3=cr,et"), nil},
		"512 wrong password":   {withPassword(sha512, "bob", "wrong"), sarama.ErrSASLAuthenticationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := send(t, b.Addr(), c.config, "orders", "x")
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestNothingWithoutAuthentication(t *testing.T) {
	b := startBroker(t, embedded.BrokerConfig{SASLPlain: map[string]string{"alice": "secret"}})
	if _, err := send(t, b.Addr(), clientConfig(), "orders", "x"); err == nil {
		t.Error("a record was taken from nobody")
	}
	accepted, _ := b.Logins()
	if accepted != 0 {
		t.Errorf("%d logins", accepted)
	}
}

// fetchToken asks the issuer for a token, as the client with its default secret.
func fetchToken(issuer *embedded.Issuer, client string) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {client + "-secret"}}
	response, err := http.PostForm(issuer.TokenURL(), form)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	defer http.DefaultClient.CloseIdleConnections()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.AccessToken == "" {
		return "", fmt.Errorf("status %s: %s", response.Status, body)
	}
	return answer.AccessToken, nil
}

func TestOAuthBearer(t *testing.T) {
	issuer := startIssuer(t, embedded.IssuerConfig{})
	b := startBroker(t, embedded.BrokerConfig{OAuth: issuer.Check("kafka")})
	token := func(client string, faults embedded.Faults) tokens {
		return func() (string, error) {
			issuer.SetFaults(faults)
			defer issuer.SetFaults(embedded.Faults{})
			return fetchToken(issuer, client)
		}
	}
	other := startIssuer(t, embedded.IssuerConfig{})
	for name, c := range map[string]struct {
		tokens tokens
		ok     bool
	}{
		"good":              {token("exporter", embedded.Faults{}), true},
		"another client":    {token("app", embedded.Faults{}), false},
		"wrong audience":    {token("exporter", embedded.Faults{WrongAudience: true}), false},
		"expired":           {token("exporter", embedded.Faults{Expired: true}), false},
		"unknown key":       {token("exporter", embedded.Faults{UnknownKey: true}), false},
		"another issuer":    {func() (string, error) { return fetchToken(other, "exporter") }, false},
		"no JWT":            {func() (string, error) { return "opaque", nil }, false},
		"changed":           {func() (string, error) { s, err := fetchToken(issuer, "exporter"); return flip(s), err }, false},
		"algorithm none":    {func() (string, error) { return unsigned(issuer), nil }, false},
		"good after all":    {token("exporter", embedded.Faults{}), true},
		"signed before":     {rotated(t, issuer), true},
		"with another key":  {func() (string, error) { return fetchToken(issuer, "exporter") }, true},
		"gateway for kafka": {token("gateway", embedded.Faults{}), true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := send(t, b.Addr(), withToken(c.tokens), "orders", "x")
			if c.ok && err != nil {
				t.Error(err)
			}
			if !c.ok && !errors.Is(err, sarama.ErrSASLAuthenticationFailed) {
				t.Errorf("got %v, want %v", err, sarama.ErrSASLAuthenticationFailed)
			}
			if !c.ok && err != nil && !strings.Contains(err.Error(), "invalid_token") {
				t.Errorf("%v does not say what is wrong", err)
			}
		})
	}
}

// flip changes one character in the middle of a token's claims.
func flip(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return token
	}
	middle := len(parts[1]) / 2
	other := byte('A')
	if parts[1][middle] == other {
		other = 'B'
	}
	parts[1] = parts[1][:middle] + string(other) + parts[1][middle+1:]
	return strings.Join(parts, ".")
}

// unsigned is a token for the issuer whose header says that it needs no
// signature.
func unsigned(issuer *embedded.Issuer) string {
	claims, _ := json.Marshal(map[string]any{
		"iss": issuer.URL(), "aud": "kafka", "sub": "x", "exp": time.Now().Add(time.Hour).Unix(),
	})
	return base64URL([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + base64URL(claims) + "."
}

// rotated gives out a token that was signed before the issuer changed its key.
func rotated(t *testing.T, issuer *embedded.Issuer) tokens {
	t.Helper()
	token, err := fetchToken(issuer, "exporter")
	if err != nil {
		t.Fatal(err)
	}
	if err := issuer.Rotate(); err != nil {
		t.Fatal(err)
	}
	return func() (string, error) { return token, nil }
}

func TestReauthentication(t *testing.T) {
	realm := embedded.DefaultRealm()
	realm.TokenLifespan = 2
	issuer := startIssuer(t, embedded.IssuerConfig{Realm: realm})
	for name, c := range map[string]struct {
		broker embedded.BrokerConfig
		client *sarama.Config
	}{
		"token": {
			embedded.BrokerConfig{OAuth: issuer.Check("kafka")},
			withToken(func() (string, error) { return fetchToken(issuer, "exporter") }),
		},
		"password": {
			embedded.BrokerConfig{SASLScram: map[string]string{"bob": "secret"}, MaxSession: time.Second},
			withPassword(sarama.SASLTypeSCRAMSHA512, "bob", "secret"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := startBroker(t, c.broker)
			p, err := sarama.NewSyncProducer([]string{b.Addr()}, c.client)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = p.Close() }()
			var first int64
			for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: "orders", Value: sarama.StringEncoder("x")}); err != nil {
					t.Fatal(err)
				}
				accepted, refused := b.Logins()
				if first == 0 {
					first = accepted // one for each connection
				}
				if refused > 0 {
					t.Fatalf("%d logins were refused", refused)
				}
				if accepted >= first+2 {
					return
				}
				if time.Now().After(deadline) {
					t.Fatal("the session was never renewed")
				}
			}
		})
	}
}
