//go:build integration

package identity

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/connector/kafka/doctor"
	"github.com/headrace/headrace/test/services"
)

// Each set-up is broken in one place, and the doctor names the step and what to
// change.
func TestDoctorOnSabotage(t *testing.T) {
	s := services.SecureKafka(t)
	st := makeStores(t, s)
	makeTopics(t, s, "exp.sabotage")
	ca := "cafile: " + s.Certs.CA
	ssl := func(keys string) string { return "security_protocol: SSL\nssl_config: {" + keys + "}\n" }
	pair := func(p services.Pair) string { return ssl(ca + ", certfile: " + p.Cert + ", keyfile: " + p.Key) }
	login := func(protocol, mechanism, user, password string) string {
		keys := fmt.Sprintf("security_protocol: %s\nsasl_config: {mechanism: %s, username: %s, password: %q}\n", protocol, mechanism, user, password)
		if protocol == "SASL_SSL" {
			keys += "ssl_config: {" + ca + "}\n"
		}
		return keys
	}
	bearer := func(endpoint, client, secret, more string) string {
		return fmt.Sprintf("security_protocol: SASL_SSL\nssl_config: {%s}\nsasl_config: {mechanism: OAUTHBEARER, oauth_token_url: %q, oauth_client_id: %s, oauth_client_secret: %q%s}\n", ca, endpoint, client, secret, more)
	}
	krb := func(user, keytab, conf, more string) string {
		return fmt.Sprintf("security_protocol: SASL_PLAINTEXT\nsasl_config: {mechanism: GSSAPI, username: %s, kerberos_realm: %s, kerberos_keytab: %s, kerberos_config: %s%s}\n", user, s.KDC.Realm, keytab, conf, more)
	}
	const wrong = "open-sesame-secret"
	topics := []doctor.Topic{{Name: "exp.sabotage", Write: true}}
	for _, tc := range []struct {
		name, addr, keys, step, advice string
		audience                       string
		topics                         []doctor.Topic
	}{
		{name: "a name that does not exist", addr: "no-such-broker.invalid:9092", step: "name", advice: "bootstrap_server"},
		{name: "nobody listens", addr: freeAddr(t), step: "tcp", advice: "nothing listens"},
		{name: "an unknown CA", addr: s.MTLS, keys: ssl("cafile: " + s.Certs.OtherCA), step: "tls", advice: "put the CA"},
		{name: "another host name", addr: s.Misnamed, keys: ssl(ca), step: "tls", advice: "wrong.example"},
		{name: "no client certificate", addr: s.MTLS, keys: ssl(ca), step: "tls", advice: "client certificate"},
		{name: "a certificate of another CA", addr: s.MTLS, keys: pair(s.Certs.Rogue), step: "tls", advice: "client certificate"},
		{name: "TLS to a plain listener", addr: s.Open, keys: ssl(ca), step: "tls", advice: "security_protocol|TLS port"},
		{name: "plain to a TLS listener", addr: s.MTLS, step: "protocol", advice: "set security_protocol to SSL"},
		{name: "plain to a SASL_SSL listener", addr: s.SASLTLS, keys: login("SASL_PLAINTEXT", "PLAIN", "exporter", "exporter-secret"), step: "protocol", advice: "set security_protocol to SASL_SSL"},
		{name: "no SASL to a SASL listener", addr: s.SASL, step: "mechanisms", advice: "SASL_PLAINTEXT and sasl_config.mechanism to one of .*SCRAM-SHA-512"},
		{name: "no SASL to a SASL_SSL listener", addr: s.SASLTLS, keys: ssl(ca), step: "mechanisms", advice: "SASL_SSL and sasl_config.mechanism to one of .*OAUTHBEARER"},
		{name: "SASL to an open listener", addr: s.Open, keys: login("SASL_PLAINTEXT", "PLAIN", "exporter", "exporter-secret"), step: "mechanisms", advice: "set security_protocol to PLAINTEXT"},
		{name: "a mechanism that is not offered", addr: s.SASL, keys: krb("exporter", s.KDC.Keytab("exporter"), s.KDC.Config, ""), step: "mechanisms", advice: "one that it offers: .*SCRAM-SHA-256"},
		{name: "PLAIN, wrong password", addr: s.SASL, keys: login("SASL_PLAINTEXT", "PLAIN", "exporter", wrong), step: "authentication", advice: "username and password"},
		{name: "SCRAM, wrong password", addr: s.SASLTLS, keys: login("SASL_SSL", "SCRAM-SHA-512", "exporter", wrong), step: "authentication", advice: "SCRAM-SHA-512"},
		{name: "SCRAM, unknown user", addr: s.SASL, keys: login("SASL_PLAINTEXT", "SCRAM-SHA-256", "nobody", wrong), step: "authentication", advice: "username and password"},
		{name: "a CA of the token endpoint that is unknown", addr: s.SASLTLS, keys: bearer(s.Keycloak.TokenURLTLS, "exporter", "exporter-secret", ""), step: "token-tls", advice: "oauth_cafile"},
		{name: "nobody at the token endpoint", addr: s.SASLTLS, keys: bearer("http://"+freeAddr(t)+"/token", "exporter", "exporter-secret", ""), step: "token-tcp", advice: "oauth_token_url"},
		{name: "a wrong client secret", addr: s.SASLTLS, keys: bearer(s.Keycloak.TokenURL, "exporter", wrong, ""), step: "token", advice: "oauth_client_secret"},
		{name: "an unknown client", addr: s.SASLTLS, keys: bearer(s.Keycloak.TokenURL, "nobody", wrong, ""), step: "token", advice: "oauth_client_id"},
		{name: "another realm", addr: s.SASLTLS, keys: bearer(strings.Replace(s.Keycloak.TokenURL, "/exporter/", "/nowhere/", 1), "exporter", "exporter-secret", ""), step: "token", advice: "oauth_"},
		{name: "an unknown scope", addr: s.SASLTLS, keys: bearer(s.Keycloak.TokenURL, "exporter", "exporter-secret", ", oauth_scope: no-such-scope"), step: "token", advice: "oauth_scope"},
		{name: "a wrong audience that is known", addr: s.SASLTLS, keys: bearer(s.Keycloak.TokenURL, "wrongaud", "wrongaud-secret", ""), audience: "kafka", step: "claims", advice: "audience mapper"},
		{name: "a wrong audience", addr: s.SASLTLS, keys: bearer(s.Keycloak.TokenURL, "wrongaud", "wrongaud-secret", ""), step: "authentication", advice: "audience"},
		{name: "the keytab of somebody else", addr: s.Kerberos, keys: krb("exporter", s.KDC.Keytab("noaccess"), s.KDC.Config, ""), step: "settings", advice: "it has those of"},
		{name: "a principal that the keytab has not", addr: s.Kerberos, keys: krb("nobody", s.KDC.Keytab("exporter"), s.KDC.Config, ""), step: "settings", advice: "it has those of"},
		{name: "an unknown principal", addr: s.Kerberos, keys: fmt.Sprintf("security_protocol: SASL_PLAINTEXT\nsasl_config: {mechanism: GSSAPI, username: nobody, password: %s, kerberos_realm: %s, kerberos_config: %s}\n", wrong, s.KDC.Realm, s.KDC.Config), step: "ticket", advice: "principal"},
		{name: "no KDC", addr: s.Kerberos, keys: krb("exporter", s.KDC.Keytab("exporter"), deadKDC(t, s), ""), step: "ticket", advice: "KDC cannot be reached"},
		{name: "a broken krb5.conf", addr: s.Kerberos, keys: krb("exporter", s.KDC.Keytab("exporter"), s.Certs.CA, ""), step: "settings", advice: "kerberos_config"},
		{name: "another service", addr: s.Kerberos, keys: krb("exporter", s.KDC.Keytab("exporter"), s.KDC.Config, ", kerberos_service_name: zookeeper"), step: "authentication", advice: "kerberos_service_name"},
		{name: "no rights", addr: s.SASL, keys: login("SASL_PLAINTEXT", "PLAIN", "noaccess", "noaccess-secret"), topics: topics, step: "rights", advice: "allow Write on topic exp.sabotage"},
		{name: "a certificate without rights", addr: s.MTLS, keys: pair(s.Certs.NoAccess), topics: topics, step: "rights", advice: "allow Write"},
		{name: "no such topic", addr: s.SASL, keys: login("SASL_PLAINTEXT", "SCRAM-SHA-512", "exporter", "exporter-secret"), topics: []doctor.Topic{{Name: "exp.nothing", Write: true}}, step: "rights", advice: "create topic exp.nothing"},
		{name: "a wrong store password", addr: s.MTLS, keys: ssl(fmt.Sprintf("truststore: {type: JKS, location: %s, password: %s}", st.trustJKS, wrong)), step: "settings", advice: "truststore|password"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			settings := mage(t, tc.addr, tc.keys)
			r := doctor.Run(t.Context(), []doctor.Target{{Name: "main", Kafka: &settings, Topics: tc.topics}}, doctor.Options{Timeout: 20 * time.Second, Audience: tc.audience})
			var text, machine bytes.Buffer
			if err := r.WriteText(&text); err != nil {
				t.Fatal(err)
			}
			if err := r.WriteJSON(&machine); err != nil {
				t.Fatal(err)
			}
			c := r.Connections[0]
			if c.Failed != tc.step || !regexp.MustCompile(tc.advice).MatchString(c.Advice) {
				t.Errorf("step %q, advice %q; want %q: %s\n%s", c.Failed, c.Advice, tc.step, tc.advice, &text)
			}
			for _, secret := range []string{wrong, "exporter-secret", "noaccess-secret", "wrongaud-secret", "eyJ"} {
				if strings.Contains(text.String()+machine.String(), secret) {
					t.Errorf("%s shows in\n%s", secret, &text)
				}
			}
		})
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// deadKDC is a krb5.conf whose KDC is not there.
func deadKDC(t *testing.T, s *services.SecureCluster) string {
	t.Helper()
	b, err := os.ReadFile(s.KDC.Config)
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^( +kdc) = .*`).ReplaceAllString(string(b), "$1 = "+freeAddr(t))
	if text == string(b) {
		t.Fatalf("no kdc in\n%s", b)
	}
	path := filepath.Join(t.TempDir(), "krb5.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
