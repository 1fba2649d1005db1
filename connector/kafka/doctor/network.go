package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/headrace/headrace/auth/tlsstore"
)

// where says which keys of the settings an address and its TLS come from, so
// that advice names them.
type where struct {
	what    string // "the broker", "the token endpoint"
	address string // key of the address
	ca      string
	cert    string

	identified bool // a client certificate is configured
}

var (
	brokerKeys = where{what: "the broker", address: "bootstrap_server", ca: "ssl_config.cafile (or the trust store)", cert: "ssl_config.certfile and keyfile (or the key store)"}
	tokenKeys  = where{what: "the token endpoint", address: "oauth_token_url", ca: "oauth_cafile", cert: "oauth_certfile and oauth_keyfile, with oauth_client_auth: mtls"}
	httpKeys   = where{what: "the service", address: "url", ca: "ssl_config.cafile (or the trust store)", cert: "ssl_config.certfile and keyfile (or the key store)"}
)

// name looks the host up.
func (w *walk) name(step, hostport string, k where) {
	w.step(step, func(ctx context.Context) outcome {
		host, _, err := net.SplitHostPort(hostport)
		if err != nil {
			return failed(err, "write "+k.address+" as host:port")
		}
		if net.ParseIP(host) != nil {
			return skipped(host + " is an address")
		}
		addrs, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			return failed(err, fmt.Sprintf("correct the name %s in %s, or have it entered in DNS or in the hosts file of this machine", host, k.address))
		}
		return ok(host + " is " + strings.Join(addrs, ", "))
	})
}

// tcp connects; the connection is for the next step, which closes it.
func (w *walk) tcp(step, hostport string, k where) (conn net.Conn) {
	w.step(step, func(ctx context.Context) outcome {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", hostport)
		if err != nil {
			return failed(err, tcpAdvice(err, hostport, k))
		}
		conn = c
		return ok("connected to " + c.RemoteAddr().String())
	})
	return conn
}

func tcpAdvice(err error, hostport string, k where) string {
	var n net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing listens at %s: start %s, or correct the port in %s", hostport, k.what, k.address)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Sprintf("there is no way to %s from this machine: check its network, VPN and routes", hostport)
	case errors.As(err, &n) && n.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("nothing answers at %s: open the port in the firewall (or security group) between here and there, or correct %s", hostport, k.address)
	}
	return fmt.Sprintf("check %s and the network between here and there", k.address)
}

// shake does the TLS handshake over conn. The certificates are reported even
// when they are not accepted.
func shake(ctx context.Context, conn net.Conn, stores *tlsstore.Client, hostport string, k where) (*tls.Conn, outcome) {
	host, _, _ := net.SplitHostPort(hostport)
	k.identified = stores.Identified()
	cfg, err := stores.Config(host)
	if err != nil {
		return nil, failed(err, "correct the store named here: its path, its password, or what is in it")
	}
	secured := tls.Client(conn, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		out := failed(err, tlsAdvice(err, host, k))
		var verify *tls.CertificateVerificationError
		if errors.As(err, &verify) {
			out.Certificates = describe(verify.UnverifiedCertificates)
		}
		return nil, out
	}
	state := secured.ConnectionState()
	out := ok(fmt.Sprintf("%s, %s, %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite), chainDetail(state.PeerCertificates, stores)))
	out.Certificates = describe(state.PeerCertificates)
	return secured, out
}

func chainDetail(chain []*x509.Certificate, stores *tlsstore.Client) string {
	if len(chain) == 0 {
		return "no certificate"
	}
	detail := "the name fits"
	if !stores.ChecksHost() {
		detail = "the name is not checked (check_hostname: false)"
	}
	end := chain[0].NotAfter
	for _, c := range chain {
		if c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	left := time.Until(end)
	if left < 30*24*time.Hour {
		detail += fmt.Sprintf("; the certificate ends in %d days", int(left.Hours()/24))
	}
	return detail
}

func describe(chain []*x509.Certificate) []Certificate {
	var out []Certificate
	for _, c := range chain {
		d := Certificate{Subject: oneLine(c.Subject.String()), Issuer: oneLine(c.Issuer.String()), NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC()}
		for _, n := range c.DNSNames {
			d.Names = append(d.Names, oneLine(n))
		}
		for _, ip := range c.IPAddresses {
			d.Names = append(d.Names, ip.String())
		}
		out = append(out, d)
	}
	return out
}

func tlsAdvice(err error, host string, k where) string {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		header  tls.RecordHeaderError
		n       net.Error
	)
	switch {
	case errors.As(err, &unknown):
		issuer := "its CA"
		if unknown.Cert != nil {
			issuer = fmt.Sprintf("the CA %q", unknown.Cert.Issuer)
		}
		return fmt.Sprintf("put %s into %s", issuer, k.ca)
	case errors.As(err, &name) && addressAsName(name.Certificate, host):
		return fmt.Sprintf("%s stands in the certificate as a DNS name: have one issued that holds it as an IP address (subjectAltName IP:%s), or use a host name in %s", host, host, k.address)
	case errors.As(err, &name):
		return fmt.Sprintf("use a name of the certificate (%s) in %s, or have one issued that names %s", strings.Join(names(name.Certificate), ", "), k.address, host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if c := invalid.Cert; c != nil && time.Now().Before(c.NotBefore) {
			return fmt.Sprintf("set the clock of this machine: it is %s, and the certificate is valid from %s", time.Now().Format(time.DateOnly), c.NotBefore.Format(time.DateOnly))
		}
		if c := invalid.Cert; c != nil && c.IsCA {
			return fmt.Sprintf("the certificate of the CA %q in the chain of %s ended on %s: have that one issued anew, and put it into the chain", c.Subject, k.what, c.NotAfter.Format(time.DateOnly))
		}
		return "have a new certificate issued for " + k.what + ": this one has ended"
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return fmt.Sprintf("the certificate of %s is not for servers (extended key usage): have one issued with serverAuth", k.what)
	case errors.As(err, &header):
		return fmt.Sprintf("this port does not speak TLS: use the TLS port in %s, or a setting without TLS", k.address)
	case isAlert(err):
		return alertAdvice(err, k)
	case errors.As(err, &n) && n.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "nothing answers the handshake: check that this port speaks TLS"
	}
	return fmt.Sprintf("check that this port speaks TLS, and whether it asks for a client certificate (%s)", k.cert)
}

func names(c *x509.Certificate) []string {
	if c == nil {
		return nil
	}
	out := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		out = append(out, ip.String())
	}
	if len(out) == 0 {
		out = append(out, "it has none")
	}
	return out
}

// addressAsName reports an address that stands in a certificate where names do.
func addressAsName(c *x509.Certificate, host string) bool {
	return c != nil && net.ParseIP(host) != nil && slices.Contains(c.DNSNames, host)
}

// isAlert reports a TLS alert of the other side; its type is not exported.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

func alertAdvice(err error, k where) string {
	switch text := err.Error(); {
	case strings.Contains(text, "certificate required"):
		return fmt.Sprintf("it asks for a client certificate: set %s", k.cert)
	case strings.Contains(text, "certificate") && !k.identified:
		return fmt.Sprintf("it asks for a client certificate, and none is configured: set %s", k.cert)
	case strings.Contains(text, "certificate"):
		return fmt.Sprintf("it does not accept our client certificate: use one that is issued by a CA which %s trusts and that has not ended, in %s", k.what, k.cert)
	case strings.Contains(text, "protocol version"):
		return "it offers only TLS versions below 1.2: switch on TLS 1.2 or 1.3 there"
	case strings.Contains(text, "unrecognized name"):
		return fmt.Sprintf("it does not know this name: correct %s", k.address)
	}
	if k.identified {
		return "no TLS version or cipher in common: TLS 1.2 and 1.3 are offered, with ECDHE alone for the exchange of keys and not RSA or DHE; allow one there"
	}
	return fmt.Sprintf("no TLS version or cipher in common (TLS 1.2 and 1.3 are offered, with ECDHE alone for the exchange of keys), or it asks for a client certificate: set %s", k.cert)
}
