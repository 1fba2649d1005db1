//go:build integration

package services_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/headrace/headrace/test/services"
)

func trust(t *testing.T, ca string) *x509.CertPool {
	t.Helper()
	b, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		t.Fatalf("no certificate in %s", ca)
	}
	return pool
}

func TestSecureKafkaListeners(t *testing.T) {
	s := services.SecureKafka(t)
	admin, err := s.Admin()
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := kadm.NewClient(admin).CreateTopics(t.Context(), 1, 1, nil, "exp.listeners", "open.listeners"); err != nil {
		t.Fatal(err)
	}
	pool := trust(t, s.Certs.CA)
	withTLS := func(pairs ...services.Pair) kgo.Opt {
		c := &tls.Config{RootCAs: pool}
		for _, p := range pairs {
			pair, err := tls.LoadX509KeyPair(p.Cert, p.Key)
			if err != nil {
				t.Fatal(err)
			}
			c.Certificates = append(c.Certificates, pair)
		}
		return kgo.DialTLSConfig(c)
	}
	login := func(m sasl.Mechanism) kgo.Opt { return kgo.SASL(m) }
	pw := func(user string) plain.Auth { return plain.Auth{User: user, Pass: services.Secret(user)} }
	bearer := func(client string) kgo.Opt {
		return login(oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
			token, err := s.Keycloak.Token(ctx, client)
			return oauth.Auth{Token: token}, err
		}))
	}
	for name, c := range map[string]struct {
		addr, topic, refused string
		opts                 []kgo.Opt
	}{
		"open":              {addr: s.Open, topic: "open.listeners"},
		"open, other topic": {addr: s.Open, topic: "exp.listeners", refused: "AUTHORIZATION"},
		"mtls":              {addr: s.MTLS, opts: []kgo.Opt{withTLS(s.Certs.Exporter)}},
		"mtls, no rights":   {addr: s.MTLS, opts: []kgo.Opt{withTLS(s.Certs.NoAccess)}, refused: "AUTHORIZATION"},
		"mtls, rogue":       {addr: s.MTLS, opts: []kgo.Opt{withTLS(s.Certs.Rogue)}, refused: "tls: "},
		"misnamed":          {addr: s.Misnamed, opts: []kgo.Opt{withTLS()}, refused: "127.0.0.1"},
		"plain":             {addr: s.SASL, opts: []kgo.Opt{login(pw("exporter").AsMechanism())}},
		"plain, no rights":  {addr: s.SASL, opts: []kgo.Opt{login(pw("noaccess").AsMechanism())}, refused: "AUTHORIZATION"},
		"plain, wrong":      {addr: s.SASL, opts: []kgo.Opt{login(plain.Auth{User: "exporter", Pass: "x"}.AsMechanism())}, refused: "SASL_AUTHENTICATION_FAILED"},
		"scram 256":         {addr: s.SASL, opts: []kgo.Opt{login(scram.Auth{User: "exporter", Pass: "exporter-secret"}.AsSha256Mechanism())}},
		"scram 512 tls":     {addr: s.SASLTLS, opts: []kgo.Opt{withTLS(), login(scram.Auth{User: "gateway", Pass: "gateway-secret"}.AsSha512Mechanism())}},
		"oauth":             {addr: s.SASLTLS, opts: []kgo.Opt{withTLS(), bearer("exporter")}},
		"oauth, short life": {addr: s.SASLTLS, opts: []kgo.Opt{withTLS(), bearer("shortlived")}},
		"oauth, no rights":  {addr: s.SASLTLS, opts: []kgo.Opt{withTLS(), bearer("noaccess")}, refused: "AUTHORIZATION"},
		"oauth, audience":   {addr: s.SASLTLS, opts: []kgo.Opt{withTLS(), bearer("wrongaud")}, refused: "oauth response"},
	} {
		t.Run(name, func(t *testing.T) {
			topic := c.topic
			if topic == "" {
				topic = "exp.listeners"
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			cl := client(t, []string{c.addr}, append(c.opts, kgo.RecordRetries(2), kgo.RetryTimeout(5*time.Second))...)
			if err := cl.Ping(ctx); err == nil || c.refused == "" {
				err = cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("v")}).FirstErr()
				check(t, err, c.refused)
			} else {
				check(t, err, c.refused)
			}
		})
	}
}

func check(t *testing.T, err error, refused string) {
	t.Helper()
	switch {
	case refused == "" && err != nil:
		t.Errorf("refused: %v", err)
	case refused != "" && err == nil:
		t.Errorf("accepted; wanted a refusal with %q", refused)
	case refused != "" && !strings.Contains(err.Error(), refused):
		t.Errorf("refused with %v; wanted %q", err, refused)
	}
}

func TestKeycloakTokenLife(t *testing.T) {
	kc := services.Keycloak(t)
	life := func() string {
		token, err := kc.Token(t.Context(), "gateway")
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	before := life()
	if err := kc.SetTokenLife(t.Context(), "gateway", 17*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := lifeOf(t, life()); got != 17*time.Second {
		t.Errorf("token lives %s, want 17s (before: %s)", got, lifeOf(t, before))
	}
	if err := kc.SetTokenLife(t.Context(), "gateway", 5*time.Minute); err != nil {
		t.Fatal(err)
	}
}

func TestKeycloakOverTLS(t *testing.T) {
	kc := services.Keycloak(t)
	c := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust(t, kc.Certs.CA)}}}
	defer c.CloseIdleConnections()
	resp, err := c.PostForm(kc.TokenURLTLS, url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {services.Secret("app")}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("token over TLS: %s", resp.Status)
	}
}

func TestRegistryAnswers(t *testing.T) {
	resp, err := http.Get(services.Registry(t).URL + "/subjects")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("GET /subjects: %s", resp.Status)
	}
}
