package kafka

import (
	"os"

	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
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
	check := func(key, path string) {
		if path == "" {
			return
		}
		file, err := os.Open(path)
		if err != nil {
			f.add(at+key, "%s; check the path and the rights", redact.File(err))
			return
		}
		defer func() { _ = file.Close() }()
		if info, err := file.Stat(); err == nil && info.IsDir() {
			f.add(at+key, "%s is a folder; give a file", redact.Path(path))
		}
	}
	switch s.mechanism() {
	case MechanismOAuthBearer:
		check("oauth_token_file", s.OAuthTokenFile)
		if s.OAuth.TokenURL != "" {
			*f = append(*f, s.OAuth.CheckFiles(at)...)
		}
	case MechanismGSSAPI:
		check("kerberos_keytab", s.KerberosKeytab)
		check("kerberos_ccache", s.KerberosCCache)
		check("kerberos_config", s.kerberosConfig())
		if _, realm := s.principal(); realm == "" && s.KerberosCCache == "" {
			f.add(at+"kerberos_realm", "is missing, and %s names no default_realm; write username as name@REALM, or give kerberos_realm", redact.Path(s.kerberosConfig()))
		}
	}
}

func pick(cond bool, yes, no string) string {
	if cond {
		return yes
	}
	return no
}
