//go:build integration

package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/headrace/headrace/test/services"
)

// secureTopic is a topic on the secured broker, seen by its admin.
func secureTopic(t *testing.T, s *services.SecureCluster, prefix string) *topic {
	t.Helper()
	return newTopic(t, []string{s.SASL}, prefix, 2, kgo.SASL(plain.Auth{User: "admin", Pass: services.Secret("admin")}.AsMechanism()))
}

// login are the keys of a block that log in with a name and its password.
func login(protocol, mechanism, user, password, ssl string) string {
	return fmt.Sprintf("    security_protocol: %s\n%s    sasl_config: {mechanism: %s, username: %s, password: %q}\n", protocol, ssl, mechanism, user, password)
}

func ssl(keys string) string { return "    ssl_config: {" + keys + "}\n" }

// bearer are the keys of a block that fetch a token.
func bearer(s *services.SecureCluster, client, secret string) string {
	return fmt.Sprintf("    security_protocol: SASL_SSL\n%s    sasl_config: {mechanism: OAUTHBEARER, oauth_token_url: %q, oauth_client_id: %s, oauth_client_secret: %q}\n",
		ssl("cafile: "+s.Certs.CA), s.Keycloak.TokenURL, client, secret)
}

// Each way of logging in that a block can name, and each way to be refused,
// within seconds and with a text that says what it was.
func TestSecurityMatrix(t *testing.T) {
	s := services.SecureKafka(t)
	ca := "cafile: " + s.Certs.CA
	pair := func(p services.Pair) string { return ca + ", certfile: " + p.Cert + ", keyfile: " + p.Key }
	for _, c := range []struct {
		name, addr, prefix, keys string
		refused                  []string // what the error says; nil when it works
	}{
		{name: "plaintext", addr: s.Open, prefix: "open."},
		{name: "plaintext, no rights", addr: s.Open, refused: []string{"ot authorized|denied|right"}},
		{name: "ssl", addr: s.MTLS, keys: "    security_protocol: ssl\n" + ssl(pair(s.Certs.Exporter))},
		{name: "ssl, encrypted key", addr: s.MTLS, keys: "    security_protocol: SSL\n" + ssl(ca+", certfile: "+s.Certs.Exporter.Cert+
			", keyfile: "+s.Certs.Exporter.EncryptedKey+", password: "+services.KeyPassword)},
		{name: "ssl, rogue", addr: s.MTLS, keys: "    security_protocol: SSL\n" + ssl(pair(s.Certs.Rogue)), refused: []string{"certificate|tls"}},
		{name: "ssl, unknown authority", addr: s.MTLS, keys: "    security_protocol: SSL\n" + ssl("cafile: "+s.Certs.OtherCA), refused: []string{"certificate|authority"}},
		{name: "ssl, other host name", addr: s.Misnamed, keys: "    security_protocol: SSL\n" + ssl(ca), refused: []string{"certificate", "wrong.example|127.0.0.1"}},
		{name: "ssl, other host name allowed", addr: s.Misnamed, prefix: "open.", keys: "    security_protocol: SSL\n" + ssl(ca+", check_hostname: false")},
		{name: "plain", addr: s.SASL, keys: login("sasl_plaintext", "PLAIN", "exporter", "exporter-secret", "")},
		{name: "scram 256", addr: s.SASL, keys: login("SASL_PLAINTEXT", "SCRAM-SHA-256", "exporter", "exporter-secret", "")},
		{name: "scram 512 over tls", addr: s.SASLTLS, keys: login("Sasl_Ssl", "SCRAM-SHA-512", "exporter", "exporter-secret", ssl(ca))},
		{name: "plain over tls", addr: s.SASLTLS, keys: login("SASL_SSL", "PLAIN", "gateway", "gateway-secret", ssl(ca))},
		{name: "oauth", addr: s.SASLTLS, keys: bearer(s, "exporter", "exporter-secret")},
		{name: "oauth, token over tls", addr: s.SASLTLS, keys: strings.Replace(bearer(s, "exporter", "exporter-secret"), s.Keycloak.TokenURL,
			s.Keycloak.TokenURLTLS+`", oauth_cafile: "`+s.Certs.CA, 1)},
		{name: "plain, wrong password", addr: s.SASL, keys: login("SASL_PLAINTEXT", "PLAIN", "exporter", "open-sesame", ""), refused: []string{"authenticat|credential"}},
		{name: "scram, wrong password", addr: s.SASL, keys: login("SASL_PLAINTEXT", "SCRAM-SHA-512", "exporter", "open-sesame", ""), refused: []string{"authenticat|credential"}},
		{name: "oauth, wrong secret", addr: s.SASLTLS, keys: bearer(s, "exporter", "open-sesame"), refused: []string{"token|client", "credential|invalid_client|unauthorized_client|401"}},
		{name: "oauth, wrong audience", addr: s.SASLTLS, keys: bearer(s, "wrongaud", "wrongaud-secret"), refused: []string{"authenticat|credential|token"}},
		{name: "no rights", addr: s.SASL, keys: login("SASL_PLAINTEXT", "PLAIN", "noaccess", "noaccess-secret", ""), refused: []string{"ot authorized|denied|right"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			prefix := c.prefix
			if prefix == "" {
				prefix = "exp."
			}
			k := secureTopic(t, s, prefix)
			p := newProject(t, map[string]string{"mock.yaml": mockPipeline("mock", "m", 0, 50, c.addr, k.name, c.keys+"    timeout_ms: 10\n")})
			r := p.start("run", "--once", "mock.yaml")
			code := r.exit(20 * time.Second)
			said := r.out.String() + r.err.String()
			if c.refused == nil {
				if code != 0 || k.count() != 50 {
					t.Fatalf("exit code %d, %d records of 50:\n%s", code, k.count(), tail(said))
				}
				return
			}
			if code != 1 && code != 3 {
				t.Errorf("exit code %d, want a failure:\n%s", code, tail(said))
			}
			for _, any := range c.refused {
				if !containsAny(said, strings.Split(any, "|")) {
					t.Errorf("it does not say %s:\n%s", any, tail(said))
				}
			}
			if strings.Contains(said, "open-sesame") {
				t.Error("it shows the password")
			}
		})
	}
}

func containsAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(strings.ToLower(s), strings.ToLower(w)) {
			return true
		}
	}
	return false
}

// GSSAPI with a keytab against a real KDC.
func TestKerberos(t *testing.T) {
	s := services.SecureKafka(t)
	k := secureTopic(t, s, "exp.")
	keys := fmt.Sprintf("    security_protocol: SASL_PLAINTEXT\n    sasl_config: {mechanism: GSSAPI, username: exporter, kerberos_realm: %s, kerberos_config: %s, kerberos_keytab: %s}\n",
		s.KDC.Realm, s.KDC.Config, s.KDC.Keytab("exporter"))
	p := newProject(t, map[string]string{"mock.yaml": mockPipeline("mock", "m", 0, 50, s.Kerberos, k.name, keys)})
	p.run(20*time.Second, 0, "run", "--once", "mock.yaml")
	if n := k.count(); n != 50 {
		t.Errorf("%d records, want 50", n)
	}
}

// A typo in the protocol is an error and never a plain connection.
func TestProtocolTypoIsRefused(t *testing.T) {
	p := newProject(t, map[string]string{"mock.yaml": mockPipeline("mock", "m", 0, 1, "127.0.0.1:9", "t", "    security_protocol: SASL_TLS\n")})
	r := p.run(5*time.Second, 2, "run", "--once", "mock.yaml")
	if !strings.Contains(r.err.String(), "mock.yaml:") || !strings.Contains(r.err.String(), "SASL_SSL") {
		t.Errorf("it does not name the place and what is allowed:\n%s", r.err.String())
	}
}

// An unknown topic fails in seconds, by its name.
func TestUnknownTopic(t *testing.T) {
	kafka := services.Kafka(t)
	p := newProject(t, map[string]string{"mock.yaml": mockPipeline("mock", "m", 0, 10, kafka.Address(), "no.such.topic", "")})
	r := p.start("run", "--once", "mock.yaml")
	if code := r.exit(15 * time.Second); code != 1 && code != 3 {
		t.Errorf("exit code %d, want a failure", code)
	}
	if said := r.out.String() + r.err.String(); !strings.Contains(said, "no.such.topic") {
		t.Errorf("it does not name the topic:\n%s", tail(said))
	}
}

// A broker that nobody answers for fails in seconds too.
func TestNobodyListens(t *testing.T) {
	addr := listenAddr(t)
	p := newProject(t, map[string]string{"mock.yaml": mockPipeline("mock", "m", 0, 10, addr, "t", "")})
	r := p.start("run", "--once", "mock.yaml")
	if code := r.exit(60 * time.Second); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if said := r.out.String() + r.err.String(); !strings.Contains(said, addr) {
		t.Errorf("it does not name the broker:\n%s", tail(said))
	}
}

// Tokens of 60 seconds and a run of two and a half minutes: the sessions are
// authenticated again in time, and nothing is lost or sent twice. It runs beside
// TestBrokerFaults: each waits most of its time, for clusters of their own.
func TestShortTokensLongRun(t *testing.T) {
	t.Parallel()
	const records, everyMS = 3000, 50
	s := services.SecureKafka(t)
	k := secureTopic(t, s, "exp.")
	p := newProject(t, map[string]string{"mock.yaml": mockPipeline("mock", "m", everyMS, records, s.SASLTLS, k.name,
		bearer(s, "shortlived", services.Secret("shortlived"))+"    batch_size: 10\n    timeout_ms: 100\n")})
	start := time.Now()
	r := p.run(4*time.Minute, 0, "run", "--once", "mock.yaml")
	took := time.Since(start)
	if took < 140*time.Second {
		t.Errorf("the run took %s: too short to outlive two tokens", took)
	}
	if n := k.count(); n != records {
		t.Errorf("%d records, want %d:\n%s", n, records, tail(r.err.String()))
	}
	if containsAny(r.err.String(), []string{"level=ERROR"}) {
		t.Errorf("errors on the way:\n%s", tail(r.err.String()))
	}
}
