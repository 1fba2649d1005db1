// Package kafka is how Headrace reaches Kafka: one Settings struct, its three
// dialects (Mage's block, Gravitee's JSON, Java properties), the clients made
// from it, and the administrative calls. It and its subfolders are the only
// place that imports the Kafka client library.
package kafka

import (
	"strings"

	"github.com/headrace/headrace/auth/tlsstore"
)

// Settings say how to connect to a cluster: Mage's keys and Headrace's
// additions. The other dialects are turned into it by FromGravitee and
// FromJava. The zero value means "the project's default cluster"; see IsZero.
type Settings struct {
	BootstrapServer  []string `mapstructure:"bootstrap_server" doc:"brokers to start from, host:port, a comma list or a YAML list"`
	APIVersion       string   `mapstructure:"api_version" doc:"accepted for Mage's files; versions are negotiated"`
	ClientID         string   `mapstructure:"client_id" doc:"name sent to the brokers; default headrace"`
	SecurityProtocol string   `mapstructure:"security_protocol" enum:"PLAINTEXT,SSL,SASL_PLAINTEXT,SASL_SSL" doc:"how to talk to the brokers, any case; default PLAINTEXT"`
	SSL              *SSL     `mapstructure:"ssl_config" doc:"TLS settings"`
	SASL             *SASL    `mapstructure:"sasl_config" doc:"authentication settings"`
}

// SSL is Mage's ssl_config with key stores added, and Store one of those; they
// are the same for every protocol.
type (
	SSL   = tlsstore.Settings
	Store = tlsstore.StoreSettings
)

// ProtocolPlaintext and its siblings are the closed set of security protocols.
const (
	ProtocolPlaintext     = "PLAINTEXT"
	ProtocolSSL           = "SSL"
	ProtocolSASLPlaintext = "SASL_PLAINTEXT"
	ProtocolSASLSSL       = "SASL_SSL"
)

// DefaultClientID is what brokers see of us in their logs and quotas.
const DefaultClientID = "headrace"

// DefaultSettings are the values set before decoding. There are none: an empty
// Settings is how a block says that it uses the project's default cluster.
func DefaultSettings() Settings { return Settings{} }

// IsZero reports that no key says where the cluster is or how to get in, so
// that the project's default cluster is meant. A client_id and an api_version
// say neither.
func (s *Settings) IsZero() bool {
	return len(s.Servers()) == 0 && s.SecurityProtocol == "" && s.SSL == nil && s.SASL == nil
}

// In returns def, the settings of the cluster that a zero Settings means, with
// what s says beyond it.
func (s *Settings) In(def Settings) Settings {
	if s.ClientID != "" {
		def.ClientID = s.ClientID
	}
	if s.APIVersion != "" {
		def.APIVersion = s.APIVersion
	}
	return def
}

// Servers are the bootstrap addresses, one an element: comma lists are split,
// and listener prefixes such as SASL_SSL:// (Java allows them) are cut.
func (s *Settings) Servers() []string {
	var out []string
	for _, entry := range s.BootstrapServer {
		for part := range strings.SplitSeq(entry, ",") {
			part = strings.TrimSpace(part)
			if _, rest, ok := strings.Cut(part, "://"); ok {
				part = rest
			}
			if part = strings.TrimSuffix(part, "/"); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

// Protocol is the security protocol in upper case; PLAINTEXT when none is
// given. A value outside the closed set comes back as it is, for Validate.
func (s *Settings) Protocol() string {
	if p := strings.ToUpper(strings.TrimSpace(s.SecurityProtocol)); p != "" {
		return p
	}
	return ProtocolPlaintext
}

// UsesTLS reports whether connections are encrypted.
func (s *Settings) UsesTLS() bool {
	return s.Protocol() == ProtocolSSL || s.Protocol() == ProtocolSASLSSL
}

// UsesSASL reports whether connections authenticate with SASL.
func (s *Settings) UsesSASL() bool {
	return s.Protocol() == ProtocolSASLPlaintext || s.Protocol() == ProtocolSASLSSL
}
