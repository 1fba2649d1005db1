package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/auth/kerberos"
	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
	"github.com/headrace/headrace/internal/redact"
)

// explain turns what went wrong while connecting to addr into an error that
// names the step and what to change. Failures of identity, ours or the
// broker's, are Unauthenticated: trying again changes nothing.
func explain(addr string, err error) error {
	var known *connector.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	err = redact.Error(err) // what brokers and libraries say
	if e := explainTLS(addr, err); e != nil {
		return e
	}
	if e := explainSASL(addr, err); e != nil {
		return e
	}
	if e := explainKerberos(addr, err); e != nil {
		return e
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return connector.Errorf(connector.Unavailable, "looking up the broker %s: no such host; check bootstrap_server and the brokers' advertised names: %w", addr, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return connector.Errorf(connector.Unavailable, "connecting to the broker %s: connection refused; check that it runs and listens on this port: %w", addr, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return connector.Errorf(connector.Unavailable, "talking to the broker %s: it closed the connection; check that security_protocol is that of the listener: %w", addr, err)
	case timedOut(err):
		return connector.Errorf(connector.Unavailable, "connecting to the broker %s: no answer in time; check the address, the firewall and that security_protocol is that of the listener: %w", addr, err)
	}
	classified := kafkaerr.Classify(err)
	return connector.Errorf(connector.KindOf(classified), "connecting to the broker %s: %w", addr, err)
}

// explain is explain for whoever knows whether a client certificate was shown.
func (id *identity) explain(addr string, err error) error {
	var known *connector.Error
	var remote *net.OpError
	if id.tls != nil && !id.tls.Identified() && !errors.As(err, &known) && errors.As(err, &remote) && remote.Op == "remote error" && strings.Contains(remote.Err.Error(), "certificate") {
		return connector.Errorf(connector.Unauthenticated, "TLS with the broker %s: it asks for a client certificate, and none is configured; set ssl_config.certfile and keyfile, or keystore: %w", addr, redact.Error(err))
	}
	return explain(addr, err)
}

func timedOut(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

func explainTLS(addr string, err error) error {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		header  tls.RecordHeaderError
		remote  *net.OpError
		verify  *tls.CertificateVerificationError
	)
	say := func(format string, args ...any) error {
		return connector.Errorf(connector.Unauthenticated, "TLS with the broker %s: %s: %w", addr, fmt.Sprintf(format, args...), err)
	}
	switch {
	case errors.As(err, &name) && name.Certificate != nil && net.ParseIP(name.Host) != nil && slices.Contains(name.Certificate.DNSNames, name.Host):
		return say("the address stands in its certificate as a DNS name; have one issued that holds it as an IP address, or connect by a host name")
	case errors.As(err, &name):
		return say("its certificate is not for this name; connect by a name in the certificate, or have one issued for this name")
	case errors.As(err, &unknown):
		return say("its certificate comes from a CA that is not trusted; put that CA into ssl_config.cafile or the trust store")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if c := invalid.Cert; c != nil && time.Now().Before(c.NotBefore) {
			return say("its certificate is valid only from %s; check the clock of this machine", c.NotBefore.Format(time.DateOnly))
		}
		if c := invalid.Cert; c != nil && c.IsCA {
			return say("the certificate of the CA %q in its chain ended on %s; the broker needs a new one of that", c.Subject, c.NotAfter.Format(time.DateOnly))
		}
		return say("its certificate has expired; the broker needs a new one, and this machine the right time")
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return say("its certificate is not for servers (extended key usage); have one issued with serverAuth")
	case errors.As(err, &verify):
		return say("its certificate was not accepted")
	case errors.As(err, &header) && string(header.RecordHeader[:4]) == "HTTP":
		return connector.Errorf(connector.Unavailable, "TLS with the broker %s: this is not a Kafka broker (it answered HTTP); check the port in bootstrap_server: %w", addr, err)
	case errors.As(err, &header):
		return say("the listener does not speak TLS; set security_protocol to that of the listener, or use its TLS port")
	case errors.As(err, &remote) && remote.Op == "remote error": // a TLS alert; its type is not exported
		return say("the broker refused the handshake%s", alertHint(remote.Err.Error()))
	case errors.Is(err, tlsstore.ErrWrongPassword), errors.Is(err, tlsstore.ErrNeedsPassword), errors.Is(err, tlsstore.ErrKeyMismatch),
		errors.Is(err, tlsstore.ErrNoCertificate), errors.Is(err, tlsstore.ErrNoKey), errors.Is(err, tlsstore.ErrMalformed),
		errors.Is(err, tlsstore.ErrUnreadable):
		return connector.Errorf(connector.Unauthenticated, "preparing TLS with the broker %s: %w", addr, err)
	}
	return nil
}

func alertHint(alert string) string {
	switch {
	case strings.Contains(alert, "certificate required"):
		return "; it asks for a client certificate: set certfile and keyfile, or keystore"
	case strings.Contains(alert, "certificate"): // bad, unsupported, revoked, expired, unknown; unknown certificate authority
		return "; it does not accept the client certificate: use one issued by a CA that the broker trusts, and not expired"
	case strings.Contains(alert, "handshake failure"), strings.Contains(alert, "protocol version"):
		return "; no TLS version or cipher in common (TLS 1.2 and 1.3 are offered, with ECDHE alone for the exchange of keys), or it asks for a client certificate: set certfile and keyfile"
	}
	return ""
}

func explainSASL(addr string, err error) error {
	switch {
	case errors.Is(err, sarama.ErrSASLAuthenticationFailed):
		return connector.Errorf(connector.Unauthenticated, "authenticating with the broker %s: it refused the credentials in sasl_config: %w", addr, err)
	case errors.Is(err, sarama.ErrUnsupportedSASLMechanism):
		return connector.Errorf(connector.Unauthenticated, "authenticating with the broker %s: it does not offer this mechanism on this listener; change sasl_config.mechanism or the port: %w", addr, err)
	case errors.Is(err, sarama.ErrIllegalSASLState):
		return connector.Errorf(connector.Unauthenticated, "authenticating with the broker %s: the listener does not use SASL; change security_protocol or the port: %w", addr, err)
	}
	return nil
}

func explainKerberos(addr string, err error) error {
	advice := kerberos.Explain(err)
	if advice == "" {
		return nil
	}
	kind := connector.Unauthenticated
	if strings.Contains(advice, "cannot be reached") {
		kind = connector.Unavailable
	}
	return connector.Errorf(kind, "authenticating with the broker %s: %s: %w", addr, advice, err)
}
