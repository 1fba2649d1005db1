//go:build integration

package registry_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/test/services"
)

// guarded puts TLS and one way to authenticate in front of the registry, as the
// proxies of companies do; allow says who is let through.
func guarded(t *testing.T, certs *services.Certs, allow func(*http.Request) bool) string {
	t.Helper()
	target, err := url.Parse(services.Registry(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allow(r) {
			http.Error(w, `{"error_code":401,"message":"Unauthorized"}`, http.StatusUnauthorized)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	own, err := tls.LoadX509KeyPair(certs.Server.Cert, certs.Server.Key)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(certs.CA)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(pem)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: clients, ClientAuth: tls.VerifyClientCertIfGiven}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are wanted
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL
}

// tokens is a token endpoint that gives the client's token for its secret.
func tokens(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("client_id") != "writer" || r.FormValue("client_secret") != "client-secret" {
			http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"access_token":"issued-token","token_type":"Bearer","expires_in":300}`)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// Each identity of a registry, in the built binary: a pipeline writes Avro
// through it, and wrong credentials are named as such and shown nowhere.
func TestIdentities(t *testing.T) {
	certs, err := services.MakeCerts(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	basic := func(r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		return user == "alice" && password == "basic-secret"
	}
	bearer := func(token string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+token }
	}
	certified := func(r *http.Request) bool {
		return len(r.TLS.PeerCertificates) > 0 && r.TLS.PeerCertificates[0].Subject.CommonName == "exporter"
	}
	issuer := tokens(t)
	ca := "cafile: " + certs.CA
	for _, tc := range []struct {
		name  string
		allow func(*http.Request) bool
		keys  string
		want  string // of the error; "" is success
	}{
		{"basic", basic, "username: alice, password: basic-secret, ssl_config: {" + ca + "}", ""},
		{"basic with the wrong password", basic, "username: alice, password: other-secret, ssl_config: {" + ca + "}", "check the credentials of schema_registry"},
		{"bearer", bearer("given-secret"), "bearer_token: given-secret, ssl_config: {" + ca + "}", ""},
		{"another bearer", bearer("given-secret"), "bearer_token: other-secret, ssl_config: {" + ca + "}", "check the credentials of schema_registry"},
		{"oauth", bearer("issued-token"), "oauth_token_url: " + issuer + ", oauth_client_id: writer, oauth_client_secret: client-secret, ssl_config: {" + ca + "}", ""},
		{"oauth with the wrong secret", bearer("issued-token"), "oauth_token_url: " + issuer + ", oauth_client_id: writer, oauth_client_secret: other-secret, ssl_config: {" + ca + "}", "check oauth_client_id, oauth_client_secret and oauth_client_auth"},
		{"mutual tls", certified, "ssl_config: {" + ca + ", certfile: " + certs.Exporter.Cert + ", keyfile: " + certs.Exporter.EncryptedKey + ", password: " + services.KeyPassword + "}", ""},
		{"mutual tls without a certificate", certified, "ssl_config: {" + ca + "}", "check the credentials of schema_registry"},
		{"unknown authority", basic, "username: alice, password: basic-secret, ssl_config: {cafile: " + certs.OtherCA + "}", "unknown authority"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, said := exportAvro(t, guarded(t, certs, tc.allow), tc.keys)
			if tc.want == "" && (code != 0 || !strings.Contains(said, "acknowledged 2 ")) {
				t.Errorf("exit code %d: %s", code, said)
			}
			if tc.want != "" && (code != 1 || !strings.Contains(said, tc.want)) {
				t.Errorf("exit code %d, want 1 and %q: %s", code, tc.want, said)
			}
			if strings.Contains(said, "-secret") || strings.Contains(said, "issued-token") {
				t.Errorf("a secret is in the output: %s", said)
			}
		})
	}
}

// exportAvro runs a pipeline of two records once.
func exportAvro(t *testing.T, registry, keys string) (code int, said string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"headrace.yaml": fmt.Sprintf("schema_registry: {url: %q, timeout: 5s, %s}\nstate: {path: state}\n", registry, keys),
		"in.ndjson":     `{"id":1}` + "\n" + `{"id":2}` + "\n",
		"user.avsc":     user,
		"users.yaml": "blocks:\n  - {type: data_loader, connector_type: file, path: in.ndjson}\n" +
			"  - {type: data_exporter, connector_type: kafka, topic: " + subject(t, "topic") + ", value_format: avro, value_schema: {file: user.avsc}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), services.Headrace(t), "run", "--once", "--embedded", ".")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}
