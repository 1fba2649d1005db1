package kafka

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/headrace/headrace/connector"
)

// Limits of one attempt to connect.
const (
	dialTimeout = 3 * time.Second
	ioTimeout   = 30 * time.Second
)

// dialer opens the connections of a client, with TLS where it is asked for.
// TLS is done here and not by the library so that each connection takes the
// certificates that are on disk now, and so that a failed handshake is
// reported as what it is. What a broker answers is looked at before the library
// believes it (guard.go).
type dialer struct {
	id *identity
}

// Dial implements golang.org/x/net/proxy.Dialer.
func (d *dialer) Dial(network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	return d.dial(ctx, network, addr)
}

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.id.kerberos != nil { // the login that follows reads what is prepared here
		if err := d.id.kerberos.Refresh(); err != nil {
			return nil, kerberosFault(err)
		}
	}
	conn, err := (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, explain(addr, err)
	}
	if d.id.tls == nil {
		return guard(conn, addr), nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	cfg, err := d.id.tls.Config(host)
	if err != nil {
		_ = conn.Close()
		return nil, explain(addr, err)
	}
	secured := tls.Client(conn, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		if closedByPeer(err) {
			return nil, connector.Errorf(connector.Unavailable, "TLS with the broker %s: it closed the connection; check that this listener speaks TLS, or change security_protocol: %w", addr, err)
		}
		return nil, d.id.explain(addr, err)
	}
	return guard(secured, addr), nil
}
