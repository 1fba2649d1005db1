package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/auth/tlsstore/certtest"

	"github.com/golang-jwt/jwt/v5"

	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
)

// endpoint is a token endpoint that records what it was asked.
type endpoint struct {
	*httptest.Server
	form   url.Values
	header http.Header
	status int
	body   string
}

func newEndpoint(t *testing.T, secure bool) *endpoint {
	t.Helper()
	e := &endpoint{status: 200, body: `{"access_token":"opaque","token_type":"Bearer","expires_in":300}`}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		e.form, e.header = r.PostForm, r.Header
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(e.status)
		_, _ = w.Write([]byte(e.body))
	})
	if secure {
		e.Server = httptest.NewTLSServer(h)
	} else {
		e.Server = httptest.NewServer(h)
	}
	t.Cleanup(e.Close)
	return e
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestClientSecretsAndParameters(t *testing.T) {
	e := newEndpoint(t, false)
	cfg := OAuthConfig{TokenURL: e.URL, ClientID: "exporter", ClientSecret: "s3cret:&", Scope: "kafka read", Audience: "broker", Params: map[string]connector.Secret{"resource": "urn:x"}}
	before := time.Now()
	tok, err := NewOAuth(cfg).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if life := tok.Life(); life != 300*time.Second || tok.Issued.Before(before) {
		t.Fatalf("life %s, issued %s", life, tok.Issued)
	}
	for k, v := range map[string]string{"grant_type": "client_credentials", "client_id": "exporter", "client_secret": "s3cret:&", "scope": "kafka read", "audience": "broker", "resource": "urn:x"} {
		if e.form.Get(k) != v {
			t.Errorf("%s = %q, want %q", k, e.form.Get(k), v)
		}
	}
	cfg.ClientAuth = ClientSecretBasic
	if _, err := NewOAuth(cfg).Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	user, pass, _ := (&http.Request{Header: e.header}).BasicAuth()
	if user != "exporter" || pass != url.QueryEscape("s3cret:&") || e.form.Has("client_secret") {
		t.Fatalf("basic: %q %q, form %v", user, pass, e.form)
	}
	if s := fmt.Sprintf("%v %+v %#v", tok, tok, cfg); strings.Contains(s, "opaque") || strings.Contains(s, "s3cret") {
		t.Fatalf("a secret prints: %s", s)
	}
}

func TestExpiryComesFromTheToken(t *testing.T) {
	e := newEndpoint(t, false)
	claims, _ := json.Marshal(map[string]any{"iat": 1000, "exp": 1090, "aud": "kafka"})
	token := "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".c2ln"
	e.body = `{"access_token":"` + token + `"}`
	tok, err := NewOAuth(OAuthConfig{TokenURL: e.URL, ClientID: "c", ClientSecret: "secret"}).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if tok.Life() != 90*time.Second {
		t.Fatalf("life %s; without expires_in the JWT's own exp counts", tok.Life())
	}
}

func TestAssertions(t *testing.T) {
	e := newEndpoint(t, false)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	keyFile := write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	t.Run("private_key_jwt", func(t *testing.T) {
		_, err := NewOAuth(OAuthConfig{TokenURL: e.URL, ClientID: "c1", ClientAuth: PrivateKeyJWT, SigningKeyFile: keyFile, SigningKeyID: "k1"}).Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var claims jwt.RegisteredClaims
		tok, err := jwt.ParseWithClaims(e.form.Get("client_assertion"), &claims, func(*jwt.Token) (any, error) { return &key.PublicKey, nil },
			jwt.WithAudience(e.URL), jwt.WithIssuer("c1"), jwt.WithSubject("c1"), jwt.WithExpirationRequired(), jwt.WithValidMethods([]string{"ES256"}))
		if err != nil || tok.Header["kid"] != "k1" || claims.ID == "" {
			t.Fatalf("assertion %+v: %v", tok, err)
		}
		if e.form.Get("client_assertion_type") != assertionType || e.form.Has("client_secret") {
			t.Fatalf("form %v", e.form)
		}
	})
	t.Run("an algorithm that does not fit", func(t *testing.T) {
		_, err := NewOAuth(OAuthConfig{TokenURL: e.URL, ClientID: "c1", ClientAuth: PrivateKeyJWT, SigningKeyFile: keyFile, SigningAlgorithm: "RS256"}).Token(t.Context())
		if connector.KindOf(err) != connector.Unauthenticated || !strings.Contains(err.Error(), "does not fit") {
			t.Fatal(err)
		}
	})
	t.Run("a file that is rotated", func(t *testing.T) {
		path := write(t, "token", "first.workload.token\n")
		src := NewOAuth(OAuthConfig{TokenURL: e.URL, ClientID: "c1", AssertionFile: path})
		for _, want := range []string{"first.workload.token", "second.workload.token"} {
			if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := src.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := e.form.Get("client_assertion"); got != want {
				t.Fatalf("sent %q, want %q", got, want)
			}
		}
	})
	t.Run("token exchange", func(t *testing.T) {
		path := write(t, "subject", "subject.token.x")
		if _, err := NewOAuth(OAuthConfig{TokenURL: e.URL, ClientID: "c1", ClientSecret: "secret", SubjectTokenFile: path, Audience: "kafka"}).Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e.form.Get("grant_type") != grantExchange || e.form.Get("subject_token") != "subject.token.x" || e.form.Get("subject_token_type") != subjectTokenType || e.form.Get("client_secret") != "secret" {
			t.Fatalf("form %v", e.form)
		}
	})
}

func TestMutualTLSAndOwnCA(t *testing.T) {
	e := newEndpoint(t, true)
	ca := write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.Certificate().Raw})))
	_, err := NewOAuth(OAuthConfig{TokenURL: e.URL, ClientID: "c", ClientSecret: "secret"}).Token(t.Context())
	if connector.KindOf(err) != connector.Unauthenticated || !strings.Contains(err.Error(), "oauth_cafile") {
		t.Fatalf("an unknown CA: %v", err)
	}
	trust := tlsstore.NewClient(&tlsstore.Store{Location: ca}, nil, true)
	if _, err := NewOAuth(OAuthConfig{TokenURL: e.URL, ClientID: "c", ClientSecret: "secret", TLS: trust}).Token(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The client certificate is read at each request, so a rotated one counts.
func TestClientCertificate(t *testing.T) {
	var seen string
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.TLS.PeerCertificates[0].Subject.CommonName
		_ = r.ParseForm()
		if r.PostForm.Has("client_secret") || r.PostForm.Get("client_id") != "c" {
			w.WriteHeader(http.StatusBadRequest)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"opaque","token_type":"Bearer","expires_in":300}`))
	}))
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	srv.StartTLS()
	defer srv.Close()
	set := OAuthSettings{TokenURL: srv.URL, ClientID: "c", ClientAuth: "mtls", CertFile: write(t, "pair.pem", clientPair(t, "first")),
		CAFile: write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))}
	if f := append(set.Faults(""), set.CheckFiles("")...); len(f) > 0 {
		t.Fatal(f)
	}
	src := NewOAuth(set.Config())
	if _, err := src.Token(t.Context()); err != nil || seen != "first" {
		t.Fatalf("saw %q: %v", seen, err)
	}
	if err := os.WriteFile(set.CertFile, []byte(clientPair(t, "second, rotated")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Token(t.Context()); err != nil || seen != "second, rotated" {
		t.Fatalf("after the rotation saw %q: %v", seen, err)
	}
	set.CertFile = ""
	set.ClientAuth, set.ClientSecret = "post", "secret"
	if _, err := NewOAuth(set.Config()).Token(t.Context()); connector.KindOf(err) != connector.Unauthenticated || !strings.Contains(err.Error(), "mtls") {
		t.Fatalf("without a certificate: %v", err)
	}
}

func clientPair(t *testing.T, name string) string {
	return string(certtest.New(t, "CA").Issue(name, time.Now().Add(time.Hour)).PEM)
}

func TestFailuresAreClassifiedAndRedacted(t *testing.T) {
	const secret = "hunter2-hunter2"
	for _, tc := range []struct {
		name   string
		status int
		body   string
		kind   connector.Kind
		want   string
	}{
		{"wrong secret", 401, `{"error":"invalid_client","error_description":"bad secret hunter2-hunter2"}`, connector.Unauthenticated, "invalid_client"},
		{"service account off", 401, `{"error":"unauthorized_client","error_description":"Client not enabled"}`, connector.Unauthenticated, "service account"},
		{"bad scope", 400, `{"error":"invalid_scope"}`, connector.Unauthenticated, "oauth_scope"},
		{"bad audience", 400, `{"error":"invalid_target"}`, connector.Unauthenticated, "oauth_audience"},
		{"wrong path", 404, `<html>hunter2-hunter2</html>`, connector.Unauthenticated, "check the realm's name and the path in oauth_token_url"},
		{"wrong realm of Keycloak", 404, `{"error":"Realm does not exist"}`, connector.Unauthenticated, "check the realm's name in oauth_token_url"},
		{"wrong method", 405, ``, connector.Unauthenticated, "check the realm's name and the path in oauth_token_url"},
		{"an error with status 200", 200, `{"error":"invalid_scope"}`, connector.Unauthenticated, "oauth_scope"},
		{"redirect", 302, ``, connector.Unauthenticated, "redirects"},
		{"trouble", 500, `stack trace hunter2-hunter2`, connector.Unavailable, "HTTP 500"},
		{"too many", 429, `{}`, connector.Unavailable, "asked too often"},
		{"a login page", 200, `<html>hunter2-hunter2`, connector.Unauthenticated, "not that of a token endpoint"},
		{"no token", 200, `{"id_token":"hunter2-hunter2"}`, connector.Unauthenticated, "not that of a token endpoint"},
		{"not bearer", 200, `{"access_token":"hunter2-hunter2","token_type":"DPoP"}`, connector.Unauthenticated, "DPoP"},
		{"line breaks in the token", 200, `{"access_token":"hunter2-hunter2\u0001auth=x"}`, connector.Unauthenticated, "characters"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEndpoint(t, false)
			e.status, e.body = tc.status, tc.body
			_, err := NewOAuth(OAuthConfig{TokenURL: e.URL + "/token?x=" + secret, ClientID: "c", ClientSecret: secret}).Token(t.Context())
			if connector.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v (%s), want %s with %q", err, connector.KindOf(err), tc.kind, tc.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Fatalf("the secret shows in %q", err)
			}
		})
	}
}

func TestUnreachableEndpoints(t *testing.T) {
	e := newEndpoint(t, false)
	dead := e.URL
	e.Close()
	for name, tc := range map[string]struct{ url, want string }{
		"nobody listens": {dead, "connection refused"},
		"no such host":   {"http://no-such-host.invalid/token", "no such host"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewOAuth(OAuthConfig{TokenURL: tc.url, ClientID: "c", ClientSecret: "secret"}).Token(t.Context())
			if connector.KindOf(err) != connector.Unavailable || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v (%s)", err, connector.KindOf(err))
			}
		})
	}
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // the end of the request shows only after its body is read
		<-r.Context().Done()
	}))
	defer slow.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := NewOAuth(OAuthConfig{TokenURL: slow.URL, ClientID: "c", ClientSecret: "secret"}).Token(ctx); connector.KindOf(err) != connector.Unavailable {
		t.Fatal(err)
	}
}

func TestReadyMadeTokens(t *testing.T) {
	if tok, err := Static("opaque").Token(t.Context()); err != nil || tok.Value.Reveal() != "opaque" {
		t.Fatal(err)
	}
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1000,"aud":["a","b"],"iss":"i"}`))
	if _, err := Static(connector.Secret("e30." + claims + ".x")).Token(t.Context()); connector.KindOf(err) != connector.Unauthenticated {
		t.Fatalf("an expired token: %v", err)
	}
	if _, err := File(write(t, "t", "two tokens")).Token(t.Context()); err == nil {
		t.Fatal("a file with two words is not a token")
	}
	c, err := ParseClaims("e30." + claims + ".x")
	if err != nil || len(c.Audience) != 2 || c.Issuer != "i" {
		t.Fatalf("%+v %v", c, err)
	}
}

// Answers as some providers write them.
func TestAnswersThatAreTaken(t *testing.T) {
	const token = "opaque-token"
	for _, tc := range []struct {
		kind, body string
		life       time.Duration
	}{
		{"application/json", `{"access_token":"opaque-token","expires_in":300.0}`, 300 * time.Second},
		{"application/json", `{"access_token":"opaque-token","expires_in":"299.9"}`, 299 * time.Second},
		{"application/json", `{"access_token":"opaque-token","expires_in":3e2}`, 300 * time.Second},
		{"application/json", `{"access_token":"opaque-token","expires_in":null}`, 0},
		{"application/json", `{"access_token":"opaque-token","expires_in":-1}`, 0},
		{"application/json", `{"access_token":"opaque-token","expires_in":1e300}`, 100 * 365 * 24 * time.Hour},
		{"application/json", "\uFEFF" + `{"access_token":"opaque-token"}`, 0},
		{"text/plain; charset=utf-8", `{"access_token":"opaque-token","expires_in":300}`, 300 * time.Second},
		{"text/html", ` {"access_token":"opaque-token","token_type":"bearer"}`, 0},
		{"", `{"access_token":"opaque-token"}`, 0},
		{"application/x-www-form-urlencoded", `access_token=opaque-token&expires_in=300`, 300 * time.Second},
		{"text/plain", `access_token=opaque-token&token_type=bearer&expires_in=x`, 0},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{tc.kind}
			_, _ = w.Write([]byte(tc.body))
		}))
		tok, err := NewOAuth(OAuthConfig{TokenURL: s.URL, ClientID: "c", ClientSecret: "secret"}).Token(t.Context())
		if err != nil || tok.Value.Reveal() != token || tok.Life() != tc.life {
			t.Errorf("%s %s: life %s, %v", tc.kind, tc.body, tok.Life(), err)
		}
		s.Close()
	}
}

func TestRetryAfterReachesTheError(t *testing.T) {
	for _, status := range []int{429, 503} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(status)
		}))
		_, err := NewOAuth(OAuthConfig{TokenURL: s.URL, ClientID: "c", ClientSecret: "secret"}).Token(t.Context())
		var e *connector.Error
		if !errors.As(err, &e) || e.Kind != connector.Unavailable || e.RetryAfter != time.Minute {
			t.Errorf("%d: %+v", status, err)
		}
		s.Close()
	}
}

// http:// to a port that speaks TLS, and the other way round.
func TestTheWrongScheme(t *testing.T) {
	secure, plain := newEndpoint(t, true), newEndpoint(t, false)
	for url, want := range map[string]string{
		strings.Replace(secure.URL, "https:", "http:", 1): "https://",
		strings.Replace(plain.URL, "http:", "https:", 1):  "use http:// in oauth_token_url",
	} {
		_, err := NewOAuth(OAuthConfig{TokenURL: url, ClientID: "c", ClientSecret: "secret"}).Token(t.Context())
		if connector.KindOf(err) != connector.Unauthenticated || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", url, err)
		}
	}
	// A server that answers HTTP with the alert of TLS, and one that hangs up.
	for answer, want := range map[string]string{"\x15\x03\x03\x00\x02\x02\x32": "the server speaks TLS on this port", "": "if this port speaks TLS, write https://"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if conn, err := l.Accept(); err == nil {
				_, _ = conn.Read(make([]byte, 1024))
				_, _ = conn.Write([]byte(answer))
				_ = conn.Close()
			}
		}()
		_, err = NewOAuth(OAuthConfig{TokenURL: "http://" + l.Addr().String() + "/token", ClientID: "c", ClientSecret: "secret"}).Token(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), l.Addr().String()) {
			t.Errorf("%q: %v", answer, err)
		}
		<-done
		_ = l.Close()
	}
}

// A client secret of a file is read at each request; a byte order mark is no part
// of a token.
func TestSecretsOfFilesAreReadAgain(t *testing.T) {
	e := newEndpoint(t, false)
	path := write(t, "secret", "first\n")
	src := NewOAuth(OAuthConfig{TokenURL: e.URL, ClientID: "c", ClientSecret: "first", ClientSecretFile: path})
	for _, secret := range []string{"first", "second one"} {
		if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := src.Token(t.Context()); err != nil || e.form.Get("client_secret") != secret {
			t.Fatalf("sent %q, want %q: %v", e.form.Get("client_secret"), secret, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "client secret") || strings.Contains(err.Error(), "second one") {
		t.Fatal(err)
	}
	if tok, err := File(write(t, "t", "\uFEFFopaque\r\n")).Token(t.Context()); err != nil || tok.Value.Reveal() != "opaque" {
		t.Fatal(err)
	}
}
