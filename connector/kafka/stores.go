package kafka

import (
	"errors"
	"os"

	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
)

// trustStore and keyStore turn both spellings of ssl_config, files and stores,
// into the one that is read; nil means the system's CAs, or no certificate.
func (c *SSL) trustStore() *tlsstore.Store {
	switch {
	case c == nil:
		return nil
	case c.CAFile != "":
		return &tlsstore.Store{Kind: tlsstore.PEM, Location: c.CAFile}
	case c.Truststore.none():
		return nil
	}
	s := c.Truststore.store()
	if c.Truststore.Certificates != "" {
		s.Content = c.Truststore.Certificates
	}
	return s
}

func (c *SSL) keyStore() *tlsstore.Store {
	switch {
	case c == nil:
		return nil
	case c.CertFile != "":
		return &tlsstore.Store{Kind: tlsstore.PEM, Location: c.CertFile, KeyLocation: c.KeyFile, KeyPassword: c.Password.Reveal()}
	case c.Keystore.none():
		return nil
	}
	s := c.Keystore.store()
	switch {
	case c.Keystore.Key != "":
		s.Content, s.KeyContent = c.Keystore.CertificateChain, c.Keystore.Key.Reveal()
	case c.Keystore.CertificateChain != "" && s.Location != "":
		// Gravitee's form: the file holds the key, the chain is text.
		s.KeyLocation, s.Location, s.Content = s.Location, "", c.Keystore.CertificateChain
	}
	return s
}

func (s *Store) store() *tlsstore.Store {
	return &tlsstore.Store{
		Kind:        tlsstore.Kind(s.storeType()),
		Location:    s.Location,
		Content:     s.Content.Reveal(),
		Password:    s.Password.Reveal(),
		KeyPassword: s.KeyPassword.Reveal(),
	}
}

// tlsClient is nil when connections are not encrypted.
func (s *Settings) tlsClient() *tlsstore.Client {
	if !s.UsesTLS() {
		return nil
	}
	return tlsstore.NewClient(s.SSL.trustStore(), s.SSL.keyStore(), s.SSL.checkHostname())
}

// CheckFiles reads every file that the settings name and reports each that is
// missing, unreadable or of no use: a wrong store password, a key that does
// not match its certificate. Call it after Validate found nothing.
func (s *Settings) CheckFiles() []connector.Fault {
	var f faults
	if s.UsesTLS() && s.SSL != nil {
		s.SSL.checkFiles(&f)
	}
	if s.UsesSASL() && s.SASL != nil {
		if r, jaasFaults := s.SASL.resolve(); len(jaasFaults) == 0 {
			r.checkFiles(&f)
		}
	}
	return f
}

func (c *SSL) checkFiles(f *faults) {
	if t := c.trustStore(); t != nil {
		if _, err := t.Trusted(); err != nil {
			f.add("ssl_config."+pick(c.CAFile != "", "cafile", "truststore"), "%s", err)
		}
	}
	if k := c.keyStore(); k != nil {
		if _, err := k.Identity(); err != nil {
			f.add("ssl_config."+pick(c.CertFile != "", blameKey(err, c.KeyFile), "keystore"), "%s", err)
		}
	}
}

func blameKey(err error, keyFile string) string {
	if keyFile != "" && (errors.Is(err, tlsstore.ErrNoKey) || errors.Is(err, tlsstore.ErrKeyMismatch) || errors.Is(err, tlsstore.ErrWrongPassword) || errors.Is(err, tlsstore.ErrNeedsPassword)) {
		return "keyfile"
	}
	return "certfile"
}

func (s *SASL) checkFiles(f *faults) {
	const at = "sasl_config."
	check := func(key, path string) {
		if path == "" {
			return
		}
		file, err := os.Open(path)
		if err != nil {
			f.add(at+key, "%s; check the path and the rights", err)
			return
		}
		defer func() { _ = file.Close() }()
		if info, err := file.Stat(); err == nil && info.IsDir() {
			f.add(at+key, "%q is a folder; give a file", path)
		}
	}
	switch s.mechanism() {
	case MechanismOAuthBearer:
		check("oauth_assertion_file", s.OAuthAssertionFile)
		check("oauth_token_file", s.OAuthTokenFile)
		check("oauth_subject_token_file", s.OAuthSubjectTokenFile)
		if s.OAuthCAFile != "" {
			if _, err := (&tlsstore.Store{Location: s.OAuthCAFile, Password: s.OAuthCAPassword.Reveal()}).Trusted(); err != nil {
				f.add(at+"oauth_cafile", "%s", err)
			}
		}
		if k := s.oauthIdentity(); k != nil {
			if _, err := k.Identity(); err != nil {
				f.add(at+"oauth_certfile", "%s", err)
			}
		} else if s.OAuthKeyFile != "" {
			s.checkSigningKey(f, at)
		}
	case MechanismGSSAPI:
		check("kerberos_keytab", s.KerberosKeytab)
		check("kerberos_ccache", s.KerberosCCache)
		check("kerberos_config", s.kerberosConfig())
	}
}

func (s *SASL) checkSigningKey(f *faults, at string) {
	b, err := os.ReadFile(s.OAuthKeyFile)
	if err == nil {
		_, err = tlsstore.ParseKey(b, s.OAuthKeyPassword.Reveal(), s.OAuthKeyFile)
	}
	if err != nil {
		f.add(at+"oauth_keyfile", "%s", err)
	}
}

func (s *SASL) oauthIdentity() *tlsstore.Store {
	if s.OAuthCertFile == "" {
		return nil
	}
	return &tlsstore.Store{Kind: tlsstore.PEM, Location: s.OAuthCertFile, KeyLocation: s.OAuthKeyFile, KeyPassword: s.OAuthKeyPassword.Reveal()}
}

func pick(cond bool, yes, no string) string {
	if cond {
		return yes
	}
	return no
}
