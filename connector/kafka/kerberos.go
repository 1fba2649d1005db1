package kafka

import (
	"errors"
	"os"
	"strings"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/auth/kerberos"
	"github.com/headrace/headrace/connector"
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

// kerberos are the principal and its files. A credential cache names the principal
// itself.
func (s *SASL) kerberos() kerberos.Settings {
	out := kerberos.Settings{Conf: s.kerberosConfig(), Keytab: s.KerberosKeytab}
	if s.KerberosCCache != "" {
		out.CCache, _ = kerberos.CCache(s.KerberosCCache) // Validate has looked at it
		return out
	}
	out.User, out.Realm, _ = strings.Cut(s.Username, "@")
	out.Realm = orDefault(out.Realm, s.KerberosRealm)
	return out
}

// setKerberos fills the GSSAPI part. FAST negotiation is switched off: the
// Kerberos library cannot do it and most KDCs do not ask for it.
func setKerberos(cfg *sarama.Config, id *identity) error {
	s := id.sasl
	if err := id.kerberos.Refresh(); err != nil {
		return kerberosFault(err)
	}
	sasl := &cfg.Net.SASL
	sasl.Mechanism = sarama.SASLTypeGSSAPI
	g := &sasl.GSSAPI
	g.ServiceName = orDefault(s.KerberosServiceName, DefaultKerberosService)
	g.Username, _, _ = strings.Cut(s.Username, "@")
	var secret string
	g.KerberosConfigPath, secret, g.Realm = id.kerberos.Paths()
	g.DisablePAFXFAST = true
	switch {
	case s.KerberosKeytab != "":
		g.AuthType, g.KeyTabPath = sarama.KRB5_KEYTAB_AUTH, secret
	case s.KerberosCCache != "":
		g.AuthType, g.CCachePath = sarama.KRB5_CCACHE_AUTH, secret
		// The cache names the principal. The library wants both names all the
		// same, and then does not look at them.
		g.Username, g.Realm = orDefault(g.Username, "cache"), orDefault(g.Realm, "cache")
	default:
		g.AuthType, g.Password = sarama.KRB5_USER_AUTH, s.Password.Reveal()
	}
	// The principal of a broker is made of its name. Brokers that are reached
	// by another name (a tunnel, an address) give it in kerberos_host.
	g.BuildSpn = func(service, host string) string {
		return service + "/" + orDefault(s.KerberosHost, strings.ToLower(host))
	}
	return nil
}

// kerberosKeys are the keys of sasl_config that the faults of a login are about.
var kerberosKeys = map[string]string{"conf": "kerberos_config", "keytab": "kerberos_keytab", "realm": "kerberos_realm", "ccache": "kerberos_ccache"}

func kerberosFault(err error) error {
	key := ""
	var fault *kerberos.Fault
	if errors.As(err, &fault) {
		key = kerberosKeys[fault.Setting] + ": "
	}
	return connector.Errorf(connector.Unauthenticated, "reading sasl_config: %s%w", key, err)
}

// checkKerberos reports the first file that is of no use.
func (s *SASL) checkKerberos(f *faults, at string) {
	var fault *kerberos.Fault
	if errors.As(s.kerberos().Check(), &fault) {
		f.add(at+kerberosKeys[fault.Setting], "%s", fault)
	}
}
