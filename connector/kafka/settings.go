// Package kafka is how Headrace reaches Kafka: one Settings struct, its three
// dialects (Mage's block, Gravitee's JSON, Java properties), the clients made
// from it, and the administrative calls. It and its subfolders are the only
// place that imports the Kafka client library.
package kafka

import (
	"net"
	"strings"

	"github.com/headrace/headrace/connector"
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

// SSL is Mage's ssl_config with key stores added.
type SSL struct {
	CAFile        string           `mapstructure:"cafile" doc:"PEM file of the CAs to trust; default the system's"`
	CertFile      string           `mapstructure:"certfile" doc:"PEM file of the client certificate chain"`
	KeyFile       string           `mapstructure:"keyfile" doc:"PEM file of the client key; default it stands in certfile"`
	Password      connector.Secret `mapstructure:"password" doc:"password of the key"`
	CheckHostname *bool            `mapstructure:"check_hostname" doc:"whether the broker's name must match its certificate; default true"`
	Truststore    *Store           `mapstructure:"truststore" doc:"CAs to trust, in a store"`
	Keystore      *Store           `mapstructure:"keystore" doc:"client certificate and key, in a store"`
}

// Store is a trust or key store, by location or inline.
type Store struct {
	Type             string           `mapstructure:"type" enum:"NONE,PEM,PKCS12,JKS" doc:"kind of store; a JKS that is really PKCS12, as newer keytools write it, is read too"`
	Location         string           `mapstructure:"location" doc:"file"`
	Content          connector.Secret `mapstructure:"content" doc:"the store itself: PEM text, or base64 for the binary kinds"`
	Password         connector.Secret `mapstructure:"password" doc:"password of the store"`
	KeyPassword      connector.Secret `mapstructure:"key_password" doc:"password of the key, if it has its own"`
	Certificates     string           `mapstructure:"certificates" doc:"PEM certificates to trust"`
	CertificateChain string           `mapstructure:"certificate_chain" doc:"PEM client certificate chain"`
	Key              connector.Secret `mapstructure:"key" doc:"PEM client key"`
}

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

// IsZero reports that no key was given, so that the project's default cluster
// is meant.
func (s *Settings) IsZero() bool {
	return len(s.Servers()) == 0 && s.APIVersion == "" && s.ClientID == "" && s.SecurityProtocol == "" && s.SSL == nil && s.SASL == nil
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

// checkHostname is true unless it is switched off in writing.
func (s *SSL) checkHostname() bool { return s == nil || s.CheckHostname == nil || *s.CheckHostname }

// loopback reports whether an address or host name can only mean this machine.
func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
