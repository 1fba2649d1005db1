package kafka

import (
	"crypto/tls"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/auth/tlsstore/certtest"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/embedded"
)

// meaning is what a connection is made of, whatever dialect it came from.
type meaning struct {
	Servers    []string
	Protocol   string
	Mechanism  string
	SASL       SASL
	Trust, Key *tlsstore.Store
	CheckHost  bool
}

func meaningOf(t *testing.T, s Settings) meaning {
	t.Helper()
	m := meaning{Servers: s.Servers(), Protocol: s.Protocol(), Trust: s.SSL.TrustStore(), Key: s.SSL.KeyStore(), CheckHost: s.SSL.ChecksHostname()}
	if s.SASL != nil {
		r, faults := s.SASL.resolve()
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		m.Mechanism = r.mechanism()
		r.Mechanism, r.OAuth.ClientAuth = "", ""
		m.SASL = r
	}
	return m
}

// reveal lets cmp show differences of secrets.
var reveal = cmp.Transformer("reveal", func(s connector.Secret) string { return s.Reveal() })

func TestThreeDialectsOneMeaning(t *testing.T) {
	const plain = `org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p=;\"x";`
	const scram = `org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="p";`
	const krb = `com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true keyTab="/k.keytab" principal="u@R" serviceName="kafka";`
	for _, tc := range []struct {
		name     string
		mage     Settings
		java     map[string]string
		gravitee map[string]any // security
	}{
		{"PLAIN",
			Settings{SecurityProtocol: "SASL_PLAINTEXT", SASL: &SASL{Mechanism: "PLAIN", Username: "u", Password: `p=;"x`}},
			map[string]string{"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.jaas.config": plain},
			map[string]any{"protocol": "SASL_PLAINTEXT", "sasl": map[string]any{"saslMechanism": "PLAIN", "saslJaasConfig": strings.TrimPrefix(plain, "org.apache.kafka.common.security.plain.PlainLoginModule ")}}},
		{"SCRAM and a JKS trust store",
			Settings{SecurityProtocol: "sasl_ssl", SASL: &SASL{Mechanism: "scram-sha-512", Username: "u", Password: "p"},
				SSL: &SSL{Truststore: &Store{Type: "JKS", Location: "/t.jks", Password: "tp"}}},
			map[string]string{"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512", "sasl.jaas.config": scram, "ssl.truststore.location": "/t.jks", "ssl.truststore.password": "tp"},
			map[string]any{"protocol": "SASL_SSL", "sasl": map[string]any{"saslMechanism": "SCRAM_SHA-512", "saslJaasConfig": scram},
				"ssl": map[string]any{"truststore": map[string]any{"location": "/t.jks", "password": "tp"}, "keyStore": map[string]any{"type": ""}}}},
		{"mutual TLS with PEM text",
			Settings{SecurityProtocol: "SSL", SSL: &SSL{Truststore: &Store{Type: "PEM", Certificates: "CA"}, Keystore: &Store{Type: "PEM", Key: "KEY", CertificateChain: "CHAIN", KeyPassword: "kp"}}},
			map[string]string{"security.protocol": "SSL", "ssl.truststore.type": "PEM", "ssl.truststore.certificates": "CA", "ssl.keystore.type": "PEM", "ssl.keystore.key": "KEY", "ssl.keystore.certificate.chain": "CHAIN", "ssl.key.password": "kp"},
			map[string]any{"protocol": "SSL", "ssl": map[string]any{"trustStore": map[string]any{"type": "PEM", "certificates": "CA"}, "keystore": map[string]any{"type": "PEM", "key": "KEY", "certificateChain": "CHAIN", "keyPassword": "kp"}}}},
		{"a PKCS12 key store with its own key password",
			Settings{SecurityProtocol: "SSL", SSL: &SSL{Keystore: &Store{Type: "PKCS12", Location: "/k.p12", Password: "sp", KeyPassword: "kp"}}},
			map[string]string{"security.protocol": "SSL", "ssl.keystore.type": "PKCS12", "ssl.keystore.location": "/k.p12", "ssl.keystore.password": "sp", "ssl.key.password": "kp"},
			map[string]any{"protocol": "SSL", "ssl": map[string]any{"trustStore": map[string]any{"type": "NONE"}, "keyStore": map[string]any{"type": "PKCS12", "location": "/k.p12", "password": "sp", "keyPassword": "kp"}}}},
		{"Kerberos",
			Settings{SecurityProtocol: "SASL_PLAINTEXT", SASL: &SASL{Mechanism: "GSSAPI", Username: "u@R", KerberosKeytab: "/k.keytab", KerberosServiceName: "kafka"}},
			map[string]string{"security.protocol": "SASL_PLAINTEXT", "sasl.jaas.config": krb}, // GSSAPI is Java's default
			map[string]any{"protocol": "SASL_PLAINTEXT", "sasl": map[string]any{"saslMechanism": "GSSAPI", "saslJaasConfig": krb}}},
		{"a ready-made token",
			Settings{SecurityProtocol: "SASL_SSL", SASL: &SASL{Mechanism: "OAUTHBEARER", OAuthToken: "tok"}},
			map[string]string{"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER", "sasl.jaas.config": `x.OAuthBearerLoginModule required access_token="tok";`},
			map[string]any{"protocol": "SASL_SSL", "sasl": map[string]any{"saslMechanism": "OAUTHBEARER", "saslJaasConfig": `required access_token="tok";`}}},
		{"client credentials",
			Settings{SecurityProtocol: "SASL_SSL", SASL: &SASL{Mechanism: "OAUTHBEARER", OAuth: auth.OAuthSettings{TokenURL: "https://id/t", ClientID: "c", ClientSecret: "s", Scope: "sc"}}},
			map[string]string{"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url": "https://id/t", "sasl.login.callback.handler.class": "x",
				"sasl.jaas.config": `o.OAuthBearerLoginModule required clientId="c" clientSecret="s" scope="sc";`},
			map[string]any{"protocol": "SASL_SSL", "sasl": map[string]any{"saslMechanism": "OAUTHBEARER",
				"saslJaasConfig": `o.OAuthBearerLoginModule required oauth.token.endpoint.uri="https://id/t" oauth.client.id="c" oauth.client.secret="s" oauth.scope="sc";`}}},
		{"MSK",
			Settings{SecurityProtocol: "SASL_SSL", SASL: &SASL{Mechanism: "AWS_MSK_IAM", AWSRegion: "", AWSRoleARN: "arn:r", AWSAccessKeyID: "id", AWSSecretAccessKey: "sec", AWSSTSRegion: "eu-west-1"}},
			map[string]string{"security.protocol": "SASL_SSL", "sasl.mechanism": "AWS_MSK_IAM", "sasl.client.callback.handler.class": "x",
				"sasl.jaas.config": `software.amazon.msk.auth.iam.IAMLoginModule required awsRoleArn="arn:r" awsRoleAccessKeyId="id" awsRoleSecretAccessKey="sec" awsStsRegion="eu-west-1";`},
			map[string]any{"protocol": "SASL_SSL", "sasl": map[string]any{"saslMechanism": "AWS_MSK_IAM", "saslJaasConfig": `required awsRoleArn="arn:r" awsRoleAccessKeyId="id" awsRoleSecretAccessKey="sec" awsStsRegion="eu-west-1";`}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const servers = "b-1.x.kafka.eu-west-1.amazonaws.com:9098,b-2.x.kafka.eu-west-1.amazonaws.com:9098"
			tc.mage.BootstrapServer = []string{servers}
			if faults := tc.mage.Validate(); len(faults) > 0 {
				t.Fatal(faults)
			}
			want := meaningOf(t, tc.mage)
			java, faults := FromJava(withPrefix(tc.java, servers), "client.", "producer.")
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			if d := cmp.Diff(want, meaningOf(t, java), reveal); d != "" {
				t.Errorf("Java: %s", d)
			}
			gravitee, faults := FromGravitee(map[string]any{"bootstrapServers": servers, "security": tc.gravitee, "consumer": map[string]any{"enabled": true}})
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			if d := cmp.Diff(want, meaningOf(t, gravitee), reveal); d != "" {
				t.Errorf("Gravitee: %s", d)
			}
		})
	}
}

func withPrefix(m map[string]string, servers string) map[string]string {
	out := map[string]string{"bootstrap.servers": "SASL_SSL://" + strings.ReplaceAll(servers, ",", ", SASL_SSL://"), "producer.acks": "1", "client.security.protocol": "overridden"}
	for k, v := range m {
		out["client."+k] = v
	}
	out["producer.security.protocol"] = m["security.protocol"]
	return out
}

func TestDialectsReachTheSameBroker(t *testing.T) {
	ca := certtest.New(t, "CA")
	b := embed(t, embedded.BrokerConfig{SASLScram: map[string]string{"u": "u-secret"},
		TLS: &tls.Config{Certificates: []tls.Certificate{ca.Issue("b", time.Now().Add(time.Hour)).Certificate}}})
	const jaas = `org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="u-secret";`
	java, f1 := FromJava(map[string]string{"bootstrap.servers": b.Addr(), "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-256", "sasl.jaas.config": jaas,
		"ssl.truststore.type": "PEM", "ssl.truststore.location": ca.File})
	gravitee, f2 := FromGravitee(map[string]any{"bootstrapServers": b.Addr(), "security.protocol": "SASL_SSL", "security.sasl.saslMechanism": "SCRAM_SHA-256", "security.sasl.saslJaasConfig": jaas,
		"security.ssl.trustStore.type": "PEM", "security.ssl.trustStore.location": ca.File})
	if len(f1)+len(f2) > 0 {
		t.Fatal(f1, f2)
	}
	for name, s := range map[string]Settings{"java": java, "gravitee": gravitee,
		"mage": {BootstrapServer: []string{b.Addr()}, SecurityProtocol: "SASL_SSL", SSL: &SSL{CAFile: ca.File}, SASL: &SASL{Mechanism: "SCRAM-SHA-256", Username: "u", Password: "u-secret"}}} {
		t.Run(name, func(t *testing.T) {
			if _, err := cluster(t, s).Client(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestDialectFaults(t *testing.T) {
	good := map[string]string{"bootstrap.servers": "b:9092"}
	for _, tc := range []struct {
		name, key, value, path, want string
	}{
		{"unknown ssl key", "ssl.truststore.locaton", "x", "ssl.truststore.locaton", "did you mean ssl.truststore.location"},
		{"typo in the protocol", "security.protocol", "SASL_SLL", "security.protocol", "did you mean SASL_SSL"},
		{"store without TLS", "ssl.truststore.location", "/t.jks", "ssl.truststore.location", "security.protocol"},
		{"SASL without credentials", "security.protocol", "SASL_SSL", "sasl.jaas.config", "GSSAPI"},
		{"no port", "bootstrap.servers", "b", "bootstrap.servers", "port"},
	} {
		t.Run("java "+tc.name, func(t *testing.T) {
			props := maps.Clone(good)
			props[tc.key] = tc.value
			_, faults := FromJava(props)
			if !strings.Contains(fmt.Sprint(faults), tc.want) || len(faults) == 0 || faults[0].Path != tc.path {
				t.Fatalf("%+v, want %s: %s", faults, tc.path, tc.want)
			}
		})
	}
	for _, tc := range []struct {
		name       string
		m          map[string]any
		path, want string
	}{
		{"unknown key", map[string]any{"security": map[string]any{"protcol": "SSL"}}, "security.protcol", "did you mean protocol"},
		{"not an object", map[string]any{"security": "SSL"}, "security", "object"},
		{"leaf as object", map[string]any{"security": map[string]any{"protocol": map[string]any{"a": 1}}}, "security.protocol", "text"},
		{"object as leaf", map[string]any{"security": map[string]any{"ssl": "x"}}, "security.ssl", "object"},
		{"number", map[string]any{"security": map[string]any{"protocol": 1}}, "security.protocol", "text"},
		{"no mechanism", map[string]any{"security": map[string]any{"protocol": "SASL_SSL", "sasl": map[string]any{"saslJaasConfig": `required username="u" password="p";`}}}, "security.sasl.saslMechanism", "missing"},
		{"bad JAAS", map[string]any{"security": map[string]any{"protocol": "SASL_SSL", "sasl": map[string]any{"saslMechanism": "PLAIN", "saslJaasConfig": `required username=`}}}, "security.sasl.saslJaasConfig", "value"},
	} {
		t.Run("gravitee "+tc.name, func(t *testing.T) {
			tc.m["bootstrapServers"] = "b:9092"
			_, faults := FromGravitee(tc.m)
			found := false
			for _, f := range faults {
				found = found || f.Path == tc.path && strings.Contains(f.Message, tc.want)
			}
			if !found {
				t.Fatalf("%+v, want %s: %s", faults, tc.path, tc.want)
			}
		})
	}
}
