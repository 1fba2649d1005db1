package kafka

import (
	"reflect"
	"slices"
	"strings"

	"github.com/headrace/headrace/auth/kerberos"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
)

// validate reports the faults of sasl_config. The path of a key that came from
// a JAAS line is jaas_config.
func (s *SASL) validate(f *faults, in *Settings) {
	const at = "sasl_config."
	r, jaasFaults := s.resolve()
	*f = append(*f, jaasFaults...)
	if len(jaasFaults) > 0 {
		return
	}
	if strings.ContainsAny(r.Username, "\x00") || strings.ContainsRune(r.Password.Reveal(), 0) {
		f.add(at+"username", "username and password cannot hold a zero byte")
	}
	if s.JAASConfig != "" {
		begin := len(*f)
		defer func() { blameJAAS((*f)[begin:], s.given()) }()
	}
	m := r.mechanism()
	switch m {
	case MechanismPlain, MechanismSCRAM256, MechanismSCRAM512:
		r.validatePassword(f, at, m)
	case MechanismOAuthBearer:
		r.validateOAuth(f, at)
	case MechanismGSSAPI:
		r.validateKerberos(f, at)
	case MechanismAWSMSKIAM:
		if in.Protocol() == ProtocolSASLPlaintext {
			f.add("security_protocol", "must be SASL_SSL with AWS_MSK_IAM")
		}
		r.validateAWS(f, at, in)
	default:
		f.add(at+"mechanism", "%s is not a mechanism; use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, GSSAPI or AWS_MSK_IAM%s", redact.Quote(s.Mechanism), mechanismHint(m))
		return
	}
	r.validateForeign(f, at, m)
	for _, fault := range connector.PathFaults(r, at, map[string]string{"oauth_token_file": "oauth_token"}) {
		if !slices.ContainsFunc(*f, func(known connector.Fault) bool { return known.Path == fault.Path }) { // those of the keys in use were found above
			*f = append(*f, fault)
		}
	}
	if shape := redact.Shape(r.KerberosCCache); shape != "" {
		f.add(at+"kerberos_ccache", "holds %s, not a path; write it into a file and give the name of that", shape)
	}
}

// blameJAAS moves faults to the JAAS line that are about keys which it stands
// for. What tokens are asked for with may be written beside it and stays.
func blameJAAS(found []connector.Fault, written []string) {
	for i, fault := range found {
		if key, ok := strings.CutPrefix(fault.Path, "sasl_config."); ok && key != "mechanism" && !strings.HasPrefix(key, "oauth_") && !slices.Contains(written, key) {
			found[i] = connector.Fault{Path: "sasl_config.jaas_config", Message: "has a fault: " + key + " " + fault.Message}
		}
	}
}

func mechanismHint(m string) string {
	switch c := strings.NewReplacer("-", "", "_", "").Replace(m); {
	case strings.Contains(c, "512"):
		return "; did you mean SCRAM-SHA-512?"
	case strings.Contains(c, "SCRAM"):
		return "; did you mean SCRAM-SHA-256 or SCRAM-SHA-512?"
	case strings.Contains(c, "OAUTH"):
		return "; did you mean OAUTHBEARER?"
	case strings.Contains(c, "KERB") || strings.Contains(c, "KRB"):
		return "; did you mean GSSAPI?"
	case strings.Contains(c, "MSK") || strings.Contains(c, "IAM"):
		return "; did you mean AWS_MSK_IAM?"
	}
	return ""
}

func (s *SASL) validatePassword(f *faults, at, m string) {
	if s.Username == "" {
		f.add(at+"username", "is required for %s", m)
	}
	if s.Password == "" {
		f.add(at+"password", "is required for %s", m)
	}
}

func (s *SASL) validateOAuth(f *faults, at string) {
	if s.OAuthToken != "" || s.OAuthTokenFile != "" {
		if s.OAuthToken != "" && s.OAuthTokenFile != "" {
			f.add(at+"oauth_token_file", "cannot be given together with oauth_token; keep one of them")
		}
		if s.OAuth.TokenURL != "" || s.OAuth.ClientSecret != "" || s.OAuth.ClientSecretFile != "" || s.OAuth.AssertionFile != "" || s.OAuth.SubjectTokenFile != "" {
			f.add(at+pick(s.OAuthToken != "", "oauth_token", "oauth_token_file"), "cannot be given together with a token endpoint; keep one of them")
		}
		s.validateExtensions(f, at)
		return
	}
	*f = append(*f, s.OAuth.Faults(at)...)
	s.validateExtensions(f, at)
}

// validateExtensions holds KIP-342: names are letters, values are printable,
// and auth is taken by the token itself.
func (s *SASL) validateExtensions(f *faults, at string) {
	for k, v := range s.OAuthExtensions {
		letters := strings.IndexFunc(k, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) < 0
		printable := strings.IndexFunc(v, func(r rune) bool { return (r < 0x20 && r != '\t' && r != '\r' && r != '\n') || r > 0x7e }) < 0
		switch {
		case k == "" || !letters:
			f.add(at+"oauth_extensions", "%s is not a name of a SASL extension; only letters are allowed", redact.Key(k))
		case strings.EqualFold(k, "auth"):
			f.add(at+"oauth_extensions", "auth is reserved for the token; use another name")
		case !printable:
			f.add(at+"oauth_extensions", "the value of %s holds characters that SASL extensions cannot carry", k)
		}
	}
}

func (s *SASL) validateKerberos(f *faults, at string) {
	if _, err := kerberos.CCache(s.KerberosCCache); err != nil {
		f.add(at+"kerberos_ccache", "%s", err)
	}
	ways := 0
	for _, given := range []bool{s.Password != "", s.KerberosKeytab != "", s.KerberosCCache != ""} {
		if given {
			ways++
		}
	}
	switch {
	case ways == 0:
		f.add(at+"kerberos_keytab", "is missing; GSSAPI needs a keytab, a password or kerberos_ccache")
	case ways > 1:
		f.add(at+"kerberos_keytab", "GSSAPI takes one of kerberos_keytab, password and kerberos_ccache; keep one of them")
	}
	if s.Username == "" && s.KerberosCCache == "" {
		f.add(at+"username", "is required for GSSAPI; it is the principal, such as exporter@EXAMPLE.COM")
	}
	if _, realm, ok := strings.Cut(s.Username, "@"); ok && s.KerberosRealm != "" && realm != s.KerberosRealm {
		f.add(at+"kerberos_realm", "differs from the realm in username; keep one of them")
	}
}

func (s *SASL) validateAWS(f *faults, at string, in *Settings) {
	if (s.AWSAccessKeyID == "") != (s.AWSSecretAccessKey == "") {
		f.add(at+"aws_access_key_id", "aws_access_key_id and aws_secret_access_key go together")
	}
	if s.AWSSessionToken != "" && s.AWSAccessKeyID == "" {
		f.add(at+"aws_session_token", "needs aws_access_key_id and aws_secret_access_key")
	}
	if s.AWSProfile != "" && s.AWSAccessKeyID != "" {
		f.add(at+"aws_profile", "cannot be given together with aws_access_key_id; keep one of them")
	}
	if s.AWSProfile != "" && s.AWSRoleARN != "" {
		f.add(at+"aws_profile", "cannot be given together with aws_role_arn; name the role in the profile")
	}
	if s.AWSSTSRegion != "" && s.AWSAccessKeyID == "" {
		f.add(at+"aws_sts_region", "is used with aws_access_key_id only; otherwise set AWS_REGION for the role's endpoint")
	}
	if s.AWSRoleARN == "" && (s.AWSRoleSessionName != "" || s.AWSRoleExternalID != "") {
		f.add(at+"aws_role_arn", "is missing; aws_role_session_name and aws_role_external_id belong to it")
	}
	if s.AWSRoleARN != "" && !strings.HasPrefix(s.AWSRoleARN, "arn:") {
		f.add(at+"aws_role_arn", "is not an ARN; it looks like arn:aws:iam::123456789012:role/name")
	}
	if s.awsRegion(in) == "" {
		f.add(at+"aws_region", "is missing; it is not in the brokers' names, AWS_REGION or the profile")
	}
}

// validateForeign reports keys of one mechanism that are given to another: they
// would be ignored without a word otherwise.
func (s *SASL) validateForeign(f *faults, at, m string) {
	given := s.given()
	for _, of := range []struct{ prefix, mechanism string }{{"oauth_", MechanismOAuthBearer}, {"kerberos_", MechanismGSSAPI}, {"aws_", MechanismAWSMSKIAM}} {
		if of.mechanism == m {
			continue
		}
		for _, key := range given {
			if strings.HasPrefix(key, of.prefix) {
				f.add(at+key, "belongs to mechanism %s, but mechanism is %s", of.mechanism, m)
			}
		}
	}
	if s.Username == "" && s.Password == "" {
		return
	}
	switch m {
	case MechanismOAuthBearer:
		f.add(at+"username", "username and password are not used by OAUTHBEARER; use oauth_client_id and oauth_client_secret, or another mechanism")
	case MechanismAWSMSKIAM:
		f.add(at+"username", "username and password are not used by AWS_MSK_IAM; use aws_access_key_id and aws_secret_access_key, or the usual AWS chain")
	}
}

// given are the keys of sasl_config that are written.
func (s *SASL) given() (keys []string) {
	for _, v := range []any{*s, s.OAuth} {
		fields := reflect.ValueOf(v)
		for i := range fields.NumField() {
			if key := fields.Type().Field(i).Tag.Get("mapstructure"); !strings.HasPrefix(key, ",") && !fields.Field(i).IsZero() {
				keys = append(keys, key)
			}
		}
	}
	return keys
}
