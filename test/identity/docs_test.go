//go:build integration

package identity

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/embedded"
	"github.com/headrace/headrace/test/services"
)

// The page about Keycloak is run as a reader would: its files are written, its
// commands do what it says.
func TestKeycloakPage(t *testing.T) {
	s := services.SecureKafka(t)
	createTopics(t, s, 3, "exp.orders")
	page, err := os.ReadFile("../../docs/keycloak.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := regexp.MustCompile("(?ms)^`([^`\n]+)`:\n\n```[a-z]*\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	if len(files) != 4 {
		t.Fatalf("%d files on the page", len(files))
	}
	for _, f := range files {
		path := filepath.Join(dir, f[1])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f[2]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	realm, err := os.Open(filepath.Join(dir, "realm.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer realm.Close()
	if r, err := embedded.ReadRealm(realm); err != nil || r.Clients[0].ID != "exporter" {
		t.Fatalf("the realm of the page: %v", err)
	}
	commands := regexp.MustCompile("(?ms)^```console\n(.*?)^```$").FindStringSubmatch(string(page))[1]
	said := map[string]string{}
	for line := range strings.Lines(commands) {
		args := strings.Fields(strings.TrimPrefix(line, "$ headrace "))
		cmd := exec.CommandContext(t.Context(), services.Headrace(t), args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "KAFKA="+s.SASLTLS, "KAFKA_CA="+s.Certs.CA, "TOKEN_URL="+s.Keycloak.TokenURLTLS, "EXPORTER_SECRET=exporter-secret")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.TrimSpace(line), err, out)
		}
		if strings.Contains(string(out), "exporter-secret") {
			t.Errorf("%s shows the secret:\n%s", strings.TrimSpace(line), out)
		}
		said[args[0]] = string(out)
	}
	if !strings.Contains(said["doctor"], "exp.orders: describe") || !strings.Contains(said["doctor"], "audience kafka") {
		t.Errorf("doctor said\n%s", said["doctor"])
	}
	if !strings.Contains(said["run"], "2") {
		t.Errorf("run said\n%s", said["run"])
	}
}
