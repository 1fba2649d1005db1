package identity

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/pipelines"
)

// hidden is every secret of the table; it must never show.
const hidden = "hunter2-is-secret"

// wrong are settings of a Kafka block that validate refuses: each mechanism ×
// missing, empty, contradictory, of a wrong type, with a wrong file. § stands
// before the place that must be named, want is in the message.
var wrong = []struct{ name, keys, want string }{
	{"typo in the protocol", "security_protocol: §SASL_SLL", "did you mean SASL_SSL"},
	{"protocol of a wrong type", "security_protocol: §[SSL]", "must be"},
	{"protocol without ssl_config", "security_protocol: PLAINTEXT\nssl_config: §{cafile: $CA}", "no effect"},
	{"protocol without sasl_config", "security_protocol: SSL\nsasl_config: §{username: u, password: $SECRET}", "no effect"},
	{"SASL without anything", "§security_protocol: SASL_SSL", "required"},
	{"unknown key", "ssl_config: {§ca_file: x}\nsecurity_protocol: SSL", "did you mean \"cafile\""},
	{"unknown key of SASL", "sasl_config: {§user: u}\nsecurity_protocol: SASL_SSL", "unknown key \"user\""},
	{"ssl_config of a wrong type", "security_protocol: SSL\nssl_config: §ca.pem", "must be a map"},
	{"sasl_config of a wrong type", "security_protocol: SASL_SSL\nsasl_config: §[PLAIN]", "must be a map"},
	{"no port", "security_protocol: SSL\nbootstrap_server: §broker", "no port"},
	{"a URL", "bootstrap_server: §https://broker/x", "no port"},
	{"two brokers, one bad", "bootstrap_server: §[\"b:9092\", \"c:0\"]", "bad port"},

	{"CA missing", "security_protocol: SSL\nssl_config: {cafile: §/nowhere/ca.pem}", "does not exist"},
	{"CA empty", "security_protocol: SSL\nssl_config: {cafile: §$EMPTY}", "is empty"},
	{"CA is no PEM", "security_protocol: SSL\nssl_config: {cafile: §$JUNK}", "neither PEM"},
	{"CA is a folder", "security_protocol: SSL\nssl_config: {cafile: §$DIR}", "folder"},
	{"CA is a number list", "security_protocol: SSL\nssl_config: {cafile: §[1]}", "must be"},
	{"key alone", "security_protocol: SSL\nssl_config: §{keyfile: $KEY}", "is missing"},
	{"key of another", "security_protocol: SSL\nssl_config: {certfile: $CERT, keyfile: §$OTHERKEY}", "issued together"},
	{"encrypted key without password", "security_protocol: SSL\nssl_config: {certfile: $CERT, keyfile: §$LOCKED}", "give its password"},
	{"encrypted key with a wrong password", "security_protocol: SSL\nssl_config: {certfile: $CERT, keyfile: §$LOCKED, password: $SECRET}", "given password"},
	{"check_hostname of a wrong type", "security_protocol: SSL\nssl_config: {cafile: $CA, check_hostname: §maybe}", "must be true or false"},
	{"CA twice", "security_protocol: SSL\nssl_config: {cafile: §$CA, truststore: {type: PEM, location: $CA}}", "together"},
	{"store without type", "security_protocol: SSL\nssl_config: {truststore: §{location: $JKS}}", "PEM, PKCS12 or JKS"},
	{"store of an unknown type", "security_protocol: SSL\nssl_config: {truststore: {type: §BKS, location: $JKS}}", "JKS"},
	{"store without content", "security_protocol: SSL\nssl_config: {truststore: §{type: JKS}}", "is missing"},
	{"store that is missing", "security_protocol: SSL\nssl_config: {truststore: §{type: JKS, location: /nowhere.jks}}", "does not exist"},
	{"store with a wrong password", "security_protocol: SSL\nssl_config: {truststore: §{type: JKS, location: $JKS, password: $SECRET}}", "given password"},
	{"store without password", "security_protocol: SSL\nssl_config: {keystore: §{type: JKS, location: $STORE}}", "needs its password"},
	{"key store with a wrong password", "security_protocol: SSL\nssl_config: {keystore: §{type: PKCS12, location: $P12, password: $SECRET}}", "given password"},
	{"inline store that is not base64", "security_protocol: SSL\nssl_config: {truststore: §{type: JKS, content: \"%%%\"}}", "base64"},

	{"PLAIN without user", "security_protocol: SASL_SSL\nsasl_config: §{password: $SECRET}", "username is required for PLAIN|is required for PLAIN"},
	{"PLAIN without password", "security_protocol: SASL_SSL\nsasl_config: §{mechanism: PLAIN, username: u}", "is required for PLAIN"},
	{"PLAIN with an empty password", "security_protocol: SASL_SSL\nsasl_config: {mechanism: PLAIN, username: u, password: §\"\"}", "is required for PLAIN"},
	{"PLAIN with a list as password", "security_protocol: SASL_SSL\nsasl_config: {mechanism: PLAIN, username: u, password: §[$SECRET]}", "must be"},
	{"PLAIN with a keytab", "security_protocol: SASL_SSL\nsasl_config: {mechanism: PLAIN, username: u, password: $SECRET, kerberos_keytab: §$KEY}", "belongs to mechanism GSSAPI"},
	{"mechanism that does not exist", "security_protocol: SASL_SSL\nsasl_config: {mechanism: §SCRAM-SHA-1, username: u, password: $SECRET}", "SCRAM-SHA-256"},
	{"SCRAM-256 without password", "security_protocol: SASL_SSL\nsasl_config: §{mechanism: SCRAM-SHA-256, username: u}", "is required for SCRAM-SHA-256"},
	{"SCRAM-512 without user", "security_protocol: SASL_SSL\nsasl_config: §{mechanism: SCRAM-SHA-512, password: $SECRET}", "is required for SCRAM-SHA-512"},
	{"SCRAM with OAuth keys", "security_protocol: SASL_SSL\nsasl_config: {mechanism: SCRAM-SHA-512, username: u, password: $SECRET, oauth_client_id: §c}", "belongs to mechanism OAUTHBEARER"},

	{"OAUTHBEARER without URL", "security_protocol: SASL_SSL\nsasl_config: §{mechanism: OAUTHBEARER, oauth_client_id: c, oauth_client_secret: $SECRET}", "is required"},
	{"OAUTHBEARER without client", "security_protocol: SASL_SSL\nsasl_config: §{mechanism: OAUTHBEARER, oauth_token_url: \"https://id/t\", oauth_client_secret: $SECRET}", "is required"},
	{"OAUTHBEARER without secret", "security_protocol: SASL_SSL\nsasl_config: §{mechanism: OAUTHBEARER, oauth_token_url: \"https://id/t\", oauth_client_id: c}", "is required"},
	{"OAUTHBEARER in plain http", "security_protocol: SASL_SSL\nsasl_config: {mechanism: OAUTHBEARER, oauth_token_url: §\"http://id.example.com/t\", oauth_client_id: c, oauth_client_secret: $SECRET}", "oauth_allow_plain_http"},
	{"OAUTHBEARER with a user", "security_protocol: SASL_SSL\nsasl_config: {mechanism: OAUTHBEARER, username: §u, oauth_token_url: \"https://id/t\", oauth_client_id: c, oauth_client_secret: $SECRET}", "not used"},
	{"OAUTHBEARER with two proofs", "security_protocol: SASL_SSL\nsasl_config: {mechanism: OAUTHBEARER, oauth_token_url: \"https://id/t\", oauth_client_id: c, oauth_client_secret: $SECRET, oauth_assertion_file: §$KEY}", "together"},
	{"OAUTHBEARER with an unknown proof", "security_protocol: SASL_SSL\nsasl_config: {mechanism: OAUTHBEARER, oauth_token_url: \"https://id/t\", oauth_client_id: c, oauth_client_secret: $SECRET, oauth_client_auth: §digest}", "private_key_jwt"},
	{"OAUTHBEARER without its key", "security_protocol: SASL_SSL\nsasl_config: §{mechanism: OAUTHBEARER, oauth_token_url: \"https://id/t\", oauth_client_id: c, oauth_client_auth: private_key_jwt}", "is required"},
	{"OAUTHBEARER with a key that is none", "security_protocol: SASL_SSL\nsasl_config: {mechanism: OAUTHBEARER, oauth_token_url: \"https://id/t\", oauth_client_id: c, oauth_client_auth: private_key_jwt, oauth_keyfile: §$JUNK}", "no private key"},
	{"OAUTHBEARER without its certificate", "security_protocol: SASL_SSL\nsasl_config: §{mechanism: OAUTHBEARER, oauth_token_url: \"https://id/t\", oauth_client_id: c, oauth_client_auth: mtls}", "is required"},
	{"OAUTHBEARER with a missing assertion", "security_protocol: SASL_SSL\nsasl_config: {mechanism: OAUTHBEARER, oauth_token_url: \"https://id/t\", oauth_client_id: c, oauth_assertion_file: §/nowhere/token}", "no such file"},
	{"OAUTHBEARER with a missing subject", "security_protocol: SASL_SSL\nsasl_config: {mechanism: OAUTHBEARER, oauth_token_url: \"https://id/t\", oauth_client_id: c, oauth_client_secret: $SECRET, oauth_subject_token_file: §/nowhere/token}", "no such file"},
	{"OAUTHBEARER with a wrong CA", "security_protocol: SASL_SSL\nsasl_config: {mechanism: OAUTHBEARER, oauth_token_url: \"https://id/t\", oauth_client_id: c, oauth_client_secret: $SECRET, oauth_cafile: §$JUNK}", "neither PEM"},
	{"OAUTHBEARER with a wrong duration", "security_protocol: SASL_SSL\nsasl_config: {mechanism: OAUTHBEARER, oauth_token_url: \"https://id/t\", oauth_client_id: c, oauth_client_secret: $SECRET, oauth_refresh_before: §soon}", "duration"},
	{"OAUTHBEARER with a reserved extension", "security_protocol: SASL_SSL\nsasl_config: {mechanism: OAUTHBEARER, oauth_token_url: \"https://id/t\", oauth_client_id: c, oauth_client_secret: $SECRET, oauth_extensions: §{auth: x}}", "reserved"},
	{"OAUTHBEARER with two tokens", "security_protocol: SASL_SSL\nsasl_config: {mechanism: OAUTHBEARER, oauth_token: §$SECRET, oauth_token_url: \"https://id/t\", oauth_client_id: c, oauth_client_secret: $SECRET}", "together"},

	{"GSSAPI without credentials", "security_protocol: SASL_SSL\nsasl_config: §{mechanism: GSSAPI, username: u@R}", "is missing"},
	{"GSSAPI with two", "security_protocol: SASL_SSL\nsasl_config: {mechanism: GSSAPI, username: u@R, password: $SECRET, kerberos_keytab: §$KEY}", "one of"},
	{"GSSAPI with a missing keytab", "security_protocol: SASL_SSL\nsasl_config: {mechanism: GSSAPI, username: u@R, kerberos_keytab: §/nowhere.keytab, kerberos_config: $JUNK}", "no such file"},
	{"GSSAPI with a missing configuration", "security_protocol: SASL_SSL\nsasl_config: {mechanism: GSSAPI, username: u@R, password: $SECRET, kerberos_config: §/nowhere.conf}", "no such file"},

	{"AWS without region", "security_protocol: SASL_SSL\nsasl_config: §{mechanism: AWS_MSK_IAM}", "aws_region|is missing"},
	{"AWS with half a key", "security_protocol: SASL_SSL\nsasl_config: {mechanism: AWS_MSK_IAM, aws_region: r, aws_access_key_id: §id}", "together"},
	{"AWS in clear", "security_protocol: §SASL_PLAINTEXT\nsasl_config: {mechanism: AWS_MSK_IAM, aws_region: r}", "must be SASL_SSL"},

	{"JAAS without a semicolon", "security_protocol: SASL_SSL\nsasl_config: {mechanism: PLAIN, jaas_config: §'required username=\"u\" password=\"$SECRET\"'}", "semicolon"},
	{"JAAS of another mechanism", "security_protocol: SASL_SSL\nsasl_config: {mechanism: PLAIN, jaas_config: §'x.ScramLoginModule required username=\"u\" password=\"$SECRET\";'}", "ScramLoginModule"},
	{"JAAS and keys", "security_protocol: SASL_SSL\nsasl_config: {mechanism: PLAIN, username: u, jaas_config: §'required username=\"u\" password=\"$SECRET\";'}", "together"},
}

func TestWrongSettingsHaveAPlace(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	made, err := filepath.Abs("../../auth/tlsstore/testdata")
	if err != nil {
		t.Fatal(err)
	}
	values := strings.NewReplacer("$SECRET", hidden, "$CA", made+"/ca.pem", "$CERT", made+"/client.pem", "$KEY", made+"/pkcs8.pem", "$OTHERKEY", made+"/sec1.pem",
		"$LOCKED", made+"/pbes2-aes.pem", "$JKS", made+"/trust.jks", "$STORE", made+"/client.jks", "$P12", made+"/openssl.p12", "$EMPTY", write("empty", ""), "$JUNK", write("junk", "hello"), "$DIR", dir)
	const head = "blocks:\n  - {type: data_loader, connector_type: stdin}\n  - type: data_exporter\n    connector_type: kafka\n    topic: t\n"
	for _, tc := range wrong {
		t.Run(tc.name, func(t *testing.T) {
			keys := tc.keys
			if !strings.Contains(keys, "bootstrap_server") {
				keys += "\nbootstrap_server: \"b.example.com:9093\""
			}
			text := head + "    " + strings.ReplaceAll(values.Replace(keys), "\n", "\n    ") + "\n"
			before, after, _ := strings.Cut(text, "§")
			place := config.Position{File: write("orders.yaml", before+after), Line: strings.Count(before, "\n") + 1, Column: len(before) - strings.LastIndex(before, "\n")}
			if strings.HasPrefix(tc.keys, "§") { // nothing better to point at than the block
				place.Line, place.Column = 3, 5
			}
			_, problems := pipelines.Load([]string{place.File}, pipelines.Options{})
			found := false
			for _, p := range problems {
				for _, want := range strings.Split(tc.want, "|") {
					found = found || p.Position == place && strings.Contains(p.Message, want)
				}
			}
			if !found {
				t.Errorf("%v\nwant %s: …%s…", problems, place, tc.want)
			}
			if said := fmt.Sprintf("%v %+v", problems, problems); strings.Contains(said, hidden) {
				t.Errorf("the secret shows in %s", said)
			}
		})
	}
	if len(wrong) < 60 {
		t.Errorf("%d wrong settings, want 60", len(wrong))
	}
}
