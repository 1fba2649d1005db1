package tlsstore

import (
	"crypto/tls"
	"errors"
)

// errNoIdentity is a listener without a certificate.
var errNoIdentity = errors.New("a listener of https needs a certificate and its key")

// Server returns the settings for one incoming connection with the stores as
// they are now: the identity is the server's, the trusted CAs are those of
// client certificates, nil the system's. It is called for each connection, so
// that rotated certificates are used without a restart.
func (c *Client) Server(clients tls.ClientAuthType) (*tls.Config, error) {
	roots, cert, err := c.load()
	if err != nil {
		return nil, err
	}
	if cert == nil {
		return nil, errNoIdentity
	}
	return &tls.Config{Certificates: []tls.Certificate{*cert}, ClientAuth: clients, ClientCAs: roots, MinVersion: tls.VersionTLS12}, nil
}
