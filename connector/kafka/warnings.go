package kafka

import (
	"net/url"

	"github.com/headrace/headrace/auth"
)

// Warnings are remarks about settings that work but are weaker than they look,
// one sentence each. They hold no secrets. The trust store is read for them.
func (s *Settings) Warnings() []string {
	var out []string
	if s.APIVersion != "" {
		out = append(out, "api_version is ignored: versions are negotiated with each broker")
	}
	if s.UsesTLS() && !s.SSL.ChecksHostname() {
		out = append(out, "ssl_config.check_hostname is false: any server with a certificate of a trusted CA can pose as a broker")
	}
	if s.UsesTLS() {
		if trust := s.SSL.TrustStore(); trust != nil {
			out = append(out, trust.Skipped()...)
		}
	}
	if s.Protocol() == ProtocolSASLPlaintext && s.SASL != nil && !s.allLoopback() {
		switch s.SASL.mechanism() {
		case MechanismPlain:
			out = append(out, "security_protocol SASL_PLAINTEXT with PLAIN sends the password in clear text; use SASL_SSL")
		case MechanismOAuthBearer:
			out = append(out, "security_protocol SASL_PLAINTEXT with OAUTHBEARER sends the token in clear text; use SASL_SSL")
		}
	}
	if s.SASL != nil && s.SASL.OAuth.TokenURL != "" {
		if u, err := url.Parse(s.SASL.OAuth.TokenURL); err == nil && u.Scheme == "http" && !auth.Loopback(u.Host) {
			out = append(out, "sasl_config.oauth_token_url is plain http: the client secret and the token can be read on the way")
		}
	}
	if s.SASL != nil && s.SASL.OAuthToken != "" {
		out = append(out, "sasl_config.oauth_token is a fixed token: the run fails when it expires")
	}
	return out
}

func (s *Settings) allLoopback() bool {
	for _, addr := range s.Servers() {
		if !auth.Loopback(addr) {
			return false
		}
	}
	return true
}
