package kafka

import (
	"crypto/tls"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/auth/tlsstore/certtest"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/embedded"
)

func embed(t *testing.T, cfg embedded.BrokerConfig) *embedded.Broker {
	t.Helper()
	cfg.Partitions = 1
	b, err := embedded.StartBroker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestTLSFailuresNameTheirReason(t *testing.T) {
	ca, other := certtest.New(t, "good CA"), certtest.New(t, "other CA")
	hour := time.Now().Add(time.Hour)
	good := ca.Issue("broker", hour)
	client := ca.Issue("client", hour)
	no := false
	serve := func(cert certtest.Pair, clientCA *certtest.Authority) string {
		cfg := &tls.Config{Certificates: []tls.Certificate{cert.Certificate}}
		if clientCA != nil {
			cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, clientCA.Pool()
		}
		return embed(t, embedded.BrokerConfig{TLS: cfg}).Addr()
	}
	plainTLS, mutual := serve(good, nil), serve(good, ca)
	expired := serve(ca.Issue("broker", time.Now().Add(-time.Minute)), nil)
	named := serve(ca.Issue("broker", hour, "kafka.example.com"), nil)
	plaintext := embed(t, embedded.BrokerConfig{}).Addr()
	for _, tc := range []struct {
		name, addr string
		ssl        *SSL
		want       string // "" means success
	}{
		{"right", plainTLS, &SSL{CAFile: ca.File}, ""},
		{"mutual", mutual, &SSL{CAFile: ca.File, CertFile: client.CertFile, KeyFile: client.KeyFile}, ""},
		{"unknown CA", plainTLS, &SSL{CAFile: other.File}, "not trusted"},
		{"system CAs", plainTLS, nil, "not trusted"},
		{"expired", expired, &SSL{CAFile: ca.File}, "has expired"},
		{"wrong host", named, &SSL{CAFile: ca.File}, "not for this name"},
		{"wrong host, not checked", named, &SSL{CAFile: ca.File, CheckHostname: &no}, ""},
		{"unknown CA, host not checked", named, &SSL{CAFile: other.File, CheckHostname: &no}, "not trusted"},
		{"no client certificate", mutual, &SSL{CAFile: ca.File}, "asks for a client certificate"},
		{"client certificate of another CA", mutual, func() *SSL {
			c := other.Issue("client", hour)
			return &SSL{CAFile: ca.File, CertFile: c.CertFile, KeyFile: c.KeyFile}
		}(), "does not accept the client certificate"},
		{"key of another certificate", mutual, &SSL{CAFile: ca.File, CertFile: client.CertFile, KeyFile: good.KeyFile}, "the pair that was issued together"},
		{"missing file", plainTLS, &SSL{CAFile: "no-such-ca.pem"}, "does not exist"},
		{"plain listener", plaintext, &SSL{CAFile: ca.File}, "TLS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := cluster(t, Settings{BootstrapServer: []string{tc.addr}, SecurityProtocol: "ssl", SSL: tc.ssl})
			start := time.Now()
			_, err := c.Client(t.Context())
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if tc.name != "plain listener" && connector.KindOf(err) != connector.Unauthenticated {
				t.Fatalf("kind %s", connector.KindOf(err))
			}
			if took := time.Since(start); took > OpenTimeout {
				t.Fatalf("took %s", took)
			}
		})
	}
}

func TestRotatedFilesAreUsedByTheNextConnection(t *testing.T) {
	first, second := certtest.New(t, "first"), certtest.New(t, "second")
	b := embed(t, embedded.BrokerConfig{TLS: &tls.Config{Certificates: []tls.Certificate{second.Issue("broker", time.Now().Add(time.Hour)).Certificate}}})
	c := cluster(t, Settings{BootstrapServer: []string{b.Addr()}, SecurityProtocol: "SSL", SSL: &SSL{CAFile: first.File}})
	if _, err := c.Client(t.Context()); err == nil {
		t.Fatal("the broker's CA is not trusted yet")
	}
	pem, err := os.ReadFile(second.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(first.File, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(first.File, time.Now(), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := opens(t, c); err != nil {
		t.Fatalf("the rotated CA is not used: %v", err)
	}
}
