//go:build integration

// Package identity holds every way into a secured Kafka cluster against Apache
// Kafka, Keycloak and MIT Kerberos: each protocol and mechanism in each of the
// three dialects writes and reads records, and the doctor names what is wrong
// with each broken set-up.
package identity

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/headrace/headrace/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

const storePassword = "store-secret"

// stores are the certificates of a run in the forms of Java's clients.
type stores struct{ trustJKS, trustP12, keyJKS, keyP12 string }

// makeStores makes them with the tools that users have.
func makeStores(t *testing.T, s *services.SecureCluster) stores {
	t.Helper()
	dir := t.TempDir()
	out := stores{filepath.Join(dir, "trust.jks"), filepath.Join(dir, "trust.p12"), filepath.Join(dir, "key.jks"), filepath.Join(dir, "key.p12")}
	tool(t, "openssl", "pkcs12", "-export", "-in", s.Certs.Exporter.Cert, "-inkey", s.Certs.Exporter.Key, "-name", "exporter", "-passout", "pass:"+storePassword, "-out", out.keyP12)
	tool(t, "keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", s.Certs.CA, "-storetype", "JKS", "-keystore", out.trustJKS, "-storepass", storePassword)
	tool(t, "keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", s.Certs.CA, "-storetype", "PKCS12", "-keystore", out.trustP12, "-storepass", storePassword)
	tool(t, "keytool", "-importkeystore", "-noprompt", "-srckeystore", out.keyP12, "-srcstoretype", "PKCS12", "-srcstorepass", storePassword,
		"-destkeystore", out.keyJKS, "-deststoretype", "JKS", "-deststorepass", storePassword, "-destkeypass", services.KeyPassword, "-srcalias", "exporter")
	return out
}

func tool(t *testing.T, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// costTopics creates the topics of the benchmark, as wide as W1's.
func costTopics(b *testing.B, s *services.SecureCluster) {
	b.Helper()
	createTopics(b, s, 6, "open.cost", "exp.cost")
}

// makeTopics creates topics of one partition.
func makeTopics(t *testing.T, s *services.SecureCluster, names ...string) {
	t.Helper()
	createTopics(t, s, 1, names...)
}

func createTopics(t testing.TB, s *services.SecureCluster, partitions int32, names ...string) {
	t.Helper()
	cl, err := s.Admin()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	made, err := kadm.NewClient(cl).CreateTopics(context.Background(), partitions, 1, nil, names...)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range made {
		if m.Err != nil {
			t.Fatalf("topic %s: %v", m.Topic, m.Err)
		}
	}
}
