package kafka

import (
	"fmt"
	"os"
	"strings"

	"github.com/headrace/headrace/auth/jaas"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
)

// resolve returns the settings with a JAAS line, if there is one, turned into
// the keys it stands for. Faults name sasl_config.jaas_config.
func (s *SASL) resolve() (SASL, []connector.Fault) {
	if s.JAASConfig == "" {
		return *s, nil
	}
	const at = "sasl_config.jaas_config"
	var f faults
	entry, err := jaas.Parse(s.JAASConfig.Reveal())
	if err != nil {
		f.add(at, "%s", err)
		return *s, f
	}
	if s.Username != "" || s.Password != "" || s.OAuth.ClientID != "" || s.OAuth.ClientSecret != "" || s.OAuth.ClientSecretFile != "" || s.OAuthToken != "" || s.KerberosKeytab != "" || s.AWSAccessKeyID != "" {
		f.add(at, "cannot be given together with keys for the same credentials; keep one of them")
	}
	out := *s
	out.JAASConfig = ""
	out.Mechanism = jaasMechanism(s, entry, &f)
	if len(f) > 0 {
		return out, f
	}
	o := &jaasOptions{values: entry.Options, faults: &f}
	switch out.mechanism() {
	case MechanismPlain, MechanismSCRAM256, MechanismSCRAM512:
		out.Username, out.Password = o.get("username"), o.secret("password")
		if o.flag("tokenauth") {
			f.add(at, "tokenauth: delegation tokens are not supported; use a user with a password")
		}
	case MechanismOAuthBearer:
		o.oauth(&out)
	case MechanismGSSAPI:
		o.kerberos(&out)
	case MechanismAWSMSKIAM:
		o.aws(&out)
	}
	return out, f
}

// jaasMechanism is the mechanism that the module stands for, held against the
// one that is configured.
func jaasMechanism(s *SASL, e jaas.Entry, f *faults) string {
	const at = "sasl_config.jaas_config"
	modules := map[string][]string{
		"PlainLoginModule":       {MechanismPlain},
		"ScramLoginModule":       {MechanismSCRAM256, MechanismSCRAM512},
		"OAuthBearerLoginModule": {MechanismOAuthBearer},
		"Krb5LoginModule":        {MechanismGSSAPI},
		"IAMLoginModule":         {MechanismAWSMSKIAM},
	}
	given := strings.TrimSpace(s.Mechanism)
	if e.Module == "" {
		if given == "" {
			f.add("sasl_config.mechanism", "is missing; the JAAS line does not name its login module")
		}
		return s.mechanism()
	}
	fits, known := modules[e.Name()]
	switch {
	case !known:
		f.add(at, "login module %s is not supported; use PlainLoginModule, ScramLoginModule, OAuthBearerLoginModule, Krb5LoginModule or IAMLoginModule", redact.Quote(e.Name()))
		return s.mechanism()
	case given == "" && len(fits) == 1:
		return fits[0]
	case given == "":
		f.add("sasl_config.mechanism", "is missing; ScramLoginModule serves SCRAM-SHA-256 and SCRAM-SHA-512")
	case !oneOf(s.mechanism(), fits...):
		f.add(at, "holds %s, but mechanism is %s; change one of them", e.Name(), s.mechanism())
	}
	return s.mechanism()
}

// jaasOptions reads the options of one line.
type jaasOptions struct {
	values map[string]string
	faults *faults
}

// get returns the first of the names that is given.
func (o *jaasOptions) get(names ...string) string {
	for _, n := range names {
		if v := o.values[n]; v != "" {
			return v
		}
	}
	return ""
}

func (o *jaasOptions) secret(names ...string) connector.Secret {
	return connector.Secret(o.get(names...))
}

func (o *jaasOptions) flag(name string) bool { return strings.EqualFold(o.values[name], "true") }

func (o *jaasOptions) refuse(advice string, names ...string) {
	for _, n := range names {
		if _, given := o.values[n]; given {
			o.faults.add("sasl_config.jaas_config", "%s is not supported; %s", n, advice)
		}
	}
}

// oauth reads Gravitee's access_token, the options of Kafka's own handler
// (KIP-768) and Strimzi's names. Keys that are written beside the line fill
// what it does not say.
func (o *jaasOptions) oauth(s *SASL) {
	fill := func(dst *string, names ...string) {
		if v := o.get(names...); v != "" {
			*dst = v
		}
	}
	fill(&s.OAuth.TokenURL, "oauth.token.endpoint.uri")
	fill(&s.OAuth.ClientID, "clientId", "oauth.client.id")
	fill(&s.OAuth.Scope, "scope", "oauth.scope")
	fill(&s.OAuth.Audience, "oauth.audience")
	fill(&s.OAuth.CAFile, "oauth.ssl.truststore.location")
	fill(&s.OAuth.AssertionFile, "oauth.client.assertion.location")
	fill(&s.OAuthTokenFile, "oauth.access.token.location")
	if v := o.secret("clientSecret", "oauth.client.secret"); v != "" {
		s.OAuth.ClientSecret = v
	}
	if v := o.secret("access_token", "oauth.access.token"); v != "" {
		s.OAuthToken = v
	}
	if v := o.secret("oauth.ssl.truststore.password"); v != "" {
		s.OAuth.CAPassword = v
	}
	for name, v := range o.values {
		ext, ok := strings.CutPrefix(name, "extension_")
		if !ok {
			ext, ok = strings.CutPrefix(name, "oauth.sasl.extension.")
		}
		if ok {
			s.OAuthExtensions = with(s.OAuthExtensions, ext, v)
		}
		if strings.HasPrefix(name, "unsecuredLogin") {
			o.faults.add("sasl_config.jaas_config", "%s: unsecured tokens are not supported; brokers that accept them accept anyone", name)
		}
	}
	o.refuse("use oauth.client.id and oauth.client.secret", "oauth.refresh.token", "oauth.password.grant.username", "oauth.password.grant.password")
	o.refuse("put the assertion into a file and give oauth.client.assertion.location", "oauth.client.assertion")
	o.refuse("give a file with oauth.ssl.truststore.location", "oauth.ssl.truststore.certificates")
	if v, given := o.values["oauth.ssl.endpoint.identification.algorithm"]; given && v == "" {
		o.faults.add("sasl_config.jaas_config", "oauth.ssl.endpoint.identification.algorithm: the name of the token endpoint is always checked; remove it")
	}
}

func with(m map[string]string, k, v string) map[string]string {
	out := map[string]string{k: v}
	for k2, v2 := range m {
		if k2 != k {
			out[k2] = v2
		}
	}
	return out
}

// kerberos reads the options of the JDK's module and serviceName, which Kafka
// reads itself.
func (o *jaasOptions) kerberos(s *SASL) {
	if v := o.get("serviceName"); v != "" {
		s.KerberosServiceName = v
	}
	s.Username = o.get("principal")
	switch {
	case o.flag("useKeyTab"):
		if s.KerberosKeytab = strings.TrimPrefix(o.get("keyTab"), "file:"); s.KerberosKeytab == "" {
			s.KerberosKeytab = "/etc/krb5.keytab" // the JDK's default
		}
	case o.flag("useTicketCache"):
		s.KerberosCCache = o.get("ticketCache")
		if s.KerberosCCache == "" {
			s.KerberosCCache = defaultCCache()
		}
	default:
		o.faults.add("sasl_config.jaas_config", "Krb5LoginModule needs useKeyTab=true with keyTab, or useTicketCache=true")
	}
}

// defaultCCache is where kinit leaves its tickets.
func defaultCCache() string {
	if env := os.Getenv("KRB5CCNAME"); env != "" {
		return env
	}
	return fmt.Sprintf("/tmp/krb5cc_%d", os.Getuid())
}

func (o *jaasOptions) aws(s *SASL) {
	s.AWSProfile = o.get("awsProfileName")
	s.AWSRoleARN = o.get("awsRoleArn")
	s.AWSRoleSessionName = o.get("awsRoleSessionName")
	s.AWSRoleExternalID = o.get("awsRoleExternalId")
	s.AWSAccessKeyID = o.get("awsRoleAccessKeyId")
	s.AWSSecretAccessKey = o.secret("awsRoleSecretAccessKey")
	s.AWSSessionToken = o.secret("awsRoleSessionToken")
	// As in Amazon's module: the profile is asked first, and keys without a
	// role are ignored.
	if s.AWSProfile != "" {
		s.AWSRoleARN, s.AWSRoleSessionName, s.AWSRoleExternalID = "", "", ""
	}
	if s.AWSRoleARN == "" {
		s.AWSAccessKeyID, s.AWSSecretAccessKey, s.AWSSessionToken = "", "", ""
		s.AWSRoleSessionName, s.AWSRoleExternalID = "", ""
	}
	if s.AWSAccessKeyID != "" {
		s.AWSSTSRegion = o.get("awsStsRegion")
		s.AWSRoleExternalID = "" // used only without keys
	}
}
