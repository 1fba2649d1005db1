package kafka

import (
	"strings"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/connector"
)

// SASL is Mage's sasl_config with Headrace's additions.
type SASL struct {
	Mechanism string           `mapstructure:"mechanism" enum:"PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER,GSSAPI,AWS_MSK_IAM" doc:"SASL mechanism, any case; default PLAIN as in Mage"`
	Username  string           `mapstructure:"username" doc:"user; for GSSAPI the principal, with or without @REALM"`
	Password  connector.Secret `mapstructure:"password" doc:"password"`

	OAuthTokenURL         string                      `mapstructure:"oauth_token_url" doc:"token endpoint"`
	OAuthClientID         string                      `mapstructure:"oauth_client_id" doc:"client id"`
	OAuthClientSecret     connector.Secret            `mapstructure:"oauth_client_secret" doc:"client secret"`
	OAuthScope            string                      `mapstructure:"oauth_scope" doc:"scope to ask for"`
	OAuthAudience         string                      `mapstructure:"oauth_audience" doc:"audience to ask for"`
	OAuthParams           map[string]connector.Secret `mapstructure:"oauth_params" doc:"further form fields of the token request"`
	OAuthCAFile           string                      `mapstructure:"oauth_cafile" doc:"PEM file (or PKCS12 or JKS store) of the CAs of the token endpoint; default the system's"`
	OAuthCAPassword       connector.Secret            `mapstructure:"oauth_ca_password" doc:"password of oauth_cafile when that is a PKCS12 or JKS store"`
	OAuthClientAuth       string                      `mapstructure:"oauth_client_auth" enum:"post,basic,private_key_jwt,mtls" doc:"how the client proves itself to the token endpoint; default post"`
	OAuthCertFile         string                      `mapstructure:"oauth_certfile" doc:"PEM client certificate for oauth_client_auth mtls"`
	OAuthKeyFile          string                      `mapstructure:"oauth_keyfile" doc:"PEM key for oauth_client_auth mtls or private_key_jwt"`
	OAuthKeyPassword      connector.Secret            `mapstructure:"oauth_key_password" doc:"password of oauth_keyfile"`
	OAuthKeyID            string                      `mapstructure:"oauth_key_id" doc:"kid of the signed assertion of private_key_jwt"`
	OAuthSigningAlgorithm string                      `mapstructure:"oauth_signing_algorithm" enum:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA" doc:"algorithm of private_key_jwt; default by the key"`
	OAuthAssertionFile    string                      `mapstructure:"oauth_assertion_file" doc:"file with a client assertion (a workload token), read again at each refresh"`
	OAuthSubjectTokenFile string                      `mapstructure:"oauth_subject_token_file" doc:"file with a token to exchange (RFC 8693), read again at each refresh"`
	OAuthSubjectTokenType string                      `mapstructure:"oauth_subject_token_type" doc:"type URN of that token; default urn:ietf:params:oauth:token-type:jwt"`
	OAuthAllowPlainHTTP   bool                        `mapstructure:"oauth_allow_plain_http" doc:"allow an http:// token URL that is not on this machine"`
	OAuthRefreshBefore    *connector.Duration         `mapstructure:"oauth_refresh_before" doc:"how long before its end a token is renewed; default 60s, never more than a fifth of its life"`
	OAuthExtensions       map[string]string           `mapstructure:"oauth_extensions" doc:"SASL extensions (KIP-342)"`
	OAuthTokenFile        string                      `mapstructure:"oauth_token_file" doc:"file with a ready-made access token that something else keeps fresh"`
	OAuthToken            connector.Secret            `mapstructure:"oauth_token" doc:"a ready-made access token instead of a token endpoint"`

	KerberosServiceName string `mapstructure:"kerberos_service_name" doc:"service part of the brokers' principal; default kafka"`
	KerberosRealm       string `mapstructure:"kerberos_realm" doc:"realm; default that of username"`
	KerberosConfig      string `mapstructure:"kerberos_config" doc:"krb5.conf; default $KRB5_CONFIG or /etc/krb5.conf"`
	KerberosKeytab      string `mapstructure:"kerberos_keytab" doc:"keytab file"`
	KerberosCCache      string `mapstructure:"kerberos_ccache" doc:"credential cache file, as kinit leaves it"`
	KerberosHost        string `mapstructure:"kerberos_host" doc:"host part of the brokers' principal; default the broker's own name"`

	AWSRegion          string           `mapstructure:"aws_region" doc:"region; default read from the broker's name"`
	AWSProfile         string           `mapstructure:"aws_profile" doc:"named profile of the AWS configuration"`
	AWSRoleARN         string           `mapstructure:"aws_role_arn" doc:"role to assume"`
	AWSRoleSessionName string           `mapstructure:"aws_role_session_name" doc:"session name of the assumed role; default headrace"`
	AWSRoleExternalID  string           `mapstructure:"aws_role_external_id" doc:"external id for the assumed role"`
	AWSSTSRegion       string           `mapstructure:"aws_sts_region" doc:"region of the STS endpoint"`
	AWSAccessKeyID     string           `mapstructure:"aws_access_key_id" doc:"static access key; default the usual AWS chain"`
	AWSSecretAccessKey connector.Secret `mapstructure:"aws_secret_access_key" doc:"secret of the static access key"`
	AWSSessionToken    connector.Secret `mapstructure:"aws_session_token" doc:"session token of the static access key"`

	JAASConfig connector.Secret `mapstructure:"jaas_config" doc:"a JAAS line instead of the keys above"`
}

// The SASL mechanisms.
const (
	MechanismPlain       = "PLAIN"
	MechanismSCRAM256    = "SCRAM-SHA-256"
	MechanismSCRAM512    = "SCRAM-SHA-512"
	MechanismOAuthBearer = "OAUTHBEARER"
	MechanismGSSAPI      = "GSSAPI"
	MechanismAWSMSKIAM   = "AWS_MSK_IAM"
)

// Defaults of sasl_config.
const (
	DefaultRefreshBefore   = auth.DefaultRefreshBefore
	DefaultKerberosService = "kafka"
)

// mechanism is the SASL mechanism in its official spelling: any case, and
// SCRAM_SHA-256 as Gravitee's documents misprint it. PLAIN is Mage's default.
func (s *SASL) mechanism() string {
	m := strings.ToUpper(strings.TrimSpace(s.Mechanism))
	if m == "" {
		return MechanismPlain
	}
	if m == MechanismAWSMSKIAM {
		return m
	}
	return strings.ReplaceAll(m, "_", "-")
}

// oauthSettings are the keys with which tokens are asked for.
func (s *SASL) oauthSettings() *auth.OAuthSettings {
	return &auth.OAuthSettings{
		TokenURL: s.OAuthTokenURL, ClientID: s.OAuthClientID, ClientSecret: s.OAuthClientSecret, Scope: s.OAuthScope, Audience: s.OAuthAudience, Params: s.OAuthParams,
		CAFile: s.OAuthCAFile, CAPassword: s.OAuthCAPassword,
		ClientAuth: s.OAuthClientAuth, CertFile: s.OAuthCertFile, KeyFile: s.OAuthKeyFile, KeyPassword: s.OAuthKeyPassword, KeyID: s.OAuthKeyID, SigningAlgorithm: s.OAuthSigningAlgorithm,
		AssertionFile: s.OAuthAssertionFile, SubjectTokenFile: s.OAuthSubjectTokenFile, SubjectTokenType: s.OAuthSubjectTokenType,
		AllowPlainHTTP: s.OAuthAllowPlainHTTP, RefreshBefore: s.OAuthRefreshBefore,
	}
}
