package kafka

import (
	"os"
	"strings"

	"github.com/IBM/sarama"
	"github.com/jcmturner/gokrb5/v8/config"
)

// kerberosConfig is the krb5.conf in use, found as MIT's tools find it.
func (s *SASL) kerberosConfig() string {
	if s.KerberosConfig != "" {
		return s.KerberosConfig
	}
	if env := os.Getenv("KRB5_CONFIG"); env != "" {
		return env
	}
	return "/etc/krb5.conf"
}

// principal is who we are, in the realm that the settings name or else the
// default one of krb5.conf; realm is "" when nothing names one.
func (s *SASL) principal() (user, realm string) {
	user, realm, _ = strings.Cut(s.Username, "@")
	if realm == "" {
		realm = s.KerberosRealm
	}
	if realm == "" {
		// What the library does not know (an include, say) is an error that
		// leaves the rest readable.
		if conf, _ := config.Load(s.kerberosConfig()); conf != nil {
			realm = conf.LibDefaults.DefaultRealm
		}
	}
	return user, realm
}

// setKerberos fills the GSSAPI part. FAST negotiation is switched off: the
// Kerberos library cannot do it and most KDCs do not ask for it.
func (s *SASL) setKerberos(cfg *sarama.Config) {
	user, realm := s.principal()
	sasl := &cfg.Net.SASL
	sasl.Mechanism = sarama.SASLTypeGSSAPI
	g := &sasl.GSSAPI
	g.ServiceName = orDefault(s.KerberosServiceName, DefaultKerberosService)
	g.KerberosConfigPath = s.kerberosConfig()
	g.Username, g.Realm = user, realm
	g.DisablePAFXFAST = true
	switch {
	case s.KerberosKeytab != "":
		g.AuthType, g.KeyTabPath = sarama.KRB5_KEYTAB_AUTH, s.KerberosKeytab
	case s.KerberosCCache != "":
		g.AuthType, g.CCachePath = sarama.KRB5_CCACHE_AUTH, s.KerberosCCache
		// The cache names the principal. The library wants both names all the
		// same, and then does not look at them.
		g.Username, g.Realm = orDefault(user, "cache"), orDefault(realm, "cache")
	default:
		g.AuthType, g.Password = sarama.KRB5_USER_AUTH, s.Password.Reveal()
	}
	// The principal of a broker is made of its name. Brokers that are reached
	// by another name (a tunnel, an address) give it in kerberos_host.
	g.BuildSpn = func(service, host string) string {
		return service + "/" + orDefault(s.KerberosHost, strings.ToLower(host))
	}
}
