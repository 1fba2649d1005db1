package kafka

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A principal without a realm is in the default one of krb5.conf, as with
// every Kerberos client; without that either, the settings are wrong.
func TestKerberosRealm(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	named := write("named.conf", "[libdefaults]\n default_realm = EXAMPLE.COM\n[realms]\n EXAMPLE.COM = {\n  kdc = 127.0.0.1:1\n }\n")
	bare := write("bare.conf", "[libdefaults]\n forwardable = false\n")
	for _, tc := range []struct{ user, key, conf, realm string }{
		{"alice", "", named, "EXAMPLE.COM"}, {"alice@A", "", named, "A"}, {"alice", "B", named, "B"}, {"alice@A", "", bare, "A"}, {"alice", "", bare, ""},
	} {
		s := Settings{BootstrapServer: []string{"b:1"}, SecurityProtocol: "SASL_PLAINTEXT",
			SASL: &SASL{Mechanism: "GSSAPI", Username: tc.user, KerberosRealm: tc.key, Password: "p", KerberosConfig: tc.conf}}
		faults := append(s.Validate(), s.CheckFiles()...)
		if tc.realm == "" {
			if len(faults) != 1 || faults[0].Path != "sasl_config.kerberos_realm" || !strings.Contains(faults[0].Message, "name@REALM") {
				t.Errorf("%+v: %v", tc, faults)
			}
			continue
		}
		c, err := NewCluster("c", s, nil)
		if err != nil || len(faults) > 0 {
			t.Fatalf("%+v: %v %v", tc, err, faults)
		}
		cfg, err := c.SaramaConfig()
		if err != nil {
			t.Fatal(err)
		}
		if g := cfg.Net.SASL.GSSAPI; g.Username != "alice" || g.Realm != tc.realm {
			t.Errorf("%+v: %s@%s", tc, g.Username, g.Realm)
		}
		_ = c.Close()
	}
}
