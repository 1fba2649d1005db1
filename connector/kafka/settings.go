// Package kafka is how Headrace reaches Kafka: one Settings struct, the
// clients made from it, and the administrative calls. It and its subfolders
// are the only place that imports the Kafka client library.
package kafka

import (
	"github.com/headrace/headrace/connector"
)

// Settings say how to connect to a cluster: Mage's keys and Headrace's
// additions. The other dialects (Gravitee's, Java's) are turned into it.
type Settings struct {
	BootstrapServer  []string `mapstructure:"bootstrap_server" doc:"brokers to start from, host:port, a comma list or a YAML list"`
	APIVersion       string   `mapstructure:"api_version" doc:"accepted for Mage's files; versions are negotiated"`
	ClientID         string   `mapstructure:"client_id" doc:"name sent to the brokers"`
	SecurityProtocol string   `mapstructure:"security_protocol" enum:"PLAINTEXT,SSL,SASL_PLAINTEXT,SASL_SSL" doc:"how to talk to the brokers, any case"`
	SSL              *SSL     `mapstructure:"ssl_config" doc:"TLS settings"`
	SASL             *SASL    `mapstructure:"sasl_config" doc:"authentication settings"`
}

// SSL is Mage's ssl_config with key stores added.
type SSL struct {
	CAFile        string           `mapstructure:"cafile" doc:"PEM file of the CAs to trust; default the system's"`
	CertFile      string           `mapstructure:"certfile" doc:"PEM file of the client certificate chain"`
	KeyFile       string           `mapstructure:"keyfile" doc:"PEM file of the client key"`
	Password      connector.Secret `mapstructure:"password" doc:"password of the key"`
	CheckHostname *bool            `mapstructure:"check_hostname" doc:"whether the broker's name must match its certificate; default true"`
	Truststore    *Store           `mapstructure:"truststore" doc:"CAs to trust, in a store"`
	Keystore      *Store           `mapstructure:"keystore" doc:"client certificate and key, in a store"`
}

// Store is a trust or key store, by location or inline.
type Store struct {
	Type             string           `mapstructure:"type" enum:"NONE,PEM,PKCS12,JKS" doc:"kind of store"`
	Location         string           `mapstructure:"location" doc:"file"`
	Content          string           `mapstructure:"content" doc:"the store itself: PEM text, or base64 for the binary kinds"`
	Password         connector.Secret `mapstructure:"password" doc:"password of the store"`
	KeyPassword      connector.Secret `mapstructure:"key_password" doc:"password of the key, if it has its own"`
	Certificates     string           `mapstructure:"certificates" doc:"PEM certificates to trust"`
	CertificateChain string           `mapstructure:"certificate_chain" doc:"PEM client certificate chain"`
	Key              connector.Secret `mapstructure:"key" doc:"PEM client key"`
}

// SASL is Mage's sasl_config with Headrace's additions.
type SASL struct {
	Mechanism          string              `mapstructure:"mechanism" enum:"PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER,GSSAPI,AWS_MSK_IAM" doc:"SASL mechanism"`
	Username           string              `mapstructure:"username" doc:"user"`
	Password           connector.Secret    `mapstructure:"password" doc:"password"`
	OAuthTokenURL      string              `mapstructure:"oauth_token_url" doc:"token endpoint"`
	OAuthClientID      string              `mapstructure:"oauth_client_id" doc:"client id"`
	OAuthClientSecret  connector.Secret    `mapstructure:"oauth_client_secret" doc:"client secret"`
	OAuthScope         string              `mapstructure:"oauth_scope" doc:"scope to ask for"`
	OAuthAudience      string              `mapstructure:"oauth_audience" doc:"audience to ask for"`
	OAuthCAFile        string              `mapstructure:"oauth_cafile" doc:"PEM file of the CAs of the token endpoint"`
	OAuthClientAuth    string              `mapstructure:"oauth_client_auth" enum:"post,basic,private_key_jwt,mtls" doc:"how the client proves itself to the token endpoint"`
	OAuthRefreshBefore *connector.Duration `mapstructure:"oauth_refresh_before" doc:"how long before its end a token is renewed; default 60s, never more than a fifth of its life"`
	OAuthExtensions    map[string]string   `mapstructure:"oauth_extensions" doc:"SASL extensions (KIP-342)"`
	JAASConfig         connector.Secret    `mapstructure:"jaas_config" doc:"a JAAS line instead of the keys above"`
}

// ProducerSettings are the delivery keys of an exporter block.
type ProducerSettings struct {
	Acks              string `mapstructure:"acks" enum:"all,-1,0,1" doc:"acknowledgements a record needs; default all"`
	CompressionType   string `mapstructure:"compression_type" enum:"none,gzip,snappy,lz4,zstd" doc:"compression of the batches"`
	CompressionLevel  *int   `mapstructure:"compression_level" doc:"level of the codec; default the codec's own"`
	Idempotence       *bool  `mapstructure:"idempotence" doc:"no doubles from retries; default true"`
	Transactional     bool   `mapstructure:"transactional" doc:"write in Kafka transactions"`
	MaxMessageBytes   int    `mapstructure:"max_message_bytes" doc:"largest record batch; default 1048576"`
	DeliveryTimeoutMS int    `mapstructure:"delivery_timeout_ms" doc:"longest time a record is retried; default 120000"`
	Partitioner       string `mapstructure:"partitioner" enum:"default,murmur2,sticky,round_robin,consistent,consistent_random,explicit" doc:"how records without a partition are placed"`
}
