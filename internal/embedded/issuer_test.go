package embedded_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/headrace/headrace/internal/embedded"
)

func exportedRealm(t *testing.T) *embedded.Realm {
	t.Helper()
	f, err := os.Open("testdata/realm.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	realm, err := embedded.ReadRealm(f)
	if err != nil {
		t.Fatal(err)
	}
	return realm
}

// exchangeForm posts a form and returns the status and the decoded answer.
func exchangeForm(t *testing.T, address string, form url.Values, edit func(*http.Request)) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if edit != nil {
		edit(request)
	}
	return do(t, request)
}

func do(t *testing.T, request *http.Request) (int, map[string]any) {
	t.Helper()
	request.Close = true // no idle connection outlives the test
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(content, &body); err != nil {
		t.Fatalf("%s: %q: %v", response.Status, content, err)
	}
	return response.StatusCode, body
}

func get(t *testing.T, address string) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, request)
}

// claimsOf verifies a token with the published keys and returns its claims.
func claimsOf(t *testing.T, issuer *embedded.Issuer, token any) map[string]any {
	t.Helper()
	_, published := get(t, issuer.JWKSURL())
	encoded, err := json.Marshal(published)
	if err != nil {
		t.Fatal(err)
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(encoded, &keys); err != nil {
		t.Fatal(err)
	}
	text, _ := token.(string)
	parsed, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		t.Fatalf("%v is no token: %v", token, err)
	}
	var claims map[string]any
	if err := parsed.Claims(keys, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestDiscoveryAndRealClient(t *testing.T) {
	for _, algorithm := range []jose.SignatureAlgorithm{jose.ES256, jose.RS256} {
		t.Run(string(algorithm), func(t *testing.T) {
			issuer := startIssuer(t, embedded.IssuerConfig{Realm: exportedRealm(t), Algorithm: algorithm})
			status, d := get(t, issuer.URL()+"/.well-known/openid-configuration")
			if status != http.StatusOK || d["issuer"] != issuer.URL() || d["jwks_uri"] != issuer.JWKSURL() {
				t.Fatalf("%d %v", status, d)
			}
			if !strings.HasSuffix(issuer.TokenURL(), "/realms/exporter/protocol/openid-connect/token") {
				t.Errorf("token endpoint %s", issuer.TokenURL())
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			ctx := context.WithValue(context.Background(), oauth2.HTTPClient, client)
			for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
				token, err := (&clientcredentials.Config{
					ClientID: "exporter", ClientSecret: "exporter-secret", AuthStyle: style, TokenURL: d["token_endpoint"].(string),
				}).Token(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if left := time.Until(token.Expiry); left < 80*time.Second || left > 90*time.Second {
					t.Errorf("a token of %v, not of the realm's 90 s", left)
				}
				claims := claimsOf(t, issuer, token.AccessToken)
				for name, want := range map[string]any{
					"iss": issuer.URL(), "aud": "kafka", "azp": "exporter", "typ": "Bearer",
					"preferred_username": "service-account-exporter",
				} {
					if diff := cmp.Diff(want, claims[name]); diff != "" {
						t.Errorf("%s: %s", name, diff)
					}
				}
			}
			if n := issuer.TokenRequests(); n != 2 {
				t.Errorf("%d token requests", n)
			}
		})
	}
}

func TestGrants(t *testing.T) {
	issuer := startIssuer(t, embedded.IssuerConfig{Realm: exportedRealm(t)})
	form := func(client, grant string, more ...string) url.Values {
		f := url.Values{"client_id": {client}, "client_secret": {client + "-secret"}, "grant_type": {grant}}
		for i := 0; i < len(more); i += 2 {
			f.Set(more[i], more[i+1])
		}
		return f
	}
	for name, c := range map[string]struct {
		form   url.Values
		status int
		want   string // an error, or the audience
	}{
		"client credentials":     {form("exporter", "client_credentials"), 200, "kafka"},
		"no audience":            {form("wrongaud", "client_credentials"), 200, ""},
		"password":               {form("app", "password", "username", "alice", "password", "alice-secret"), 200, "gateway"},
		"known scope":            {form("exporter", "client_credentials", "scope", "openid email"), 200, "kafka"},
		"unknown scope":          {form("exporter", "client_credentials", "scope", "admin"), 400, "invalid_scope"},
		"wrong secret":           {form("exporter", "client_credentials", "client_secret", "x"), 401, "unauthorized_client"},
		"no secret":              {form("exporter", "client_credentials", "client_secret", ""), 401, "unauthorized_client"},
		"unknown client":         {form("nobody", "client_credentials"), 401, "invalid_client"},
		"wrong password":         {form("app", "password", "username", "alice", "password", "x"), 400, "invalid_grant"},
		"no password":            {form("app", "password", "username", "alice"), 400, "invalid_grant"},
		"unknown user":           {form("app", "password", "username", "eve", "password", "x"), 400, "invalid_grant"},
		"service account":        {form("app", "password", "username", "service-account-app", "password", ""), 400, "invalid_grant"},
		"password not allowed":   {form("exporter", "password", "username", "alice", "password", "alice-secret"), 400, "unauthorized_client"},
		"unknown grant":          {form("exporter", "magic"), 400, "unsupported_grant_type"},
		"no grant":               {form("exporter", ""), 400, "invalid_request"},
		"exchange without token": {form("exporter", "urn:ietf:params:oauth:grant-type:token-exchange"), 400, "invalid_request"},
		"large form":             {form("exporter", "client_credentials", "x", strings.Repeat("y", 1<<17)), 400, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := exchangeForm(t, issuer.TokenURL(), c.form, nil)
			if status != c.status {
				t.Fatalf("status %d, %v", status, body)
			}
			got, _ := body["error"].(string)
			if status == 200 {
				got, _ = claimsOf(t, issuer, body["access_token"])["aud"].(string)
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	for _, address := range []string{strings.Replace(issuer.TokenURL(), "/realms/exporter", "/realms/other", 1), issuer.URL() + "/nothing"} {
		request, _ := http.NewRequest(http.MethodPost, address, nil)
		request.Close = true
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusNotFound {
			t.Errorf("%s gives %s", address, response.Status)
		}
	}
}

func TestRolesAndUserClaims(t *testing.T) {
	issuer := startIssuer(t, embedded.IssuerConfig{Realm: exportedRealm(t)})
	_, body := exchangeForm(t, issuer.TokenURL(), url.Values{
		"client_id": {"app"}, "client_secret": {"app-secret"}, "grant_type": {"password"},
		"username": {"bob"}, "password": {"bob-secret"},
	}, nil)
	claims := claimsOf(t, issuer, body["access_token"])
	want := map[string]any{"roles": []any{"kafka-reader"}}
	if diff := cmp.Diff(want, claims["realm_access"]); diff != "" {
		t.Error(diff)
	}
	if claims["email"] != "bob@example.test" || claims["preferred_username"] != "bob" {
		t.Errorf("claims %v", claims)
	}
	_, body = exchangeForm(t, issuer.TokenURL(), url.Values{
		"client_id": {"app"}, "client_secret": {"app-secret"}, "grant_type": {"client_credentials"},
	}, nil)
	roles := claimsOf(t, issuer, body["access_token"])["realm_access"]
	if diff := cmp.Diff(map[string]any{"roles": []any{"kafka-writer", "kafka-reader"}}, roles); diff != "" {
		t.Errorf("the service account's roles: %s", diff)
	}
}

func TestFaults(t *testing.T) {
	issuer := startIssuer(t, embedded.IssuerConfig{})
	form := url.Values{"client_id": {"exporter"}, "client_secret": {"exporter-secret"}, "grant_type": {"client_credentials"}}
	issuer.SetFaults(embedded.Faults{ServerError: true, KeysError: true})
	if status, _ := exchangeForm(t, issuer.TokenURL(), form, nil); status != http.StatusInternalServerError {
		t.Errorf("token endpoint gives %d", status)
	}
	if status, _ := get(t, issuer.JWKSURL()); status != http.StatusInternalServerError {
		t.Errorf("key endpoint gives %d", status)
	}
	issuer.SetFaults(embedded.Faults{Expired: true, WrongAudience: true})
	_, body := exchangeForm(t, issuer.TokenURL(), form, nil)
	claims := claimsOf(t, issuer, body["access_token"])
	if exp, _ := claims["exp"].(float64); exp > float64(time.Now().Add(-59*time.Minute).Unix()) || claims["aud"] != "somebody-else" {
		t.Errorf("claims %v", claims)
	}
	issuer.SetFaults(embedded.Faults{Delay: time.Minute})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, issuer.TokenURL(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a slow issuer answered: %v %v", response, err)
	}
	issuer.SetFaults(embedded.Faults{})
	if status, body := exchangeForm(t, issuer.TokenURL(), form, nil); status != http.StatusOK {
		t.Errorf("after the faults: %d %v", status, body)
	}
	if n := issuer.TokenRequests(); n != 4 {
		t.Errorf("%d token requests were counted, want 4", n)
	}
}

func TestRotationKeepsThreeKeys(t *testing.T) {
	issuer := startIssuer(t, embedded.IssuerConfig{})
	for range 5 {
		if err := issuer.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	_, published := get(t, issuer.JWKSURL())
	keys, _ := published["keys"].([]any)
	if len(keys) != 3 {
		t.Errorf("%d keys", len(keys))
	}
	for _, k := range keys {
		if k.(map[string]any)["d"] != nil {
			t.Error("a private key is published")
		}
	}
}
