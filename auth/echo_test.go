package auth

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// An identity provider that repeats what it was sent, in whatever form: nothing
// of the secret stands in the error, and the rest of its words does.
func TestWhatAnIdentityProviderRepeatsIsNotShown(t *testing.T) {
	const secret = "p&ss w/rd+hunter2-<geheim>"
	lower := func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			fmt.Fprintf(&b, "%%%02x", c)
		}
		return b.String()
	}
	basic := base64.StdEncoding.EncodeToString([]byte("exporter:" + url.QueryEscape(secret)))
	for name, echo := range map[string]string{
		"plain": secret, "the header": "Basic " + basic, "a cut header": "Basic " + basic[:len(basic)-9] + "…", "the header's tail": basic[5:],
		"lower %xx": lower(secret), "query": url.QueryEscape(secret), "HTML": html.EscapeString(secret), "cut": secret[3:14],
		"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "another token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLXZhbHVl",
		"another secret": "Q7xk2P9vLm4TzR8wYb3N",
	} {
		for _, style := range []ClientAuth{ClientSecretPost, ClientSecretBasic} {
			t.Run(name+" "+string(style), func(t *testing.T) {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(http.StatusBadRequest)
					_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_request", "error_description": "bad Authorization header: " + echo + " is not known to the realm"})
				}))
				defer server.Close()
				_, err := NewOAuth(OAuthConfig{TokenURL: server.URL, ClientID: "exporter", ClientSecret: secret, ClientAuth: style}).Token(t.Context())
				if err == nil || !strings.Contains(err.Error(), "invalid_request") || !strings.Contains(err.Error(), "bad Authorization header: ") || !strings.Contains(err.Error(), "is not known to the realm") {
					t.Fatalf("got %v", err)
				}
				for i := 0; i+6 <= len(echo); i++ {
					if piece := echo[i : i+6]; strings.Contains(err.Error(), piece) && !strings.HasPrefix(echo[i:], "Basic ") {
						t.Fatalf("%q shows in %v", piece, err)
					}
				}
			})
		}
	}
}
