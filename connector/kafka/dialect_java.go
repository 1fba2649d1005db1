package kafka

import (
	"sort"
	"strings"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/connector"
)

// javaKeys are the connection keys of Java's Kafka clients, and the path in
// Settings that each one fills. Keys with an empty path are accepted and mean
// nothing here.
var javaKeys = map[string]string{
	"bootstrap.servers": "bootstrap_server",
	"client.id":         "client_id",
	"security.protocol": "security_protocol",

	"sasl.mechanism":                                    "sasl_config.mechanism",
	"sasl.jaas.config":                                  "sasl_config.jaas_config",
	"sasl.kerberos.service.name":                        "sasl_config.kerberos_service_name",
	"sasl.login.callback.handler.class":                 "",
	"sasl.client.callback.handler.class":                "",
	"sasl.login.class":                                  "",
	"sasl.oauthbearer.token.endpoint.url":               "sasl_config.oauth_token_url",
	"sasl.oauthbearer.client.credentials.client.id":     "sasl_config.oauth_client_id",
	"sasl.oauthbearer.client.credentials.client.secret": "sasl_config.oauth_client_secret",
	"sasl.oauthbearer.scope":                            "sasl_config.oauth_scope",
	"sasl.oauthbearer.assertion.file":                   "sasl_config.oauth_assertion_file",
	"sasl.oauthbearer.assertion.private.key.file":       "sasl_config.oauth_keyfile",
	"sasl.oauthbearer.assertion.private.key.passphrase": "sasl_config.oauth_key_password",
	"sasl.oauthbearer.scope.claim.name":                 "",
	"sasl.oauthbearer.sub.claim.name":                   "",

	"ssl.truststore.type":                   "ssl_config.truststore.type",
	"ssl.truststore.location":               "ssl_config.truststore.location",
	"ssl.truststore.password":               "ssl_config.truststore.password",
	"ssl.truststore.certificates":           "ssl_config.truststore.certificates",
	"ssl.keystore.type":                     "ssl_config.keystore.type",
	"ssl.keystore.location":                 "ssl_config.keystore.location",
	"ssl.keystore.password":                 "ssl_config.keystore.password",
	"ssl.keystore.key":                      "ssl_config.keystore.key",
	"ssl.keystore.certificate.chain":        "ssl_config.keystore.certificate_chain",
	"ssl.key.password":                      "ssl_config.keystore.key_password",
	"ssl.endpoint.identification.algorithm": "ssl_config.check_hostname",
	"ssl.protocol":                          "",
	"ssl.provider":                          "",
	"ssl.enabled.protocols":                 "",
	"ssl.cipher.suites":                     "",
	"ssl.keymanager.algorithm":              "",
	"ssl.trustmanager.algorithm":            "",
	"ssl.secure.random.implementation":      "",
	"ssl.engine.factory.class":              "",
}

// javaTunings are families of keys that tune Java's own login machinery.
var javaTunings = []string{"sasl.login.", "sasl.kerberos.", "sasl.oauthbearer.", "security.providers"}

// FromJava reads the properties of Java's Kafka clients, such as those of
// kafka-rest.properties with the prefixes "client." and "producer."; a later
// prefix overrides an earlier one, and no prefix at all means the bare keys.
// bootstrap.servers may also stand without a prefix. Keys that do not concern
// the connection are left alone; an unknown ssl., sasl. or security. key is a
// fault. Faults carry the Java keys as paths, without the prefix, and include
// those of Validate.
func FromJava(props map[string]string, prefixes ...string) (Settings, []connector.Fault) {
	p := javaProps(props, prefixes)
	var f faults
	for _, key := range sortedKeys(p) {
		if _, known := javaKeys[key]; !known && isConnectionKey(key) {
			f.add(key, "is not a key of Kafka's clients%s", didYouMean(key, javaKeys))
		}
	}
	s := Settings{ClientID: p["client.id"], SecurityProtocol: p["security.protocol"]}
	if v := p["bootstrap.servers"]; v != "" {
		s.BootstrapServer = strings.Split(v, ",")
	}
	s.SSL = javaSSL(p)
	s.SASL = javaSASL(p, &s)
	return s, append(f, JavaFaults(s.Validate())...)
}

// JavaFaults are faults of Settings under the names of the Java keys.
func JavaFaults(faults []connector.Fault) []connector.Fault {
	var out []connector.Fault
	for _, f := range faults {
		out = append(out, connector.Fault{Path: javaPath(f.Path), Message: javaMessage(f.Message)})
	}
	return out
}

func javaProps(props map[string]string, prefixes []string) map[string]string {
	if len(prefixes) == 0 {
		prefixes = []string{""}
	}
	out := map[string]string{}
	if v := props["bootstrap.servers"]; v != "" {
		out["bootstrap.servers"] = v
	}
	for _, prefix := range prefixes {
		for key, v := range props {
			if bare, ok := strings.CutPrefix(key, prefix); ok {
				out[bare] = strings.TrimSpace(v)
			}
		}
	}
	return out
}

func isConnectionKey(key string) bool {
	for _, family := range javaTunings {
		if strings.HasPrefix(key, family) {
			return false
		}
	}
	return strings.HasPrefix(key, "ssl.") || strings.HasPrefix(key, "sasl.") || strings.HasPrefix(key, "security.")
}

func javaSSL(p map[string]string) *SSL {
	trust := &Store{Type: p["ssl.truststore.type"], Location: p["ssl.truststore.location"], Password: connector.Secret(p["ssl.truststore.password"]), Certificates: p["ssl.truststore.certificates"]}
	key := &Store{Type: p["ssl.keystore.type"], Location: p["ssl.keystore.location"], Password: connector.Secret(p["ssl.keystore.password"]),
		KeyPassword: connector.Secret(p["ssl.key.password"]), Key: connector.Secret(p["ssl.keystore.key"]), CertificateChain: p["ssl.keystore.certificate.chain"]}
	out := &SSL{Truststore: javaStore(trust), Keystore: javaStore(key)}
	if v, given := p["ssl.endpoint.identification.algorithm"]; given && v == "" {
		off := false
		out.CheckHostname = &off
	}
	if out.Truststore == nil && out.Keystore == nil && out.CheckHostname == nil {
		return nil
	}
	return out
}

// javaStore is nil for a store that is not given; its type is JKS as in Java.
func javaStore(s *Store) *Store {
	if s.Location == "" && s.Content == "" && s.Certificates == "" && s.Key == "" && s.CertificateChain == "" {
		return nil
	}
	if s.Type == "" {
		s.Type = "JKS"
	}
	return s
}

func javaSASL(p map[string]string, s *Settings) *SASL {
	given := false
	for key := range p {
		given = given || strings.HasPrefix(key, "sasl.") && javaKeys[key] != ""
	}
	if !given && !s.UsesSASL() {
		return nil
	}
	return &SASL{
		Mechanism: orDefault(p["sasl.mechanism"], MechanismGSSAPI), JAASConfig: connector.Secret(p["sasl.jaas.config"]),
		KerberosServiceName: p["sasl.kerberos.service.name"],
		OAuth: auth.OAuthSettings{
			TokenURL:      p["sasl.oauthbearer.token.endpoint.url"],
			ClientID:      p["sasl.oauthbearer.client.credentials.client.id"],
			ClientSecret:  connector.Secret(p["sasl.oauthbearer.client.credentials.client.secret"]),
			Scope:         p["sasl.oauthbearer.scope"],
			AssertionFile: p["sasl.oauthbearer.assertion.file"],
			KeyFile:       p["sasl.oauthbearer.assertion.private.key.file"],
			KeyPassword:   connector.Secret(p["sasl.oauthbearer.assertion.private.key.passphrase"]),
			ClientAuth:    pick(p["sasl.oauthbearer.assertion.private.key.file"] != "", string(auth.PrivateKeyJWT), ""),
		},
	}
}

// javaPath is the Java key that fills a path of Settings.
func javaPath(path string) string {
	for key, to := range javaKeys {
		if to != "" && to == path {
			return key
		}
	}
	switch {
	case strings.HasPrefix(path, "sasl_config"):
		return "sasl.jaas.config"
	case strings.HasPrefix(path, "ssl_config.truststore"):
		return "ssl.truststore.location"
	case strings.HasPrefix(path, "ssl_config.keystore"):
		return "ssl.keystore.location"
	case strings.HasPrefix(path, "ssl_config"):
		return "ssl.truststore.location"
	}
	return path
}

// javaMessage puts the Java names into a message about our own.
func javaMessage(m string) string {
	return strings.NewReplacer("certificates (PEM text), or content (base64 of the store)", "ssl.truststore.certificates with ssl.truststore.type=PEM",
		"key and certificate_chain (PEM text), or content (base64 of the store)", "ssl.keystore.key and ssl.keystore.certificate.chain with ssl.keystore.type=PEM",
		"security_protocol", "security.protocol", "sasl_config", "sasl.jaas.config", "ssl_config", "the ssl. keys").Replace(m)
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// didYouMean names the known key that differs least, if any is close.
func didYouMean[V any](key string, known map[string]V) string {
	best, least := "", 4
	for _, k := range sortedKeys(known) {
		if d := distance(strings.ToLower(key), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
