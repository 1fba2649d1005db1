//go:build integration

package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/connector/intake"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/connector/kafka/doctor"
	"github.com/headrace/headrace/connector/kafka/group"
	"github.com/headrace/headrace/test/services"
)

// way is one way in, in each dialect.
type way struct {
	name, addr, prefix string
	mage               string            // a block's keys, YAML
	java               map[string]string // without the prefix client.
	gravitee           string            // the security object, JSON
}

func ways(t *testing.T, s *services.SecureCluster) []way {
	st := makeStores(t, s)
	ca := s.Certs.CA
	passwords := func(addr, protocol, mechanism, module string) way {
		w := way{name: protocol + " " + mechanism, addr: addr, prefix: "exp.",
			mage: fmt.Sprintf("security_protocol: %s\nsasl_config: {mechanism: %s, username: exporter, password: exporter-secret}\n", strings.ToLower(protocol), mechanism),
			java: map[string]string{"security.protocol": protocol, "sasl.mechanism": mechanism, "sasl.jaas.config": module + ` required username="exporter" password="exporter-secret";`},
		}
		ssl := ""
		if protocol == "SASL_SSL" {
			w.mage += "ssl_config: {cafile: " + ca + "}\n"
			w.java["ssl.truststore.type"], w.java["ssl.truststore.location"] = "PEM", ca
			ssl = fmt.Sprintf(`, "ssl": {"trustStore": {"type": "JKS", "location": %q, "password": %q}, "keystore": {"type": "NONE"}}`, st.trustJKS, storePassword)
		}
		w.gravitee = fmt.Sprintf(`{"protocol": %q, "sasl": {"saslMechanism": %q, "saslJaasConfig": %q}%s}`,
			protocol, strings.Replace(mechanism, "SCRAM-", "SCRAM_", 1), `required username="exporter" password="exporter-secret";`, ssl)
		return w
	}
	const plain, scram = "org.apache.kafka.common.security.plain.PlainLoginModule", "org.apache.kafka.common.security.scram.ScramLoginModule"
	const bearer = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
	krb := fmt.Sprintf(`com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true keyTab="%s" principal="exporter@%s" serviceName="kafka";`, s.KDC.Keytab("exporter"), s.KDC.Realm)
	return []way{
		{name: "PLAINTEXT", addr: s.Open, prefix: "open.", mage: "security_protocol: PLAINTEXT\n", java: map[string]string{}, gravitee: `{"protocol": "PLAINTEXT"}`},
		{name: "SSL certificate", addr: s.MTLS, prefix: "exp.",
			mage: fmt.Sprintf("security_protocol: SSL\nssl_config: {cafile: %s, certfile: %s, keyfile: %s, password: %s}\n", ca, s.Certs.Exporter.Cert, s.Certs.Exporter.EncryptedKey, services.KeyPassword),
			java: map[string]string{"security.protocol": "SSL", "ssl.truststore.location": st.trustJKS, "ssl.truststore.password": storePassword,
				"ssl.keystore.location": st.keyJKS, "ssl.keystore.password": storePassword, "ssl.key.password": services.KeyPassword},
			gravitee: fmt.Sprintf(`{"protocol": "SSL", "ssl": {"truststore": {"type": "PKCS12", "location": %q, "password": %q}, "keystore": {"type": "PKCS12", "location": %q, "password": %q}}}`,
				st.trustP12, storePassword, st.keyP12, storePassword)},
		passwords(s.SASL, "SASL_PLAINTEXT", "PLAIN", plain),
		passwords(s.SASL, "SASL_PLAINTEXT", "SCRAM-SHA-256", scram),
		passwords(s.SASL, "SASL_PLAINTEXT", "SCRAM-SHA-512", scram),
		passwords(s.SASLTLS, "SASL_SSL", "PLAIN", plain),
		passwords(s.SASLTLS, "SASL_SSL", "SCRAM-SHA-256", scram),
		passwords(s.SASLTLS, "SASL_SSL", "SCRAM-SHA-512", scram),
		{name: "SASL_SSL OAUTHBEARER", addr: s.SASLTLS, prefix: "exp.",
			mage: fmt.Sprintf("security_protocol: SASL_SSL\nssl_config: {cafile: %s}\nsasl_config: {mechanism: OAUTHBEARER, oauth_token_url: %q, oauth_cafile: %s, oauth_client_id: exporter, oauth_client_secret: exporter-secret, oauth_client_auth: basic}\n",
				ca, s.Keycloak.TokenURLTLS, ca),
			java: map[string]string{"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER", "ssl.truststore.type": "PEM", "ssl.truststore.location": ca,
				"sasl.oauthbearer.token.endpoint.url": s.Keycloak.TokenURL,
				"sasl.login.callback.handler.class":   "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
				"sasl.jaas.config":                    bearer + ` required clientId="exporter" clientSecret="exporter-secret";`},
			gravitee: fmt.Sprintf(`{"protocol": "SASL_SSL", "sasl": {"saslMechanism": "OAUTHBEARER", "saslJaasConfig": %q}, "ssl": {"trustStore": {"type": "PEM", "location": %q}}}`,
				fmt.Sprintf(`%s required oauth.client.id="exporter" oauth.client.secret="exporter-secret" oauth.token.endpoint.uri="%s" oauth.ssl.truststore.location="%s";`,
					bearer, s.Keycloak.TokenURLTLS, ca), ca)},
		{name: "SASL_PLAINTEXT GSSAPI", addr: s.Kerberos, prefix: "exp.",
			mage:     fmt.Sprintf("security_protocol: SASL_PLAINTEXT\nsasl_config: {mechanism: GSSAPI, username: exporter, kerberos_realm: %s, kerberos_keytab: %s}\n", s.KDC.Realm, s.KDC.Keytab("exporter")),
			java:     map[string]string{"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "GSSAPI", "sasl.jaas.config": krb},
			gravitee: fmt.Sprintf(`{"protocol": "SASL_PLAINTEXT", "sasl": {"saslMechanism": "GSSAPI", "saslJaasConfig": %q}}`, krb)},
	}
}

// mage decodes a block's keys as a pipeline file is decoded.
func mage(t *testing.T, addr, keys string) kafka.Settings {
	t.Helper()
	node, problems := config.Parse("block.yaml", []byte(fmt.Sprintf("bootstrap_server: %q\n%s", addr, keys)), config.NewResolver())
	s := kafka.DefaultSettings()
	if node != nil {
		problems = append(problems, node.Decode(&s)...)
	}
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return s
}

func (w way) settings(t *testing.T, dialect string) kafka.Settings {
	t.Helper()
	var s kafka.Settings
	var faults []connector.Fault
	switch dialect {
	case "mage":
		return mage(t, w.addr, w.mage)
	case "java":
		props := map[string]string{"bootstrap.servers": w.addr}
		for k, v := range w.java {
			props["client."+k] = v
		}
		s, faults = kafka.FromJava(props, "client.", "producer.")
	case "gravitee":
		var security map[string]any
		if err := json.Unmarshal([]byte(w.gravitee), &security); err != nil {
			t.Fatal(err)
		}
		s, faults = kafka.FromGravitee(map[string]any{"bootstrapServers": w.addr, "security": security})
	}
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return s
}

func TestMatrix(t *testing.T) {
	s := services.SecureKafka(t)
	t.Setenv("KRB5_CONFIG", s.KDC.Config) // the dialects of Java and Gravitee have no key for it
	type run struct {
		name, topic string
		s           kafka.Settings
	}
	var runs []run
	var topics []string
	add := func(w way, dialect string, s kafka.Settings) {
		topic := fmt.Sprintf("%sm%d", w.prefix, len(runs))
		runs = append(runs, run{w.name + " " + dialect, topic, s})
		topics = append(topics, topic)
	}
	for _, w := range ways(t, s) {
		for _, dialect := range []string{"mage", "java", "gravitee"} {
			add(w, dialect, w.settings(t, dialect))
		}
	}
	for name, keys := range kerberos(t, s) {
		add(way{name: "SASL_PLAINTEXT GSSAPI", prefix: "exp."}, name, mage(t, s.Kerberos, keys))
	}
	makeTopics(t, s, topics...)
	for _, r := range runs {
		t.Run(r.name, func(t *testing.T) { exportAndConsume(t, r.s, r.topic) })
	}
}

// kerberos are the further ways to a ticket.
func kerberos(t *testing.T, s *services.SecureCluster) map[string]string {
	t.Helper()
	cache := filepath.Join(t.TempDir(), "cache")
	tool(t, "env", "KRB5_CONFIG="+s.KDC.Config, "KRB5CCNAME="+cache, "kinit", "-k", "-t", s.KDC.Keytab("exporter"), "exporter@"+s.KDC.Realm)
	return map[string]string{
		"credential cache": fmt.Sprintf("security_protocol: SASL_PLAINTEXT\nsasl_config: {mechanism: GSSAPI, kerberos_config: %s, kerberos_ccache: %s}\n", s.KDC.Config, cache),
		"keytab, named configuration": fmt.Sprintf("security_protocol: SASL_PLAINTEXT\nsasl_config: {mechanism: GSSAPI, username: exporter@%s, kerberos_config: %s, kerberos_keytab: %s, kerberos_service_name: kafka}\n",
			s.KDC.Realm, s.KDC.Config, s.KDC.Keytab("exporter")),
	}
}

const records = 50

// exportAndConsume writes records with acks=all and idempotence, and reads them
// as a member of a group that commits.
func exportAndConsume(t *testing.T, s kafka.Settings, topic string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := kafka.NewCluster("matrix", s, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	sink, err := c.NewProducer(kafka.DefaultProducerSettings(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var batch []*connector.Message
	for i := range records {
		batch = append(batch, &connector.Message{Partition: connector.AnyPartition, Value: []byte(fmt.Sprint(i))})
	}
	err = write(ctx, sink, batch)
	for err != nil && connector.KindOf(err).Retriable() && ctx.Err() == nil { // the broker fetches Keycloak's keys at the first token
		err = write(ctx, sink, batch)
	}
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	if err := sink.Close(ctx); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	source := group.NewSource(c, group.SourceConfig{Group: topic, Topics: []string{topic}, Initial: group.OffsetEarliest, Bounded: true})
	err = intake.Run(ctx, intake.Config{Source: source, Out: connector.PublisherFunc(func(_ context.Context, batch []*connector.Message) error {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range batch {
			seen[string(m.Value)] = true
			m.Finish(connector.Result{Outcome: connector.Acknowledged})
		}
		return nil
	})})
	if err != nil || len(seen) != records {
		t.Fatalf("consumed %d of %d records: %v", len(seen), records, err)
	}
}

// write waits for a batch and returns its first error.
func write(ctx context.Context, sink connector.Sink, batch []*connector.Message) error {
	results := make(chan error, 1)
	sink.Write(ctx, batch, func(all []connector.Result) {
		for _, r := range all {
			if r.Err != nil {
				results <- r.Err
				return
			}
		}
		results <- nil
	})
	return <-results
}

// The doctor finds every way that works in order, to its last step.
func TestDoctorOnWhatWorks(t *testing.T) {
	s := services.SecureKafka(t)
	t.Setenv("KRB5_CONFIG", s.KDC.Config)
	makeTopics(t, s, "exp.doctor", "open.doctor")
	var targets []doctor.Target
	for _, w := range ways(t, s) {
		settings := w.settings(t, "mage")
		targets = append(targets, doctor.Target{Name: w.name, Kafka: &settings, Topics: []doctor.Topic{{Name: w.prefix + "doctor", Read: true, Write: true}}})
	}
	r := doctor.Run(t.Context(), targets, doctor.Options{})
	if !r.OK() {
		_ = r.WriteText(os.Stderr)
		t.Fatal("not everything works")
	}
	for _, c := range r.Connections {
		for _, step := range c.Steps {
			if step.Name == "rights" && (len(step.Rights) != 1 || !step.Rights[0].Write || !step.Rights[0].Read) {
				t.Errorf("%s: %+v", c.Name, step)
			}
			if step.Name == "session" && strings.Contains(c.Name, "OAUTHBEARER") && !strings.Contains(step.Detail, "1m0s") {
				t.Errorf("%s: session %s, want the broker's 60 seconds", c.Name, step.Detail)
			}
		}
	}
}
