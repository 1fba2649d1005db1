package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"

	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
)

// TLS is the tls section of http: with it the server speaks https. The files
// are read again when they change, for connections from then on.
type TLS struct {
	CertFile   string                  `mapstructure:"certfile" path:"file" doc:"PEM file of the server's certificate chain"`
	KeyFile    string                  `mapstructure:"keyfile" path:"file" doc:"PEM file of its key; default it stands in certfile"`
	Password   connector.Secret        `mapstructure:"password" doc:"password of the key"`
	Keystore   *tlsstore.StoreSettings `mapstructure:"keystore" doc:"the server's certificate and key, in a store"`
	CAFile     string                  `mapstructure:"cafile" path:"file" doc:"PEM file of the CAs of client certificates; default the system's"`
	Truststore *tlsstore.StoreSettings `mapstructure:"truststore" doc:"CAs of client certificates, in a store"`
	Clients    string                  `mapstructure:"client_certificates" enum:"none,requested,required" doc:"whether clients show a certificate; required refuses connections without a good one; default none"`
}

func (t *TLS) stores() *tlsstore.Settings {
	return &tlsstore.Settings{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile, Password: t.Password, Truststore: t.Truststore, Keystore: t.Keystore}
}

var clientAuth = map[string]tls.ClientAuthType{
	"": tls.NoClientCert, "none": tls.NoClientCert, "requested": tls.VerifyClientCertIfGiven, "required": tls.RequireAndVerifyClientCert,
}

// asksClients reports whether nobody connects without a certificate.
func (t *TLS) asksClients() bool { return t != nil && strings.EqualFold(t.Clients, "required") }

// faults is what is wrong without reading a file.
func (t *TLS) faults() []connector.Fault {
	if t == nil {
		return nil
	}
	stores := t.stores()
	faults := stores.Faults("tls.")
	if stores.KeyStore() == nil && len(faults) == 0 {
		faults = append(faults, connector.Fault{Path: "tls.certfile", Message: "is missing; name the server's certificate, with keyfile, or a keystore"})
	}
	return faults
}

// CheckFiles reads the stores of tls and reports each that is of no use. Call
// it after Validate found nothing.
func (c *Config) CheckFiles() []connector.Fault {
	if c.TLS == nil {
		return nil
	}
	return c.TLS.stores().CheckFiles("tls.")
}

// Scheme is what URLs of the server begin with.
func (c *Config) Scheme() string {
	if c.TLS != nil {
		return "https"
	}
	return "http"
}

// secure makes srv speak https. It fails when the stores cannot be read now.
func (t *TLS) secure(srv *http.Server, http2 bool) error {
	client, auth := t.stores().Client(), clientAuth[strings.ToLower(t.Clients)]
	if _, err := client.Server(auth); err != nil {
		return fmt.Errorf("serve https: %w", err)
	}
	protocols := []string{"http/1.1"}
	if http2 {
		protocols = []string{"h2", "http/1.1"}
	}
	srv.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		cfg, err := client.Server(auth)
		if err == nil {
			cfg.NextProtos = protocols
		}
		return cfg, err
	}}
	return nil
}

// Peer returns the settings for calls to other servers like this one: they
// are trusted by the CAs of the system and of this server's own chain, and see
// its certificate. Nil without tls.
func (c *Config) Peer() (*tls.Config, error) {
	if c.TLS == nil {
		return nil, nil
	}
	own, err := c.TLS.stores().Client().Server(tls.NoClientCert)
	if err != nil {
		return nil, fmt.Errorf("call other servers: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // a machine without CAs
	}
	for _, der := range own.Certificates[0].Certificate {
		if cert, err := x509.ParseCertificate(der); err == nil {
			roots.AddCert(cert)
		}
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: own.Certificates}, nil
}
