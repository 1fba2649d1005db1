package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/headrace/headrace/auth/tlsstore/certtest"
)

// certificate issues a certificate and puts it with its key into a file, in one
// step.
func certificate(t *testing.T, by *certtest.Authority, file, name string) {
	t.Helper()
	pair := by.Issue(name, time.Now().Add(time.Hour))
	if err := errors.Join(os.WriteFile(file+".new", pair.PEM, 0o600), os.Rename(file+".new", file)); err != nil {
		t.Fatal(err)
	}
}

// ask calls url on a connection of its own and returns the protocol and the
// name in the server's certificate.
func ask(t *testing.T, url string, client *tls.Certificate) (proto, name string, err error) {
	t.Helper()
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if client != nil { // shown whatever CAs the server names
		transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return client, nil }
	}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url+"/-/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return "", "", err
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 {
		t.Errorf("%d %s %v", res.StatusCode, text, err)
	}
	return res.Proto, res.TLS.PeerCertificates[0].Subject.CommonName, nil
}

func TestHTTPS(t *testing.T) {
	dir := t.TempDir()
	ca, other := certtest.New(t, "CA"), certtest.New(t, "other CA")
	server := filepath.Join(dir, "server.pem")
	certificate(t, ca, server, "first")
	client := ca.Issue("client", time.Now().Add(time.Hour)).Certificate
	stranger := other.Issue("stranger", time.Now().Add(time.Hour)).Certificate
	serve := func(clients string, http2 bool) string {
		cfg := DefaultConfig()
		cfg.HTTP2 = http2
		cfg.TLS = &TLS{CertFile: server, CAFile: ca.File, Clients: clients}
		url, _ := started(t, cfg, func(*Server) {})
		return url
	}
	for _, tc := range []struct {
		clients string
		http2   bool
		shown   *tls.Certificate
		proto   string // "" is refused
	}{
		{"", true, nil, "HTTP/2.0"},
		{"none", false, nil, "HTTP/1.1"},
		{"requested", true, nil, "HTTP/2.0"},
		{"requested", true, &client, "HTTP/2.0"},
		{"requested", true, &stranger, ""},
		{"required", true, nil, ""},
		{"required", true, &stranger, ""},
		{"required", false, &client, "HTTP/1.1"},
	} {
		if proto, _, err := ask(t, serve(tc.clients, tc.http2), tc.shown); proto != tc.proto || (err != nil) != (tc.proto == "") {
			t.Errorf("%q, HTTP/2 %v, %v shown: %q %v", tc.clients, tc.http2, tc.shown != nil, proto, err)
		}
	}
	url := serve("", true)
	if _, name, err := ask(t, url, nil); err != nil || name != "first" {
		t.Errorf("%q %v", name, err)
	}
	certificate(t, ca, server, "second")
	if _, name, err := ask(t, url, nil); err != nil || name != "second" {
		t.Errorf("after the file changed: %q %v", name, err)
	}
}

func TestTLSFaults(t *testing.T) {
	for _, tc := range []struct {
		tls  TLS
		want string
	}{
		{TLS{}, "tls.certfile"},
		{TLS{KeyFile: "k"}, "tls.certfile"},
		{TLS{CertFile: "none.pem"}, "tls.certfile"},
	} {
		cfg := DefaultConfig()
		cfg.TLS = &tc.tls
		faults := append(cfg.Validate(), cfg.CheckFiles()...)
		if len(faults) == 0 || faults[0].Path != tc.want {
			t.Errorf("%+v: %v", tc.tls, faults)
		}
		if err := New(cfg, nil).Listen(); err == nil {
			t.Errorf("%+v: it listens", tc.tls)
		}
	}
	cfg := DefaultConfig()
	cfg.Listen = "0.0.0.0:1"
	cfg.TLS = &TLS{CertFile: "c.pem", Clients: "required"}
	if faults := cfg.Validate(); len(faults) > 0 {
		t.Errorf("client certificates say who calls: %v", faults)
	}
	cfg.TLS.Clients = "requested"
	if faults := cfg.Validate(); len(faults) != 1 || faults[0].Path != "listen" {
		t.Error(faults)
	}
}
