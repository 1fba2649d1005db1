package kafka

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/auth/tlsstore/certtest"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/connector"
)

// hidden stands for every secret in the table; it must never show.
const hidden = "hunter2-is-secret"

func saslSSL(s SASL) Settings {
	return Settings{BootstrapServer: []string{"b:9093"}, SecurityProtocol: "SASL_SSL", SASL: &s}
}

func withSSL(c SSL) Settings {
	return Settings{BootstrapServer: []string{"b:9093"}, SecurityProtocol: "SSL", SSL: &c}
}

func oauth(edit func(*SASL)) Settings {
	s := SASL{Mechanism: "OAUTHBEARER", OAuth: auth.OAuthSettings{TokenURL: "https://id.example.com/token", ClientID: "c", ClientSecret: hidden}}
	edit(&s)
	return saslSSL(s)
}

func TestWrongSettings(t *testing.T) {
	hours := connector.Duration(2 * time.Hour)
	at := func(server string) Settings { return Settings{BootstrapServer: []string{server}} }
	protocol := func(p string) Settings { return Settings{BootstrapServer: []string{"b:9092"}, SecurityProtocol: p} }
	jaas := func(mechanism, line string) Settings {
		return saslSSL(SASL{Mechanism: mechanism, JAASConfig: connector.Secret(line)})
	}
	for _, tc := range []struct {
		name string
		s    Settings
		path string
		want string
	}{
		{"no server", Settings{SecurityProtocol: "PLAINTEXT"}, "bootstrap_server", "missing"},
		{"empty server", Settings{BootstrapServer: []string{" , "}, SecurityProtocol: "SSL"}, "bootstrap_server", "missing"},
		{"no port", at("broker"), "bootstrap_server", "no port"},
		{"bad port", at("broker:99999"), "bootstrap_server", "bad port"},
		{"port by name", at("broker:kafka"), "bootstrap_server", "bad port"},
		{"no host", at(":9092"), "bootstrap_server", "no host"},
		{"bare IPv6", at("::1:9092"), "bootstrap_server", "brackets"},
		{"blank in host", at("bro ker:9092"), "bootstrap_server", "not a host name"},
		{"client id", Settings{BootstrapServer: []string{"b:9092"}, ClientID: "a\nb"}, "client_id", "line breaks"},
		{"typo", protocol("SASL_SLL"), "security_protocol", "did you mean SASL_SSL"},
		{"dash", protocol("sasl-ssl"), "security_protocol", "did you mean SASL_SSL"},
		{"TLS", protocol("TLS"), "security_protocol", "did you mean SSL"},
		{"SASL plain", protocol("SASL_PLAIN"), "security_protocol", "did you mean SASL_PLAINTEXT"},
		{"unknown protocol", protocol("NONE"), "security_protocol", "not a protocol"},
		{"SASL without config", protocol("SASL_SSL"), "sasl_config", "required"},
		{"ssl_config without protocol", Settings{BootstrapServer: []string{"b:9092"}, SSL: &SSL{CAFile: "ca.pem"}}, "ssl_config", "no effect"},
		{"ssl_config with SASL_PLAINTEXT", Settings{BootstrapServer: []string{"b:9092"}, SecurityProtocol: "SASL_PLAINTEXT", SSL: &SSL{}, SASL: &SASL{Username: "u", Password: hidden}}, "ssl_config", "no effect"},
		{"sasl_config without protocol", Settings{BootstrapServer: []string{"b:9092"}, SASL: &SASL{Username: "u", Password: hidden}}, "sasl_config", "no effect"},
		{"sasl_config with SSL", Settings{BootstrapServer: []string{"b:9092"}, SecurityProtocol: "SSL", SASL: &SASL{Username: "u", Password: hidden}}, "sasl_config", "no effect"},
		{"key without certificate", withSSL(SSL{KeyFile: "k.pem"}), "ssl_config.certfile", "missing"},
		{"password without key", withSSL(SSL{Password: hidden}), "ssl_config.password", "no keyfile"},
		{"cafile and truststore", withSSL(SSL{CAFile: "ca", Truststore: &Store{Type: "JKS", Location: "t"}}), "ssl_config.cafile", "truststore"},
		{"certfile and keystore", withSSL(SSL{CertFile: "c", Keystore: &Store{Type: "JKS", Location: "t"}}), "ssl_config.certfile", "keystore"},
		{"empty store", withSSL(SSL{Truststore: &Store{}}), "ssl_config.truststore", "empty"},
		{"store without type", withSSL(SSL{Truststore: &Store{Location: "t"}}), "ssl_config.truststore.type", "missing"},
		{"store of unknown type", withSSL(SSL{Truststore: &Store{Type: "BKS", Location: "t"}}), "ssl_config.truststore.type", "not a kind"},
		{"store without content", withSSL(SSL{Truststore: &Store{Type: "JKS"}}), "ssl_config.truststore.location", "missing"},
		{"NONE with content", withSSL(SSL{Truststore: &Store{Type: "NONE", Location: "t"}}), "ssl_config.truststore.type", "NONE"},
		{"location and content", withSSL(SSL{Truststore: &Store{Type: "JKS", Location: "t", Content: hidden}}), "ssl_config.truststore.content", "together"},
		{"PEM keys in JKS", withSSL(SSL{Keystore: &Store{Type: "JKS", Location: "t", Key: hidden}}), "ssl_config.keystore", "belong to type PEM"},
		{"PEM trust without text", withSSL(SSL{Truststore: &Store{Type: "PEM"}}), "ssl_config.truststore.location", "missing"},
		{"PEM trust twice", withSSL(SSL{Truststore: &Store{Type: "PEM", Location: "t", Certificates: "c"}}), "ssl_config.truststore.certificates", "together"},
		{"key in a trust store", withSSL(SSL{Truststore: &Store{Type: "PEM", Certificates: "c", Key: hidden}}), "ssl_config.truststore.key", "no key"},
		{"PEM key store without key", withSSL(SSL{Keystore: &Store{Type: "PEM", CertificateChain: "c"}}), "ssl_config.keystore.key", "missing"},
		{"PEM key store without chain", withSSL(SSL{Keystore: &Store{Type: "PEM", Key: hidden}}), "ssl_config.keystore.certificate_chain", "missing"},
		{"unknown mechanism", saslSSL(SASL{Mechanism: "SCRAM-SHA-1"}), "sasl_config.mechanism", "did you mean SCRAM-SHA-256"},
		{"mechanism by another name", saslSSL(SASL{Mechanism: "OAUTH2"}), "sasl_config.mechanism", "did you mean OAUTHBEARER"},
		{"Kerberos by name", saslSSL(SASL{Mechanism: "KERBEROS"}), "sasl_config.mechanism", "did you mean GSSAPI"},
		{"PLAIN without user", saslSSL(SASL{Password: hidden}), "sasl_config.username", "required"},
		{"PLAIN without password", saslSSL(SASL{Mechanism: "PLAIN", Username: "u"}), "sasl_config.password", "required"},
		{"SCRAM without password", saslSSL(SASL{Mechanism: "SCRAM-SHA-512", Username: "u"}), "sasl_config.password", "required"},
		{"zero byte", saslSSL(SASL{Username: "u\x00x", Password: hidden}), "sasl_config.username", "zero byte"},
		{"PLAIN with OAuth keys", saslSSL(SASL{Username: "u", Password: hidden, OAuth: auth.OAuthSettings{ClientID: "c"}}), "sasl_config.oauth_client_id", "belongs to mechanism OAUTHBEARER"},
		{"PLAIN with a CA of tokens", saslSSL(SASL{Username: "u", Password: hidden, OAuth: auth.OAuthSettings{CAFile: "c"}}), "sasl_config.oauth_cafile", "belongs to mechanism OAUTHBEARER"},
		{"PLAIN with extensions", saslSSL(SASL{Username: "u", Password: hidden, OAuthExtensions: map[string]string{"a": "b"}}), "sasl_config.oauth_extensions", "belongs to mechanism OAUTHBEARER"},
		{"PLAIN with a Kerberos host", saslSSL(SASL{Username: "u", Password: hidden, KerberosHost: "h"}), "sasl_config.kerberos_host", "belongs to mechanism GSSAPI"},
		{"PLAIN with a region", saslSSL(SASL{Username: "u", Password: hidden, AWSSTSRegion: "r"}), "sasl_config.aws_sts_region", "belongs to mechanism AWS_MSK_IAM"},
		{"SCRAM with a keytab", saslSSL(SASL{Mechanism: "SCRAM-SHA-256", Username: "u", Password: hidden, KerberosKeytab: "k"}), "sasl_config.kerberos_keytab", "belongs to mechanism GSSAPI"},
		{"OAUTHBEARER with a password", oauth(func(s *SASL) { s.Username, s.Password = "u", hidden }), "sasl_config.username", "not used"},
		{"no token URL", oauth(func(s *SASL) { s.OAuth.TokenURL = "" }), "sasl_config.oauth_token_url", "required"},
		{"no client id", oauth(func(s *SASL) { s.OAuth.ClientID = "" }), "sasl_config.oauth_client_id", "required"},
		{"no client secret", oauth(func(s *SASL) { s.OAuth.ClientSecret = "" }), "sasl_config.oauth_client_secret", "required"},
		{"token URL is no URL", oauth(func(s *SASL) { s.OAuth.TokenURL = "id.example.com/token" }), "sasl_config.oauth_token_url", "not a URL"},
		{"token URL with a user", oauth(func(s *SASL) { s.OAuth.TokenURL = "https://c:pw@id.example.com/t" }), "sasl_config.oauth_token_url", "user name"},
		{"token URL of another scheme", oauth(func(s *SASL) { s.OAuth.TokenURL = "ftp://id/t" }), "sasl_config.oauth_token_url", "https"},
		{"plain http", oauth(func(s *SASL) { s.OAuth.TokenURL = "http://id.example.com/t" }), "sasl_config.oauth_token_url", "oauth_allow_plain_http"},
		{"CA for plain http", oauth(func(s *SASL) { s.OAuth.TokenURL, s.OAuth.CAFile = "http://localhost/t", "ca" }), "sasl_config.oauth_cafile", "no effect"},
		{"CA password alone", oauth(func(s *SASL) { s.OAuth.CAPassword = hidden }), "sasl_config.oauth_ca_password", "missing"},
		{"unknown client auth", oauth(func(s *SASL) { s.OAuth.ClientAuth = "digest" }), "sasl_config.oauth_client_auth", "not a way"},
		{"private_key_jwt without key", oauth(func(s *SASL) { s.OAuth.ClientAuth, s.OAuth.ClientSecret = "private_key_jwt", "" }), "sasl_config.oauth_keyfile", "required"},
		{"private_key_jwt with secret", oauth(func(s *SASL) { s.OAuth.ClientAuth, s.OAuth.KeyFile = "private_key_jwt", "k" }), "sasl_config.oauth_client_secret", "not used"},
		{"signing algorithm", oauth(func(s *SASL) { s.OAuth.SigningAlgorithm = "HS256" }), "sasl_config.oauth_signing_algorithm", "not an algorithm"},
		{"mtls without certificate", oauth(func(s *SASL) { s.OAuth.ClientAuth, s.OAuth.ClientSecret = "mtls", "" }), "sasl_config.oauth_certfile", "required"},
		{"mtls over http", oauth(func(s *SASL) {
			s.OAuth.ClientAuth, s.OAuth.ClientSecret, s.OAuth.CertFile, s.OAuth.TokenURL = "mtls", "", "c", "http://localhost/t"
		}), "sasl_config.oauth_client_auth", "https"},
		{"certificate without mtls", oauth(func(s *SASL) { s.OAuth.CertFile = "c" }), "sasl_config.oauth_certfile", "mtls only"},
		{"key without its use", oauth(func(s *SASL) { s.OAuth.KeyFile = "k" }), "sasl_config.oauth_keyfile", "private_key_jwt or mtls"},
		{"secret and assertion", oauth(func(s *SASL) { s.OAuth.AssertionFile = "f" }), "sasl_config.oauth_assertion_file", "together"},
		{"token and endpoint", oauth(func(s *SASL) { s.OAuthToken = hidden }), "sasl_config.oauth_token", "together"},
		{"token type without token", oauth(func(s *SASL) { s.OAuth.SubjectTokenType = "urn:x" }), "sasl_config.oauth_subject_token_file", "missing"},
		{"refresh too early", oauth(func(s *SASL) { s.OAuth.RefreshBefore = &hours }), "sasl_config.oauth_refresh_before", "1h"},
		{"parameter of its own", oauth(func(s *SASL) { s.OAuth.Params = map[string]connector.Secret{"client_secret": hidden} }), "sasl_config.oauth_params", "own key"},
		{"extension name", oauth(func(s *SASL) { s.OAuthExtensions = map[string]string{"lkc-1": "x"} }), "sasl_config.oauth_extensions", "only letters"},
		{"extension auth", oauth(func(s *SASL) { s.OAuthExtensions = map[string]string{"auth": "x"} }), "sasl_config.oauth_extensions", "reserved"},
		{"extension value", oauth(func(s *SASL) { s.OAuthExtensions = map[string]string{"a": "x\x01auth=y"} }), "sasl_config.oauth_extensions", "cannot carry"},
		{"GSSAPI without credentials", saslSSL(SASL{Mechanism: "GSSAPI", Username: "u@R"}), "sasl_config.kerberos_keytab", "missing"},
		{"GSSAPI with two", saslSSL(SASL{Mechanism: "GSSAPI", Username: "u@R", Password: hidden, KerberosKeytab: "k"}), "sasl_config.kerberos_keytab", "one of"},
		{"GSSAPI without principal", saslSSL(SASL{Mechanism: "GSSAPI", KerberosKeytab: "k"}), "sasl_config.username", "principal"},
		{"GSSAPI with two realms", saslSSL(SASL{Mechanism: "GSSAPI", Username: "u@R", KerberosRealm: "S", KerberosKeytab: "k"}), "sasl_config.kerberos_realm", "differs"},
		{"MSK without region", saslSSL(SASL{Mechanism: "AWS_MSK_IAM"}), "sasl_config.aws_region", "missing"},
		{"MSK half a key", saslSSL(SASL{Mechanism: "AWS_MSK_IAM", AWSRegion: "r", AWSAccessKeyID: "id"}), "sasl_config.aws_access_key_id", "together"},
		{"MSK role", saslSSL(SASL{Mechanism: "AWS_MSK_IAM", AWSRegion: "r", AWSRoleARN: "role"}), "sasl_config.aws_role_arn", "not an ARN"},
		{"MSK in clear", Settings{BootstrapServer: []string{"b:1"}, SecurityProtocol: "SASL_PLAINTEXT", SASL: &SASL{Mechanism: "AWS_MSK_IAM", AWSRegion: "r"}}, "security_protocol", "SASL_SSL"},
		{"JAAS broken", jaas("PLAIN", `x.PlainLoginModule required username="u" password="`+hidden), "sasl_config.jaas_config", "without an end"},
		{"JAAS of another mechanism", jaas("PLAIN", `x.ScramLoginModule required username="u" password="`+hidden+`";`), "sasl_config.jaas_config", "ScramLoginModule"},
		{"JAAS module unknown", jaas("PLAIN", `x.LdapLoginModule required;`), "sasl_config.jaas_config", "not supported"},
		{"JAAS SCRAM without mechanism", jaas("", `x.ScramLoginModule required username="u" password="`+hidden+`";`), "sasl_config.mechanism", "missing"},
		{"JAAS without password", jaas("PLAIN", `required username="u";`), "sasl_config.jaas_config", "required"},
		{"JAAS and keys", saslSSL(SASL{Mechanism: "PLAIN", Username: "u", JAASConfig: `required username="u" password="x";`}), "sasl_config.jaas_config", "together"},
		{"JAAS unsecured token", jaas("", `x.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="a";`), "sasl_config.jaas_config", "unsecured"},
		{"JAAS delegation token", jaas("SCRAM-SHA-256", `x.ScramLoginModule required username="u" password="`+hidden+`" tokenauth="true";`), "sasl_config.jaas_config", "delegation"},
		{"JAAS refresh token", jaas("", `x.OAuthBearerLoginModule required oauth.token.endpoint.uri="https://i/t" oauth.client.id="c" oauth.refresh.token="`+hidden+`";`), "sasl_config.jaas_config", "oauth.refresh.token"},
		{"JAAS Kerberos without a way", jaas("", `x.Krb5LoginModule required principal="u@R";`), "sasl_config.jaas_config", "useKeyTab"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			faults := tc.s.Validate()
			found := false
			for _, f := range faults {
				found = found || f.Path == tc.path && strings.Contains(f.Message, tc.want)
			}
			if !found {
				t.Fatalf("%+v\nwant %s: …%s…", faults, tc.path, tc.want)
			}
			_, err := NewCluster("c", tc.s, nil)
			if connector.KindOf(err) != connector.Invalid {
				t.Fatalf("NewCluster took it: %v", err)
			}
			if out := fmt.Sprintf("%+v %v %+v", faults, err, *orEmpty(tc.s.SASL)); strings.Contains(out, hidden) {
				t.Fatalf("a secret shows in %s", out)
			}
		})
	}
}

func orEmpty(s *SASL) *SASL {
	if s == nil {
		return &SASL{}
	}
	return s
}

func TestZeroSettingsMeanTheDefaultCluster(t *testing.T) {
	var s Settings
	if f := s.Validate(); len(f) > 0 {
		t.Fatal(f)
	}
	if _, err := NewCluster("c", s, nil); connector.KindOf(err) != connector.Invalid {
		t.Fatalf("a cluster without brokers: %v", err)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	s := Settings{BootstrapServer: []string{"a", "b:0"}, SecurityProtocol: "SASL_SSL", SSL: &SSL{KeyFile: "k"}, SASL: &SASL{Mechanism: "OAUTHBEARER"}}
	if got := len(s.Validate()); got != 6 {
		t.Fatalf("%d faults, want 6: %+v", got, s.Validate())
	}
}

func TestRightSettings(t *testing.T) {
	for name, s := range map[string]Settings{
		"open":              {BootstrapServer: []string{"a:1,b:2", "[::1]:3"}},
		"lower case":        {BootstrapServer: []string{"a:1"}, SecurityProtocol: " sasl_ssl ", SASL: &SASL{Username: "u", Password: "p"}},
		"system CAs":        {BootstrapServer: []string{"a:1"}, SecurityProtocol: "SSL"},
		"loopback http":     {BootstrapServer: []string{"a:1"}, SecurityProtocol: "SASL_PLAINTEXT", SASL: &SASL{Mechanism: "OAUTHBEARER", OAuth: auth.OAuthSettings{TokenURL: "http://127.0.0.1:8180/t", ClientID: "c", ClientSecret: "s"}}},
		"http by name":      oauth(func(s *SASL) { s.OAuth.TokenURL, s.OAuth.AllowPlainHTTP = "http://id.example.com/t", true }),
		"workload token":    oauth(func(s *SASL) { s.OAuth.ClientSecret, s.OAuth.AssertionFile = "", "/var/run/token" }),
		"token exchange":    oauth(func(s *SASL) { s.OAuth.SubjectTokenFile = "/var/run/token" }),
		"region by name":    {BootstrapServer: []string{"b-1.c.kafka.eu-west-1.amazonaws.com:9098"}, SecurityProtocol: "SASL_SSL", SASL: &SASL{Mechanism: "aws_msk_iam"}},
		"JAAS short":        saslSSL(SASL{Mechanism: "SCRAM-SHA-512", JAASConfig: `required username="u" password="p";`}),
		"JAAS ticket cache": saslSSL(SASL{JAASConfig: `x.Krb5LoginModule required useTicketCache=true ticketCache="/tmp/cc";`}),
	} {
		t.Run(name, func(t *testing.T) {
			if f := s.Validate(); len(f) > 0 {
				t.Fatal(f)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	no := false
	for _, tc := range []struct {
		name, want string
		s          Settings
	}{
		{"none", "", Settings{BootstrapServer: []string{"b:1"}}},
		{"api_version", "negotiated", Settings{BootstrapServer: []string{"b:1"}, APIVersion: "0.10.2"}},
		{"check_hostname", "pose as a broker", withSSL(SSL{CheckHostname: &no})},
		{"password in clear", "clear text", Settings{BootstrapServer: []string{"b:1"}, SecurityProtocol: "SASL_PLAINTEXT", SASL: &SASL{Username: "u", Password: hidden}}},
		{"on this machine", "", Settings{BootstrapServer: []string{"localhost:1"}, SecurityProtocol: "SASL_PLAINTEXT", SASL: &SASL{Username: "u", Password: hidden}}},
		{"plain http", "plain http", oauth(func(s *SASL) { s.OAuth.TokenURL, s.OAuth.AllowPlainHTTP = "http://id.example.com/t", true })},
		{"fixed token", "expires", saslSSL(SASL{Mechanism: "OAUTHBEARER", OAuthToken: hidden})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := strings.Join(tc.s.Warnings(), "\n")
			if (tc.want == "") != (got == "") || !strings.Contains(got, tc.want) || strings.Contains(got, hidden) {
				t.Fatalf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	ca := certtest.New(t, "CA")
	pair, other := ca.Issue("c", time.Now().Add(time.Hour)), ca.Issue("d", time.Now().Add(time.Hour))
	junk := filepath.Join(dir, "junk")
	if err := os.WriteFile(junk, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, path, want string
		s                Settings
	}{
		{"right", "", "", withSSL(SSL{CAFile: ca.File, CertFile: pair.CertFile, KeyFile: pair.KeyFile})},
		{"no CA file", "ssl_config.cafile", "does not exist", withSSL(SSL{CAFile: filepath.Join(dir, "no")})},
		{"a folder", "ssl_config.cafile", "folder", withSSL(SSL{CAFile: dir})},
		{"no PEM", "ssl_config.cafile", "neither PEM", withSSL(SSL{CAFile: junk})},
		{"a key is no CA", "ssl_config.cafile", "no certificate", withSSL(SSL{CAFile: pair.KeyFile})},
		{"key of another", "ssl_config.keyfile", "issued together", withSSL(SSL{CertFile: pair.CertFile, KeyFile: other.KeyFile})},
		{"certificate as key", "ssl_config.keyfile", "no private key", withSSL(SSL{CertFile: pair.CertFile, KeyFile: pair.CertFile})},
		{"store", "ssl_config.truststore", "neither PEM", withSSL(SSL{Truststore: &Store{Type: "JKS", Location: junk}})},
		{"inline store", "ssl_config.keystore", "base64", withSSL(SSL{Keystore: &Store{Type: "PKCS12", Content: "%%%"}})},
		{"assertion", "sasl_config.oauth_assertion_file", "no such file", oauth(func(s *SASL) { s.OAuth.ClientSecret, s.OAuth.AssertionFile = "", filepath.Join(dir, "no") })},
		{"signing key", "sasl_config.oauth_keyfile", "no private key", oauth(func(s *SASL) { s.OAuth.ClientAuth, s.OAuth.ClientSecret, s.OAuth.KeyFile = "private_key_jwt", "", junk })},
		{"token CA", "sasl_config.oauth_cafile", "neither PEM", oauth(func(s *SASL) { s.OAuth.CAFile = junk })},
		{"keytab", "sasl_config.kerberos_keytab", "no such file", saslSSL(SASL{Mechanism: "GSSAPI", Username: "u@R", KerberosKeytab: filepath.Join(dir, "no"), KerberosConfig: junk})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if f := tc.s.Validate(); len(f) > 0 {
				t.Fatal(f)
			}
			got := tc.s.CheckFiles()
			if tc.path == "" && len(got) > 0 || tc.path != "" && (len(got) != 1 || got[0].Path != tc.path || !strings.Contains(got[0].Message, tc.want)) {
				t.Fatalf("%+v, want %s: %s", got, tc.path, tc.want)
			}
		})
	}
}
