package kafka

import (
	"net"
	"strconv"
	"strings"

	"github.com/headrace/headrace/connector"
)

// Validate reports every fault that needs neither files nor network. The rules
// for combinations are those of reference Mage blocks made strict: a typo in
// security_protocol is an error and never a plain connection.
func (s *Settings) Validate() []connector.Fault {
	if s.IsZero() {
		return nil // the project's default cluster
	}
	var f faults
	s.validateServers(&f)
	known := s.validateProtocol(&f)
	if strings.ContainsAny(s.ClientID, "\x00\r\n") || len(s.ClientID) > 249 {
		f.add("client_id", "must be at most 249 characters without line breaks")
	}
	if s.SSL != nil {
		s.SSL.validate(&f)
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
			f.add("bootstrap_server", "%q has no port; write host:port, such as %s:9092", addr, addr)
		case err != nil:
			f.add("bootstrap_server", "%q is not host:port; an IPv6 address stands in brackets", addr)
		case host == "":
			f.add("bootstrap_server", "%q has no host; write host:port", addr)
		case strings.ContainsAny(host, " \t\r\n/@"):
			f.add("bootstrap_server", "%q is not a host name; write host:port", addr)
		case convErr != nil || n < 1 || n > 65535:
			f.add("bootstrap_server", "%q has a bad port; it must be between 1 and 65535", addr)
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
	f.add("security_protocol", "%q is not a protocol; use PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL%s", s.SecurityProtocol, hint)
	return false
}

func (c *SSL) validate(f *faults) {
	const at = "ssl_config."
	if c.Truststore != nil {
		c.Truststore.validateTrust(f, at+"truststore")
		if c.CAFile != "" && !c.Truststore.none() {
			f.add(at+"cafile", "cannot be given together with truststore; keep one of them")
		}
	}
	if c.Keystore != nil {
		c.Keystore.validateKey(f, at+"keystore")
		if !c.Keystore.none() && (c.CertFile != "" || c.KeyFile != "") {
			f.add(at+"certfile", "cannot be given together with keystore; keep one of them")
		}
	}
	if c.KeyFile != "" && c.CertFile == "" {
		f.add(at+"certfile", "is missing; keyfile %q needs the certificate that belongs to it", c.KeyFile)
	}
	if c.Password != "" && c.CertFile == "" && c.KeyFile == "" {
		f.add(at+"password", "is the password of a key, but there is no keyfile; a store has its own password key")
	}
}

// storeType is the kind in upper case; PEM when PEM keys are given without one.
func (s *Store) storeType() string {
	t := strings.ToUpper(strings.TrimSpace(s.Type))
	switch {
	case t == "P12" || t == "PFX" || t == "PKCS#12":
		return "PKCS12"
	case t != "":
		return t
	case s.Certificates != "" || s.CertificateChain != "" || s.Key != "" || strings.Contains(s.Content.Reveal(), "-----BEGIN"):
		return "PEM"
	case s.Location == "" && s.Content == "":
		return "NONE"
	}
	return ""
}

func (s *Store) none() bool { return s == nil || s.storeType() == "NONE" }

// validateShape checks what trust and key stores have in common and reports
// whether the details are worth checking.
func (s *Store) validateShape(f *faults, at string) bool {
	switch t := s.storeType(); t {
	case "NONE":
		if s.Type != "" && (s.Location != "" || s.Content != "" || s.Certificates != "" || s.Key != "") {
			f.add(at+".type", "is NONE, but the store is given; say PEM, PKCS12 or JKS")
		}
		if s.Type == "" {
			f.add(at, "is empty; give type and location or content, or remove it")
		}
		return false
	case "PEM", "PKCS12", "JKS":
	case "":
		f.add(at+".type", "is missing; say PEM, PKCS12 or JKS")
		return false
	default:
		f.add(at+".type", "%q is not a kind of store; use NONE, PEM, PKCS12 or JKS", s.Type)
		return false
	}
	if s.Location != "" && s.Content != "" {
		f.add(at+".content", "cannot be given together with location; keep one of them")
	}
	if s.storeType() != "PEM" {
		if s.Certificates != "" || s.CertificateChain != "" || s.Key != "" {
			f.add(at, "certificates, certificate_chain and key belong to type PEM; a %s store goes into location or content", s.storeType())
		}
		if s.Location == "" && s.Content == "" {
			f.add(at+".location", "is missing; give the file, or the store in base64 as content")
		}
	}
	return true
}

func (s *Store) validateTrust(f *faults, at string) {
	if !s.validateShape(f, at) || s.storeType() != "PEM" {
		return
	}
	if s.Location == "" && s.Content == "" && s.Certificates == "" {
		f.add(at+".location", "is missing; give the file, or PEM text as certificates")
	}
	if s.Certificates != "" && (s.Location != "" || s.Content != "") {
		f.add(at+".certificates", "cannot be given together with location or content; keep one of them")
	}
	if s.Key != "" || s.CertificateChain != "" {
		f.add(at+".key", "a trust store has no key; client certificates go into keystore")
	}
}

func (s *Store) validateKey(f *faults, at string) {
	if !s.validateShape(f, at) || s.storeType() != "PEM" {
		return
	}
	if s.Certificates != "" {
		f.add(at+".certificates", "belongs to a trust store; the client's own chain is certificate_chain")
	}
	whole := s.Location != "" || s.Content != ""
	switch {
	case whole && s.Key != "":
		f.add(at+".key", "cannot be given together with location or content; keep one of them")
	case !whole && s.Key == "":
		f.add(at+".key", "is missing; give a PEM file with chain and key as location, or key and certificate_chain as text")
	case !whole && s.CertificateChain == "":
		f.add(at+".certificate_chain", "is missing; key needs the certificate that belongs to it")
	}
}
