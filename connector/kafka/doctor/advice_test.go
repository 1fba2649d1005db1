package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// What is wrong with a certificate is named, and who has to do what.
func TestAdviceOnCertificates(t *testing.T) {
	ended := &x509.Certificate{Subject: pkix.Name{CommonName: "XInter"}, IsCA: true, NotAfter: time.Now().Add(-time.Hour)}
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: "broker"}, NotAfter: time.Now().Add(-time.Hour)}
	named := &x509.Certificate{DNSNames: []string{"127.0.0.1"}}
	alert := func(text string) error { return &net.OpError{Op: "remote error", Err: errors.New("tls: " + text)} }
	shown := brokerKeys
	shown.identified = true
	for _, tc := range []struct {
		err  error
		k    where
		want string
	}{
		{x509.CertificateInvalidError{Cert: ended, Reason: x509.Expired}, brokerKeys, `the CA "CN=XInter" in the chain of the broker ended`},
		{x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired}, brokerKeys, "for the broker: this one has ended"},
		{x509.CertificateInvalidError{Cert: leaf, Reason: x509.IncompatibleUsage}, brokerKeys, "not for servers (extended key usage)"},
		{x509.HostnameError{Certificate: named, Host: "127.0.0.1"}, brokerKeys, "subjectAltName IP:127.0.0.1"},
		{alert("bad certificate"), brokerKeys, "asks for a client certificate, and none is configured"},
		{alert("certificate required"), brokerKeys, "asks for a client certificate"},
		{alert("unknown certificate authority"), shown, "does not accept our client certificate"},
		{alert("handshake failure"), shown, "ECDHE alone"},
		{alert("handshake failure"), brokerKeys, "ECDHE alone"},
	} {
		err := tc.err
		if _, is := err.(*net.OpError); !is {
			err = &tls.CertificateVerificationError{Err: err}
		}
		if got := tlsAdvice(err, "127.0.0.1", tc.k); !strings.Contains(got, tc.want) {
			t.Errorf("%v: %s, want %s", err, got, tc.want)
		}
	}
}
