package kafka

import (
	"strings"
	"testing"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/connector"
)

// What belongs into a file and was given as its name.
var pasted = map[string]string{
	"PEM":        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----\n",
	"PEM lost":   `-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n-----END RSA PRIVATE KEY-----`,
	"JWT":        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJleHBvcnRlciJ9.c2lnbmF0dXJlLXZhbHVl",
	"base64":     "MIIJ3wIBAzCCCZUGCSqGSIb3DQEHAaCCCYYEggmCMIIJfjCCA9IGCSqGSIb3DQEH",
	"long":       strings.Repeat("geheim und lang ", 20),
	"with lines": "BQIAAABLAAIA\nDEVYQU1QTEUu\n",
}

// Every key of a file, in each of the three dialects: the message names the
// key, says that no path stands there and repeats nothing of it.
func TestWhatIsPastedWhereAPathBelongsIsNotShown(t *testing.T) {
	for name, secret := range pasted {
		t.Run(name, func(t *testing.T) {
			mage := map[string]Settings{
				"ssl_config.cafile":                    {SSL: &SSL{CAFile: secret}},
				"ssl_config.certfile":                  {SSL: &SSL{CertFile: secret}},
				"ssl_config.keyfile":                   {SSL: &SSL{CertFile: "chain.pem", KeyFile: secret}},
				"ssl_config.keystore.location":         {SSL: &SSL{Keystore: &Store{Type: "JKS", Location: secret}}},
				"ssl_config.truststore.location":       {SSL: &SSL{Truststore: &Store{Type: "PKCS12", Location: secret}}},
				"sasl_config.oauth_keyfile":            {SASL: &SASL{Mechanism: "OAUTHBEARER", OAuth: auth.OAuthSettings{TokenURL: "https://id/t", ClientID: "c", ClientAuth: "private_key_jwt", KeyFile: secret}}},
				"sasl_config.oauth_cafile":             {SASL: &SASL{Mechanism: "OAUTHBEARER", OAuth: auth.OAuthSettings{TokenURL: "https://id/t", ClientID: "c", ClientSecret: "s", CAFile: secret}}},
				"sasl_config.oauth_assertion_file":     {SASL: &SASL{Mechanism: "OAUTHBEARER", OAuth: auth.OAuthSettings{TokenURL: "https://id/t", ClientID: "c", AssertionFile: secret}}},
				"sasl_config.oauth_subject_token_file": {SASL: &SASL{Mechanism: "OAUTHBEARER", OAuth: auth.OAuthSettings{TokenURL: "https://id/t", ClientID: "c", SubjectTokenFile: secret}}},
				"sasl_config.oauth_client_secret_file": {SASL: &SASL{Mechanism: "OAUTHBEARER", OAuth: auth.OAuthSettings{TokenURL: "https://id/t", ClientID: "c", ClientSecretFile: secret}}},
				"sasl_config.oauth_token_file":         {SASL: &SASL{Mechanism: "OAUTHBEARER", OAuthTokenFile: secret}},
				"sasl_config.kerberos_keytab":          {SASL: &SASL{Mechanism: "GSSAPI", Username: "u@R", KerberosKeytab: secret}},
				"sasl_config.kerberos_config":          {SASL: &SASL{Mechanism: "GSSAPI", Username: "u@R", Password: "p", KerberosConfig: secret}},
				"sasl_config.kerberos_ccache":          {SASL: &SASL{Mechanism: "GSSAPI", KerberosCCache: secret}},
			}
			for path, s := range mage {
				s.BootstrapServer, s.SecurityProtocol = []string{"b:9092"}, "SASL_SSL"
				if s.SASL == nil {
					s.SASL = &SASL{Username: "u", Password: "p"}
				}
				wantPasted(t, path, secret, s.Validate())
			}
			for _, store := range []string{"keyStore", "trustStore"} {
				_, faults := FromGravitee(map[string]any{"bootstrapServers": "b:9092", "security": map[string]any{"protocol": "SSL",
					"ssl": map[string]any{store: map[string]any{"type": "PKCS12", "location": secret}}}})
				wantPasted(t, "security.ssl."+store+".location", secret, faults)
			}
			for _, key := range []string{"ssl.keystore.location", "ssl.truststore.location", "sasl.oauthbearer.assertion.file", "sasl.oauthbearer.assertion.private.key.file"} {
				_, faults := FromJava(map[string]string{"bootstrap.servers": "b:9092", "security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER",
					"sasl.oauthbearer.token.endpoint.url": "https://id/t", "sasl.oauthbearer.client.credentials.client.id": "c", key: secret})
				wantPasted(t, key, secret, faults)
			}
		})
	}
}

func wantPasted(t *testing.T, path, secret string, faults []connector.Fault) {
	t.Helper()
	found := 0
	for _, f := range faults {
		if f.Path == path && strings.Contains(f.Message, "not a path") {
			found++
		}
		for i := 0; i+8 <= len(secret); i += 4 {
			if strings.Contains(f.Message, secret[i:i+8]) && !strings.HasPrefix(secret[i:], "PRIVATE ") && !strings.HasPrefix(secret[i:], "-") {
				t.Fatalf("%s: a piece of it is shown: %s", path, f.Message)
			}
		}
	}
	if found != 1 {
		t.Errorf("%s: %d faults say that it is no path: %v", path, found, faults)
	}
}

func TestWhichKeyTakesTheTextItself(t *testing.T) {
	s := Settings{BootstrapServer: []string{"b:9092"}, SecurityProtocol: "SSL", SSL: &SSL{CAFile: "ca.pem", CertFile: "chain.pem", KeyFile: pasted["PEM"]}}
	if got := s.Validate(); len(got) != 1 || got[0].Message != "holds PEM text, not a path; use keystore: {type: PEM, key: …, certificate_chain: …}" {
		t.Errorf("%v", got)
	}
	_, faults := FromGravitee(map[string]any{"bootstrapServers": "b:9092", "security": map[string]any{"protocol": "SSL",
		"ssl": map[string]any{"keyStore": map[string]any{"type": "PEM", "location": pasted["PEM"]}}}})
	if len(faults) != 1 || !strings.HasSuffix(faults[0].Message, "use key and certificateChain (PEM text)") {
		t.Errorf("%v", faults)
	}
	_, faults = FromJava(map[string]string{"bootstrap.servers": "b:9092", "security.protocol": "SSL", "ssl.truststore.location": pasted["PEM"]})
	if len(faults) != 1 || !strings.HasSuffix(faults[0].Message, "use ssl.truststore.certificates with ssl.truststore.type=PEM") {
		t.Errorf("%v", faults)
	}
}
