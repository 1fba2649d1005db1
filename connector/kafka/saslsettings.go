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

	OAuth           auth.OAuthSettings `mapstructure:",squash"`
	OAuthExtensions map[string]string  `mapstructure:"oauth_extensions" doc:"SASL extensions (KIP-342)"`
	OAuthTokenFile  string             `mapstructure:"oauth_token_file" path:"file" doc:"file with a ready-made access token that something else keeps fresh"`
	OAuthToken      connector.Secret   `mapstructure:"oauth_token" doc:"a ready-made access token instead of a token endpoint"`

	KerberosServiceName string `mapstructure:"kerberos_service_name" doc:"service part of the brokers' principal; default kafka"`
	KerberosRealm       string `mapstructure:"kerberos_realm" doc:"realm; default that of username"`
	KerberosConfig      string `mapstructure:"kerberos_config" path:"file" doc:"krb5.conf; default $KRB5_CONFIG or /etc/krb5.conf"`
	KerberosKeytab      string `mapstructure:"kerberos_keytab" path:"file" doc:"keytab file"`
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
