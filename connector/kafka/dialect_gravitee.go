package kafka

import (
	"fmt"
	"strings"

	"github.com/headrace/headrace/connector"
)

// graviteeShape is the security part of a Kafka endpoint of a Gravitee v4 API,
// every object with its keys. A leaf is nil.
var graviteeShape = map[string]any{
	"protocol": nil,
	"sasl":     map[string]any{"saslMechanism": nil, "saslJaasConfig": nil},
	"ssl": map[string]any{
		"trustStore": map[string]any{"type": nil, "location": nil, "password": nil, "certificates": nil},
		"keyStore":   map[string]any{"type": nil, "location": nil, "password": nil, "key": nil, "keyPassword": nil, "certificateChain": nil},
	},
}

// FromGravitee reads the connection of a Kafka endpoint of a Gravitee v4 API:
// bootstrapServers (of configuration) and security (of sharedConfiguration),
// merged into one map. Objects and dotted keys are both accepted, and any case
// of a key: the documents spell keystore and keyStore. Keys beside these two
// are left alone; an unknown one below security is a fault. Faults carry
// Gravitee's paths and include those of Validate.
func FromGravitee(m map[string]any) (Settings, []connector.Fault) {
	var f faults
	tree := undot(m)
	g := graviteeValues{}
	if security := lookup(tree, "security"); security != nil {
		sub, ok := security.(map[string]any)
		if !ok {
			f.add("security", "must be an object")
		} else {
			g.collect("", sub, graviteeShape, &f)
		}
	}
	s := Settings{SecurityProtocol: g["protocol"]}
	switch v := lookup(tree, "bootstrapServers").(type) {
	case nil:
	case string:
		s.BootstrapServer = strings.Split(v, ",")
	case []any:
		for _, one := range v {
			s.BootstrapServer = append(s.BootstrapServer, fmt.Sprint(one))
		}
	default:
		f.add("bootstrapServers", "must be text: host:port, several with commas between")
	}
	if g["sasl.saslMechanism"] != "" || g["sasl.saslJaasConfig"] != "" {
		s.SASL = &SASL{Mechanism: g["sasl.saslMechanism"], JAASConfig: connector.Secret(g["sasl.saslJaasConfig"])}
		if g["sasl.saslMechanism"] == "" {
			f.add("security.sasl.saslMechanism", "is missing")
		}
	}
	trust, key := g.store("ssl.trustStore.", s.UsesTLS()), g.store("ssl.keyStore.", s.UsesTLS())
	if trust != nil || key != nil {
		s.SSL = &SSL{Truststore: trust, Keystore: key}
	}
	for _, fault := range s.Validate() {
		f = append(f, connector.Fault{Path: graviteePath(fault.Path), Message: graviteeMessage(fault.Message)})
	}
	return s, f
}

// graviteeValues are the leaves of the security object by dotted path.
type graviteeValues map[string]string

func (g graviteeValues) collect(at string, m, shape map[string]any, f *faults) {
	for _, key := range sortedKeys(m) {
		known, sub, ok := shapeOf(shape, key)
		path := at + known
		switch v := m[key].(type) {
		case nil:
		case map[string]any:
			if !ok {
				f.add("security."+at+key, "is not a key of a Kafka endpoint%s", didYouMean(key, shape))
			} else if sub == nil {
				f.add("security."+path, "must be text")
			} else {
				g.collect(path+".", v, sub, f)
			}
		default:
			switch {
			case !ok:
				f.add("security."+at+key, "is not a key of a Kafka endpoint%s", didYouMean(key, shape))
			case sub != nil:
				f.add("security."+path, "must be an object")
			default:
				text, isText := v.(string)
				if !isText {
					f.add("security."+path, "must be text")
				}
				g[path] = text
			}
		}
	}
}

// shapeOf finds a key in any case; sub is nil for a leaf.
func shapeOf(shape map[string]any, key string) (known string, sub map[string]any, ok bool) {
	for k, v := range shape {
		if strings.EqualFold(k, key) {
			sub, _ = v.(map[string]any)
			return k, sub, true
		}
	}
	return key, nil, false
}

// store is nil when none is given; the console writes the type alone where TLS
// is not used. Inline content stands in certificates (of a
// trust store) or key (of a key store), for binary stores too.
func (g graviteeValues) store(at string, used bool) *Store {
	kind := strings.ToUpper(strings.TrimSpace(g[at+"type"]))
	s := &Store{Type: kind, Location: g[at+"location"], Password: connector.Secret(g[at+"password"]), KeyPassword: connector.Secret(g[at+"keyPassword"]),
		Certificates: g[at+"certificates"], CertificateChain: g[at+"certificateChain"], Key: connector.Secret(g[at+"key"])}
	given := s.Location != "" || s.Certificates != "" || s.Key != ""
	switch {
	case kind == "NONE", !given && (kind == "" || !used):
		return nil
	case kind == "":
		s.Type = "JKS" // Gravitee's default
	}
	if s.Type != "PEM" && s.Location == "" {
		s.Content = s.Key
		if s.Certificates != "" {
			s.Content = connector.Secret(s.Certificates)
		}
		s.Certificates, s.Key = "", ""
	}
	return s
}

// undot turns {"security.protocol": x} into {"security": {"protocol": x}}.
func undot(m map[string]any) map[string]any {
	out := map[string]any{}
	for _, key := range sortedKeys(m) {
		at := out
		parts := strings.Split(key, ".")
		for _, part := range parts[:len(parts)-1] {
			next, ok := at[part].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[part] = next
			}
			at = next
		}
		last := parts[len(parts)-1]
		if sub, ok := m[key].(map[string]any); ok {
			value := undot(sub)
			if have, ok := at[last].(map[string]any); ok {
				for k, v := range value {
					have[k] = v
				}
				continue
			}
			at[last] = value
			continue
		}
		at[last] = m[key]
	}
	return out
}

func lookup(m map[string]any, key string) any {
	for k, v := range m {
		if strings.EqualFold(k, key) {
			return v
		}
	}
	return nil
}

var graviteePaths = strings.NewReplacer(
	"bootstrap_server", "bootstrapServers", "security_protocol", "security.protocol",
	"sasl_config.mechanism", "security.sasl.saslMechanism", "ssl_config.truststore", "security.ssl.trustStore", "ssl_config.keystore", "security.ssl.keyStore",
	"certificate_chain", "certificateChain", "key_password", "keyPassword")

func graviteePath(path string) string {
	if strings.HasPrefix(path, "sasl_config") && path != "sasl_config.mechanism" {
		return "security.sasl.saslJaasConfig"
	}
	if path == "ssl_config" {
		return "security.ssl"
	}
	return graviteePaths.Replace(path)
}

func graviteeMessage(m string) string {
	return strings.NewReplacer("certificate_chain", "certificateChain", ", or content (base64 of the store)", "", "security_protocol", "security.protocol", "sasl_config", "security.sasl", "ssl_config", "security.ssl").Replace(m)
}
