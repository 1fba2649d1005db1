package auth

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A token request goes through the proxy of the environment, which Go reads
// once a process: so the request is made in a process of its own.
func TestProxy(t *testing.T) {
	if target := os.Getenv("HEADRACE_TEST_TOKEN_URL"); target != "" {
		tok, err := NewOAuth(OAuthConfig{TokenURL: target, ClientID: "c", ClientSecret: "secret"}).Token(t.Context())
		if err != nil || tok.Value.Reveal() != "through-the-proxy" {
			t.Fatal(err)
		}
		return
	}
	var asked string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"through-the-proxy","token_type":"Bearer"}`))
	}))
	defer proxy.Close()
	const target = "http://id.example.com/token"
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestProxy$")
	cmd.Env = append(os.Environ(), "HEADRACE_TEST_TOKEN_URL="+target, "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL, "NO_PROXY=", "no_proxy=")
	if out, err := cmd.CombinedOutput(); err != nil || asked != target {
		t.Fatalf("the proxy was asked for %q: %v\n%s", asked, err, strings.TrimSpace(string(out)))
	}
}
