package kafka

import (
	"net"
	"strconv"
	"strings"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
)

// Validate reports every fault that needs neither files nor network. The rules
// for combinations are those of reference Mage blocks made strict: a typo in
// security_protocol is an error and never a plain connection.
func (s *Settings) Validate() []connector.Fault {
	var f faults
	if strings.ContainsAny(s.ClientID, "\x00\r\n") || len(s.ClientID) > 249 {
		f.add("client_id", "must be at most 249 characters without line breaks")
	}
	if s.IsZero() {
		return f // the project's default cluster
	}
	s.validateServers(&f)
	known := s.validateProtocol(&f)
	if s.SSL != nil {
		f = append(f, s.SSL.Faults("ssl_config.")...)
		if known && !s.UsesTLS() {
			f.add("ssl_config", "has no effect with security_protocol %s; set SSL or SASL_SSL, or remove it", s.Protocol())
		}
	}
	if s.SASL != nil {
		s.SASL.validate(&f, s)
		if known && !s.UsesSASL() {
			f.add("sasl_config", "has no effect with security_protocol %s; set SASL_SSL or SASL_PLAINTEXT, or remove it", s.Protocol())
		}
	} else if known && s.UsesSASL() {
		f.add("sasl_config", "is required when security_protocol is %s", s.Protocol())
	}
	return f
}

func (s *Settings) validateServers(f *faults) {
	servers := s.Servers()
	if len(servers) == 0 {
		f.add("bootstrap_server", "is missing; give one or more brokers as host:port")
		return
	}
	for _, addr := range servers {
		host, port, err := net.SplitHostPort(addr)
		switch n, convErr := strconv.Atoi(port); {
		case err != nil && !strings.Contains(addr, ":"):
			f.add("bootstrap_server", "%s has no port; write host:port, such as broker.example.com:9092", redact.Quote(addr))
		case err != nil:
			f.add("bootstrap_server", "%s is not host:port; an IPv6 address stands in brackets", redact.Quote(addr))
		case host == "":
			f.add("bootstrap_server", "%s has no host; write host:port", redact.Quote(addr))
		case strings.ContainsAny(host, " \t\r\n/@"):
			f.add("bootstrap_server", "%s is not a host name; write host:port", redact.Quote(addr))
		case convErr != nil || n < 1 || n > 65535:
			f.add("bootstrap_server", "%s has a bad port; it must be between 1 and 65535", redact.Quote(addr))
		}
	}
}

// validateProtocol reports whether the protocol is known.
func (s *Settings) validateProtocol(f *faults) bool {
	p := s.Protocol()
	if oneOf(p, ProtocolPlaintext, ProtocolSSL, ProtocolSASLPlaintext, ProtocolSASLSSL) {
		return true
	}
	hint := ""
	switch c := strings.NewReplacer("-", "_", " ", "_", "TLS", "SSL").Replace(p); {
	case oneOf(c, ProtocolSSL, ProtocolSASLPlaintext, ProtocolSASLSSL, ProtocolPlaintext):
		hint = "; did you mean " + c + "?"
	case strings.Contains(c, "SASL") && strings.Contains(c, "PLAIN"):
		hint = "; did you mean SASL_PLAINTEXT?"
	case strings.Contains(c, "SASL"):
		hint = "; did you mean SASL_SSL?"
	}
	f.add("security_protocol", "%s is not a protocol; use PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL%s", redact.Quote(s.SecurityProtocol), hint)
	return false
}
