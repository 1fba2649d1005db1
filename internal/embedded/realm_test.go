package embedded_test

import (
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/embedded"
)

func TestRealmsThatCannotBeUsed(t *testing.T) {
	for name, c := range map[string]struct{ json, want string }{
		"no JSON":       {`{`, "unexpected end"},
		"wrong type":    {`{"realm": 5}`, "realm"},
		"no name":       {`{}`, "needs a name"},
		"name":          {`{"realm": "a/b"}`, "needs a name"},
		"no client id":  {`{"realm": "r", "clients": [{}]}`, "no clientId"},
		"client twice":  {`{"realm": "r", "clients": [{"clientId": "a"}, {"clientId": "a"}]}`, "a is there twice"},
		"hidden secret": {`{"realm": "r", "clients": [{"clientId": "a", "secret": "**********"}]}`, "hidden"},
		"large":         {`{"realm": "` + strings.Repeat("x", 17<<20) + `"}`, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := embedded.ReadRealm(strings.NewReader(c.json)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
		})
	}
	if i, err := embedded.StartIssuer(embedded.IssuerConfig{Realm: &embedded.Realm{}}); err == nil {
		_ = i.Close()
		t.Error("a realm without name was started")
	}
	if i, err := embedded.StartIssuer(embedded.IssuerConfig{Algorithm: "HS256"}); err == nil {
		_ = i.Close()
		t.Error("HS256 was taken")
	}
}

// TestExportWithScopes reads what a real export holds beyond the plain example:
// client scopes with mappers, hashed passwords, disabled clients and users.
func TestExportWithScopes(t *testing.T) {
	salt := []byte("0123456789abcdef")
	hash, err := pbkdf2.Key(sha512.New, "alice-secret", salt, 1000, 64)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.StdEncoding.EncodeToString
	export := fmt.Sprintf(`{
		"realm": "r", "accessTokenLifespan": 60,
		"defaultDefaultClientScopes": ["basic"], "defaultOptionalClientScopes": ["kafka"],
		"clientScopes": [
			{"name": "basic", "attributes": {"include.in.token.scope": "false"}},
			{"name": "kafka", "attributes": {"include.in.token.scope": "true"}, "protocolMappers": [
				{"name": "a", "protocolMapper": "oidc-audience-mapper", "config": {"included.client.audience": "kafka", "access.token.claim": "true"}},
				{"name": "h", "protocolMapper": "oidc-hardcoded-claim-mapper", "config": {"claim.name": "kafka.tenant", "claim.value": "7", "jsonType.label": "int", "access.token.claim": "true"}},
				{"name": "r", "protocolMapper": "oidc-usermodel-realm-role-mapper", "config": {"claim.name": "groups", "access.token.claim": "true"}},
				{"name": "off", "protocolMapper": "oidc-hardcoded-claim-mapper", "config": {"claim.name": "off", "claim.value": "x", "access.token.claim": "false"}}
			]}],
		"clients": [
			{"clientId": "public", "publicClient": true, "directAccessGrantsEnabled": true},
			{"clientId": "own", "secret": "s", "serviceAccountsEnabled": true, "defaultClientScopes": ["kafka"], "protocolMappers": [
				{"name": "b", "protocolMapper": "oidc-audience-mapper", "config": {"included.custom.audience": "billing"}}]},
			{"clientId": "disabled", "secret": "s", "enabled": false, "serviceAccountsEnabled": true}],
		"users": [
			{"id": "11-22", "username": "alice", "enabled": true, "realmRoles": ["writer"], "credentials": [
				{"type": "password", "secretData": "{\"value\":\"%s\",\"salt\":\"%s\"}", "credentialData": "{\"hashIterations\":1000,\"algorithm\":\"pbkdf2-sha512\"}"}]},
			{"username": "bob", "enabled": false, "credentials": [{"type": "password", "value": "b"}]}]
	}`, b64(hash), b64(salt))
	realm, err := embedded.ReadRealm(strings.NewReader(export))
	if err != nil {
		t.Fatal(err)
	}
	issuer := startIssuer(t, embedded.IssuerConfig{Realm: realm})
	post := func(more ...string) (int, map[string]any) {
		form := url.Values{}
		for i := 0; i < len(more); i += 2 {
			form.Set(more[i], more[i+1])
		}
		return exchangeForm(t, issuer.TokenURL(), form, nil)
	}
	status, body := post("client_id", "public", "grant_type", "password", "username", "Alice", "password", "alice-secret", "scope", "kafka")
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, body)
	}
	claims := claimsOf(t, issuer, body["access_token"])
	want := map[string]any{
		"aud": "kafka", "sub": "11-22", "scope": "kafka", "groups": []any{"writer"}, "kafka": map[string]any{"tenant": 7.0}, "off": nil,
	}
	for name, v := range want {
		if diff := cmp.Diff(v, claims[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	_, body = post("client_id", "own", "client_secret", "s", "grant_type", "client_credentials")
	if diff := cmp.Diff([]any{"billing", "kafka"}, claimsOf(t, issuer, body["access_token"])["aud"]); diff != "" {
		t.Error(diff)
	}
	for _, tc := range []struct {
		name   string
		status int // as Keycloak 26 answers
		form   []string
	}{
		{"wrong password", http.StatusBadRequest, []string{"client_id", "public", "grant_type", "password", "username", "alice", "password", "x"}},
		{"disabled user", http.StatusBadRequest, []string{"client_id", "public", "grant_type", "password", "username", "bob", "password", "b"}},
		{"disabled client", http.StatusUnauthorized, []string{"client_id", "disabled", "client_secret", "s", "grant_type", "client_credentials"}},
		{"public client", http.StatusUnauthorized, []string{"client_id", "public", "grant_type", "client_credentials"}},
	} {
		if status, body := post(tc.form...); status != tc.status {
			t.Errorf("%s: %d %v", tc.name, status, body)
		}
	}
}

// An export has its clients in the order of their names, and only some of them
// have tokens for the brokers.
func TestServiceAccountFor(t *testing.T) {
	realm := embedded.DefaultRealm()
	slices.Reverse(realm.Clients)
	first := realm.ServiceAccountFor("nobody")
	c := realm.ServiceAccountFor("gateway")
	if first == nil || c == nil || c.ID != "app" || first.ID == "" {
		t.Fatalf("%v %v", first, c)
	}
	if c := realm.ServiceAccountFor("kafka"); c == nil || c.ID == "app" {
		t.Fatalf("%v has no tokens for kafka", c)
	}
	if c := (&embedded.Realm{}).ServiceAccountFor("kafka"); c != nil {
		t.Fatal(c)
	}
}
