package kafka

import (
	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
)

// tlsClient is nil when connections are not encrypted.
func (s *Settings) tlsClient() *tlsstore.Client {
	if !s.UsesTLS() {
		return nil
	}
	return s.SSL.Client()
}

// CheckFiles reads every file that the settings name and reports each that is
// missing, unreadable or of no use: a wrong store password, a key that does
// not match its certificate. Call it after Validate found nothing.
func (s *Settings) CheckFiles() []connector.Fault {
	var f faults
	if s.UsesTLS() && s.SSL != nil {
		f = append(f, s.SSL.CheckFiles("ssl_config.")...)
	}
	if s.UsesSASL() && s.SASL != nil {
		if r, jaasFaults := s.SASL.resolve(); len(jaasFaults) == 0 {
			r.checkFiles(&f)
		}
	}
	return f
}

func (s *SASL) checkFiles(f *faults) {
	const at = "sasl_config."
	switch s.mechanism() {
	case MechanismOAuthBearer:
		if s.OAuthTokenFile != "" {
			if err := auth.CheckFile(s.OAuthTokenFile); err != nil {
				f.add(at+"oauth_token_file", "%s", err)
			}
		}
		if s.OAuth.TokenURL != "" {
			*f = append(*f, s.OAuth.CheckFiles(at)...)
		}
	case MechanismGSSAPI:
		s.checkKerberos(f, at)
	}
}

func pick(cond bool, yes, no string) string {
	if cond {
		return yes
	}
	return no
}
