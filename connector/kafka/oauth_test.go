package kafka

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/embedded"
)

const clientSecret = "exporter-very-secret"

func issuer(t *testing.T, life int) *embedded.Issuer {
	t.Helper()
	realm := embedded.DefaultRealm()
	realm.TokenLifespan = life
	realm.Clients[0].Secret = clientSecret // of the exporter
	i, err := embedded.StartIssuer(embedded.IssuerConfig{Realm: realm})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.Close() })
	return i
}

func oauthSettings(b *embedded.Broker, i *embedded.Issuer) Settings {
	return Settings{BootstrapServer: []string{b.Addr()}, SecurityProtocol: "SASL_PLAINTEXT", SASL: &SASL{
		Mechanism: "oauthbearer", OAuth: auth.OAuthSettings{TokenURL: i.TokenURL(), ClientID: "exporter", ClientSecret: clientSecret}}}
}

func TestOAuthRunOutlivesItsTokens(t *testing.T) {
	i := issuer(t, 6) // a JWT ends on a whole second, so shorter ones may end before their fifth
	b := embed(t, embedded.BrokerConfig{OAuth: i.Check("kafka"), Topics: map[string]int32{"orders": 3}, MaxSession: 2 * time.Second})
	c := cluster(t, oauthSettings(b, i))
	s := sink(t, c, DefaultProducerSettings(), "orders")
	start, sent := time.Now(), 0
	for time.Since(start) < 8*time.Second {
		for _, r := range send(t, s, record("v"), record("w")) {
			if r.Err != nil {
				t.Fatalf("after %s and %d records: %v", time.Since(start), sent, r.Err)
			}
			sent++
		}
	}
	accepted, refused := b.Logins()
	requests := i.TokenRequests()
	t.Logf("%d records, %d logins, %d token requests in %s", sent, accepted, requests, time.Since(start))
	if refused != 0 || accepted < 6 {
		t.Fatalf("%d logins accepted, %d refused; want re-authentication every 2s on each connection", accepted, refused)
	}
	if requests != 2 {
		t.Fatalf("%d token requests in 8s with tokens of 6s", requests)
	}
}

func TestManyConnectionsShareOneToken(t *testing.T) {
	i := issuer(t, 60)
	b := embed(t, embedded.BrokerConfig{OAuth: i.Check("kafka")})
	c := cluster(t, oauthSettings(b, i))
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			cfg, err := c.SaramaConfig()
			if err != nil {
				t.Error(err)
				return
			}
			broker := sarama.NewBroker(b.Addr())
			if err := broker.Open(cfg); err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = broker.Close() }()
			if ok, err := broker.Connected(); !ok || err != nil {
				t.Errorf("connected %v: %v", ok, err)
			}
		})
	}
	wg.Wait()
	if accepted, refused := b.Logins(); accepted != 100 || refused != 0 {
		t.Fatalf("%d logins accepted, %d refused", accepted, refused)
	}
	if n := i.TokenRequests(); n != 1 {
		t.Fatalf("%d token requests for 100 connections", n)
	}
}

// A hundred connections that log in again and again make one request for a
// token when the old one is four fifths through its life.
func TestOneTokenRequestARefresh(t *testing.T) {
	i := issuer(t, 6)
	b := embed(t, embedded.BrokerConfig{OAuth: i.Check("kafka")})
	c := cluster(t, oauthSettings(b, i))
	const connections, total = 100, 6 * time.Second
	start := time.Now()
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			tick := time.NewTicker(500 * time.Millisecond)
			defer tick.Stop()
			for ; time.Since(start) < total && !t.Failed(); <-tick.C {
				login, err := c.Login(t.Context(), b.Addr())
				if err != nil {
					t.Errorf("after %s: %v", time.Since(start), err)
					return
				}
				_ = login.Close()
			}
		})
	}
	wg.Wait()
	accepted, refused := b.Logins()
	if accepted < 3*connections || refused != 0 {
		t.Fatalf("%d logins accepted, %d refused", accepted, refused)
	}
	if n := i.TokenRequests(); n != 2 {
		t.Fatalf("%d token requests in %s with tokens of 6s and %d logins, want 2", n, time.Since(start), accepted)
	}
	t.Logf("%d logins of %d connections, 2 token requests", accepted, connections)
}

func TestOAuthFailuresNameTheirReason(t *testing.T) {
	for _, tc := range []struct {
		name   string
		faults embedded.Faults
		edit   func(*SASL)
		want   string
		kind   connector.Kind
	}{
		{"wrong secret", embedded.Faults{}, func(s *SASL) { s.OAuth.ClientSecret = "not-the-secret" }, "oauth_client_secret", connector.Unauthenticated},
		{"unknown client", embedded.Faults{}, func(s *SASL) { s.OAuth.ClientID = "nobody" }, "oauth_client_id", connector.Unauthenticated},
		{"wrong audience", embedded.Faults{WrongAudience: true}, nil, "refused the credentials", connector.Unauthenticated},
		{"unknown key", embedded.Faults{UnknownKey: true}, nil, "refused the credentials", connector.Unauthenticated},
		{"wrong path", embedded.Faults{}, func(s *SASL) { s.OAuth.TokenURL += "x" }, "oauth_token_url", connector.Unauthenticated},
		{"issuer in trouble", embedded.Faults{ServerError: true}, nil, "HTTP 500", connector.Unavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			i := issuer(t, 60)
			i.SetFaults(tc.faults)
			b := embed(t, embedded.BrokerConfig{OAuth: i.Check("kafka")})
			s := oauthSettings(b, i)
			if tc.edit != nil {
				tc.edit(s.SASL)
			}
			start := time.Now()
			_, err := cluster(t, s).Client(t.Context())
			if connector.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v (%s), want %s with %q", err, connector.KindOf(err), tc.kind, tc.want)
			}
			if strings.Contains(err.Error(), clientSecret) || strings.Contains(err.Error(), "not-the-secret") {
				t.Fatalf("the secret shows in %q", err)
			}
			if took := time.Since(start); took > OpenTimeout+time.Second {
				t.Fatalf("took %s", took)
			}
		})
	}
}
