package httpclient

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/auth/tlsstore/certtest"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hidden = "hunter2-is-secret"

// service answers with what it was told about the caller.
func service(t *testing.T, secure bool) *httptest.Server {
	t.Helper()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "-"
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			name = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		fmt.Fprintf(w, "%s|%s", r.Header.Get("Authorization"), name)
	})
	srv := httptest.NewUnstartedServer(h)
	if secure {
		srv.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return srv
}

func open(t *testing.T, s Settings) *Client {
	t.Helper()
	c, err := New("the registry", s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func ask(t *testing.T, c *Client, address string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), nil
}

func caFile(t *testing.T, srv *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	write(t, path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	return path
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// identity writes a client certificate and its key into one file.
func identity(t *testing.T, path, name string) {
	t.Helper()
	write(t, path, certtest.New(t, "CA").Issue(name, time.Now().Add(time.Hour)).PEM)
}

func TestEachIdentity(t *testing.T) {
	srv := service(t, true)
	ca := &tlsstore.Settings{CAFile: caFile(t, srv)}
	pair := filepath.Join(t.TempDir(), "client.pem")
	identity(t, pair, "exporter")
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, want string
		s          Settings
	}{
		{"none", "|-", Settings{}},
		{"basic", "Basic dTpw|-", Settings{Username: "u", Password: "p"}},
		{"token", "Bearer tok|-", Settings{BearerToken: "tok"}},
		{"token file", "Bearer from-file|-", Settings{BearerTokenFile: tokenFile}},
		{"certificate", "|exporter", Settings{TLS: &tlsstore.Settings{CAFile: ca.CAFile, CertFile: pair}}},
		{"certificate and basic", "Basic dTpw|exporter", Settings{Username: "u", Password: "p", TLS: &tlsstore.Settings{CAFile: ca.CAFile, CertFile: pair}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.s.URL = srv.URL + "/"
			if tc.s.TLS == nil {
				tc.s.TLS = ca
			}
			if f := tc.s.CheckFiles(); len(f) > 0 {
				t.Fatal(f)
			}
			if got, err := ask(t, open(t, tc.s), srv.URL+"/subjects"); err != nil || got != tc.want {
				t.Fatalf("%q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

func TestTokensAreSharedAndRenewed(t *testing.T) {
	issuer, err := embedded.StartIssuer(embedded.IssuerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer issuer.Close()
	srv := service(t, false)
	c := open(t, Settings{URL: srv.URL, OAuth: auth.OAuthSettings{TokenURL: issuer.TokenURL(), ClientID: "exporter", ClientSecret: "exporter-secret"}})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			got, err := ask(t, c, srv.URL)
			claims, bad := auth.ParseClaims(strings.TrimSuffix(strings.TrimPrefix(got, "Bearer "), "|-"))
			if err != nil || bad != nil || claims.Issuer != issuer.URL() {
				t.Errorf("%q %v %v", got, err, bad)
			}
		})
	}
	wg.Wait()
	if n := issuer.TokenRequests(); n != 1 {
		t.Fatalf("%d token requests, want 1", n)
	}
	if len(c.Collectors()) != 1 {
		t.Fatal("no metrics of the tokens")
	}
	wrong := open(t, Settings{URL: srv.URL, OAuth: auth.OAuthSettings{TokenURL: issuer.TokenURL(), ClientID: "exporter", ClientSecret: hidden}})
	if _, err := ask(t, wrong, srv.URL); connector.KindOf(err) != connector.Unauthenticated || !strings.Contains(err.Error(), "oauth_client_secret") || strings.Contains(err.Error(), hidden) {
		t.Fatal(err)
	}
}

func TestCredentialsStayAtTheirOrigin(t *testing.T) {
	other := service(t, false)
	srv := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	c := open(t, Settings{URL: srv.URL, Username: "u", Password: hidden})
	_, err := ask(t, c, srv.URL)
	if connector.KindOf(err) != connector.Unauthenticated || !strings.Contains(err.Error(), "another server") {
		t.Fatalf("redirected: %v", err)
	}
	if got, err := ask(t, c, other.URL); err != nil || got != "|-" {
		t.Fatalf("another server got %q, %v", got, err)
	}
}

func TestRotatedCertificates(t *testing.T) {
	srv := service(t, true)
	pair := filepath.Join(t.TempDir(), "client.pem")
	identity(t, pair, "first")
	c := open(t, Settings{URL: srv.URL, TLS: &tlsstore.Settings{CAFile: caFile(t, srv), CertFile: pair}})
	if got, err := ask(t, c, srv.URL); err != nil || got != "|first" {
		t.Fatalf("%q %v", got, err)
	}
	identity(t, pair, "second")
	if err := os.Chtimes(pair, time.Time{}, time.Now().Add(time.Minute)); err != nil { // clocks of file systems are coarse
		t.Fatal(err)
	}
	if got, err := ask(t, c, srv.URL); err != nil || got != "|second" {
		t.Fatalf("%q %v", got, err)
	}
}

func TestFailuresSayWhatToDo(t *testing.T) {
	srv, plain := service(t, true), service(t, false)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, url, want string
		kind            connector.Kind
		tls             *tlsstore.Settings
	}{
		{"unknown CA", srv.URL, "ssl_config.cafile", connector.Unauthenticated, nil},
		{"wrong host", strings.Replace(srv.URL, "127.0.0.1", "localhost", 1), "another name", connector.Unauthenticated, &tlsstore.Settings{CAFile: caFile(t, srv)}},
		{"no TLS", strings.Replace(plain.URL, "http:", "https:", 1), "does not speak TLS", connector.Unauthenticated, nil},
		{"nobody", "http://" + nobody, "connection refused", connector.Unavailable, nil},
		{"no host", "http://no-such-host.invalid", "no such host", connector.Unavailable, nil},
		{"no store", srv.URL, "does not exist", connector.Unauthenticated, &tlsstore.Settings{CAFile: "/nowhere/ca.pem"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := open(t, Settings{URL: tc.url, Username: "u", Password: hidden, TLS: tc.tls, AllowPlainHTTP: true})
			_, err := ask(t, c, tc.url+"/x?token="+hidden)
			if connector.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), hidden) {
				t.Fatalf("%v (%s), want %s: %s", err, connector.KindOf(err), tc.kind, tc.want)
			}
		})
	}
}

func TestWrongSettings(t *testing.T) {
	token := auth.OAuthSettings{TokenURL: "https://id/t", ClientID: "c", ClientSecret: hidden}
	for _, tc := range []struct {
		name, path, want string
		s                Settings
	}{
		{"no scheme", "url", "not an address", Settings{URL: "registry:8081"}},
		{"user in the URL", "url", "user name", Settings{URL: "https://u:" + hidden + "@registry"}},
		{"query", "url", "before the ?", Settings{URL: "https://registry?x=" + hidden}},
		{"plain http", "url", "allow_plain_http", Settings{URL: "http://registry.example.com", Username: "u", Password: hidden}},
		{"TLS for plain http", "ssl_config", "no effect", Settings{URL: "http://localhost", TLS: &tlsstore.Settings{CAFile: "ca"}}},
		{"password alone", "username", "missing", Settings{URL: "https://r", Password: hidden}},
		{"colon", "username", "colon", Settings{URL: "https://r", Username: "a:b", Password: hidden}},
		{"two ways", "bearer_token", "together with username", Settings{URL: "https://r", Username: "u", Password: hidden, BearerToken: hidden}},
		{"three ways", "oauth_token_url", "together with bearer_token", Settings{URL: "https://r", BearerToken: hidden, OAuth: token}},
		{"Bearer written", "bearer_token", "without the word", Settings{URL: "https://r", BearerToken: "Bearer " + hidden}},
		{"half a client", "oauth_token_url", "required", Settings{URL: "https://r", OAuth: auth.OAuthSettings{ClientID: "c", ClientSecret: hidden}}},
		{"half a certificate", "ssl_config.certfile", "missing", Settings{URL: "https://r", TLS: &tlsstore.Settings{KeyFile: "k"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			faults := tc.s.Validate()
			if len(faults) != 1 || faults[0].Path != tc.path || !strings.Contains(faults[0].Message, tc.want) {
				t.Fatalf("%+v, want %s: %s", faults, tc.path, tc.want)
			}
			_, err := New("r", tc.s, nil)
			if connector.KindOf(err) != connector.Invalid {
				t.Fatal(err)
			}
			if out := fmt.Sprintf("%+v %v %+v", faults, err, tc.s.OAuth); strings.Contains(out, hidden) {
				t.Fatalf("a secret shows in %s", out)
			}
		})
	}
	if _, err := New("r", Settings{}, nil); connector.KindOf(err) != connector.Invalid {
		t.Fatalf("no URL: %v", err)
	}
	missing := Settings{URL: "https://r", BearerTokenFile: "/nowhere"}
	if f := missing.CheckFiles(); len(f) != 1 || f[0].Path != "bearer_token_file" {
		t.Fatal(f)
	}
}
