package doctor

import (
	"bytes"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/auth/tlsstore/certtest"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/internal/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench holds the servers that the set-ups share.
type bench struct {
	ca, other *certtest.Authority
	issuer    *embedded.Issuer

	open, plainSASL, tls, mutual, tlsSASL, oauth *embedded.Broker
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{ca: certtest.New(t, "Right CA"), other: certtest.New(t, "Other CA")}
	cert := b.ca.Issue("broker", time.Now().Add(time.Hour)).Certificate
	realm := embedded.DefaultRealm()
	realm.Clients[0].Secret = hidden // of the exporter
	var err error
	if b.issuer, err = embedded.StartIssuer(embedded.IssuerConfig{Realm: realm}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.issuer.Close() })
	topics := map[string]int32{"orders": 1}
	users := map[string]string{"exporter": hidden}
	server := &tls.Config{Certificates: []tls.Certificate{cert}}
	b.open = start(t, embedded.BrokerConfig{Topics: topics})
	b.plainSASL = start(t, embedded.BrokerConfig{Topics: topics, SASLScram: users})
	b.tls = start(t, embedded.BrokerConfig{Topics: topics, TLS: server})
	b.mutual = start(t, embedded.BrokerConfig{Topics: topics, TLS: &tls.Config{Certificates: server.Certificates, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: b.ca.Pool()}})
	b.tlsSASL = start(t, embedded.BrokerConfig{Topics: topics, TLS: server, SASLPlain: users})
	b.oauth = start(t, embedded.BrokerConfig{Topics: topics, OAuth: b.issuer.Check("kafka"), MaxSession: time.Minute})
	return b
}

func start(t *testing.T, cfg embedded.BrokerConfig) *embedded.Broker {
	t.Helper()
	b, err := embedded.StartBroker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func plain(b *embedded.Broker) kafka.Settings {
	return kafka.Settings{BootstrapServer: []string{b.Addr()}}
}

func (b *bench) ssl(broker *embedded.Broker, c kafka.SSL) kafka.Settings {
	if c.CAFile == "" {
		c.CAFile = b.ca.File
	}
	return kafka.Settings{BootstrapServer: []string{broker.Addr()}, SecurityProtocol: "SSL", SSL: &c}
}

func scram(b *embedded.Broker, user string, password connector.Secret) kafka.Settings {
	return kafka.Settings{BootstrapServer: []string{b.Addr()}, SecurityProtocol: "SASL_PLAINTEXT", SASL: &kafka.SASL{Mechanism: "SCRAM-SHA-512", Username: user, Password: password}}
}

func (b *bench) token(edit func(*kafka.SASL)) kafka.Settings {
	s := kafka.SASL{Mechanism: "OAUTHBEARER", OAuth: auth.OAuthSettings{TokenURL: b.issuer.TokenURL(), ClientID: "exporter", ClientSecret: hidden}}
	if edit != nil {
		edit(&s)
	}
	return kafka.Settings{BootstrapServer: []string{b.oauth.Addr()}, SecurityProtocol: "SASL_PLAINTEXT", SASL: &s}
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func examine(t *testing.T, s kafka.Settings, o Options, topics ...Topic) Connection {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	r := Run(t.Context(), []Target{{Name: "main", UsedBy: []string{"orders.yaml"}, Kafka: &s, Topics: topics}}, o)
	if len(r.Connections) != 1 {
		t.Fatalf("%d connections", len(r.Connections))
	}
	for what, write := range map[string]func(*bytes.Buffer) error{
		"text":  func(b *bytes.Buffer) error { return r.WriteText(b) },
		"json":  func(b *bytes.Buffer) error { return r.WriteJSON(b) },
		"junit": func(b *bytes.Buffer) error { return r.WriteJUnit(b) },
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), hidden) || strings.Contains(out.String(), "eyJ") { // a JWT begins so
			t.Fatalf("a secret shows in %s: %s", what, &out)
		}
	}
	return r.Connections[0]
}

func check(t *testing.T, c Connection, step, advice string) {
	t.Helper()
	var text bytes.Buffer
	_ = Report{[]Connection{c}}.WriteText(&text)
	if c.Failed != step || !strings.Contains(c.Advice, advice) || c.OK != (step == "") {
		t.Fatalf("failed step %q, advice %q, want %q: …%s…\n%s", c.Failed, c.Advice, step, advice, &text)
	}
	at, failures := -1, 0
	for _, s := range c.Steps {
		i := slices.Index(order, s.Name)
		if i <= at {
			t.Fatalf("step %q is out of order\n%s", s.Name, &text)
		}
		at = i
		if s.Status == Failed {
			failures++
		} else if failures > 0 && s.Status != Skipped {
			t.Fatalf("step %q was taken after a failure\n%s", s.Name, &text)
		}
	}
	if want := min(1, len(step)); failures != want {
		t.Fatalf("%d failed steps\n%s", failures, &text)
	}
}

func stepOf(t *testing.T, c Connection, name string) Step {
	t.Helper()
	for _, s := range c.Steps {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no step %s in %+v", name, c)
	return Step{}
}
