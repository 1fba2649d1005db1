package tlsstore

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/auth/tlsstore/certtest"

	"github.com/headrace/headrace/connector"
)

// The passwords of testdata; they must never show.
const (
	storePassword = "store-secret"
	keyPassword   = "key-secret"
)

func file(name string) string { return filepath.Join("testdata", name) }

func content(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(file(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func base64Of(t *testing.T, name string) string {
	return base64.StdEncoding.EncodeToString([]byte(content(t, name)))
}

func TestTrusted(t *testing.T) {
	for _, tc := range []struct {
		name string
		s    Store
	}{
		{"PEM file", Store{Kind: PEM, Location: file("ca.pem")}},
		{"PEM text", Store{Kind: PEM, Content: content(t, "ca.pem")}},
		{"PEM text from an environment variable", Store{Kind: PEM, Content: strings.ReplaceAll(content(t, "ca.pem"), "\n", `\n`)}},
		{"PEM text on one line", Store{Kind: PEM, Content: strings.ReplaceAll(content(t, "ca.pem"), "\n", " ")}},
		{"PKCS12 by keytool", Store{Kind: PKCS12, Location: file("keytool-trust.p12"), Password: storePassword}},
		{"PKCS12 key store", Store{Kind: PKCS12, Location: file("ca-and-key.p12"), Password: storePassword}},
		{"PKCS12 inline", Store{Kind: PKCS12, Content: base64Of(t, "keytool-trust.p12"), Password: storePassword}},
		{"PKCS12 inline, wrapped as base64 does", Store{Kind: PKCS12, Content: wrap(base64Of(t, "keytool-trust.p12")), Password: storePassword}},
		{"JKS", Store{Kind: JKS, Location: file("trust.jks"), Password: storePassword}},
		{"JKS inline", Store{Kind: JKS, Content: base64Of(t, "trust.jks"), Password: storePassword}},
		{"JKS that is PKCS12", Store{Kind: JKS, Location: file("modern.jks"), Password: storePassword}},
		{"PKCS12 that is JKS", Store{Kind: PKCS12, Location: file("trust.jks"), Password: storePassword}},
		{"kind left out", Store{Location: file("ca.pem")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			certs, err := tc.s.Trusted()
			if err != nil || len(certs) != 1 || certs[0].Subject.CommonName != "Test CA" {
				t.Fatalf("%v %v", certs, err)
			}
		})
	}
}

func wrap(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\n")
		s = s[76:]
	}
	return b.String() + s + "\n"
}

func TestIdentity(t *testing.T) {
	for _, tc := range []struct {
		name  string
		s     Store
		chain int
	}{
		{"PEM, PKCS #8", Store{Kind: PEM, Location: file("client.pem"), KeyLocation: file("pkcs8.pem")}, 1},
		{"PEM, PKCS #1", Store{Kind: PEM, Location: file("client.pem"), KeyLocation: file("pkcs1.pem")}, 1},
		{"PEM, PBES2 AES", Store{Kind: PEM, Location: file("client.pem"), KeyLocation: file("pbes2-aes.pem"), KeyPassword: keyPassword}, 1},
		{"PEM, PBES2 3DES", Store{Kind: PEM, Location: file("client.pem"), KeyLocation: file("pbes2-des3.pem"), KeyPassword: keyPassword}, 1},
		{"PEM, PBES2 scrypt", Store{Kind: PEM, Location: file("client.pem"), KeyLocation: file("pbes2-scrypt.pem"), KeyPassword: keyPassword}, 1},
		{"PEM, PBES2 AES-192 and SHA-512", Store{Kind: PEM, Location: file("client.pem"), KeyLocation: file("pbes2-sha512.pem"), KeyPassword: keyPassword}, 1},
		{"PEM, RFC 1421", Store{Kind: PEM, Location: file("client.pem"), KeyLocation: file("rfc1421.pem"), KeyPassword: keyPassword}, 1},
		{"PEM, one file", Store{Kind: PEM, Location: file("both.pem"), KeyPassword: keyPassword}, 1},
		{"PEM text", Store{Kind: PEM, Content: content(t, "client.pem"), KeyContent: content(t, "pbes2-aes.pem"), KeyPassword: keyPassword}, 1},
		{"PEM text on one line", Store{Kind: PEM, Content: strings.ReplaceAll(content(t, "client.pem"), "\n", " "), KeyContent: strings.ReplaceAll(content(t, "pkcs8.pem"), "\n", `\n`)}, 1},
		{"PKCS12 by openssl", Store{Kind: PKCS12, Location: file("openssl.p12"), Password: storePassword}, 2},
		{"PKCS12 by openssl of old", Store{Kind: PKCS12, Location: file("legacy.p12"), Password: storePassword}, 2},
		{"PKCS12 by keytool", Store{Kind: PKCS12, Location: file("keytool.p12"), Password: storePassword}, 2},
		{"PKCS12 with an elliptic key", Store{Kind: PKCS12, Location: file("elliptic.p12"), Password: storePassword}, 1},
		{"PKCS12 with a CA to trust before the key", Store{Kind: PKCS12, Location: file("mixed.p12"), Password: storePassword}, 2},
		{"PKCS12 inline", Store{Kind: PKCS12, Content: base64Of(t, "openssl.p12"), Password: storePassword}, 2},
		{"JKS with a password of the key", Store{Kind: JKS, Location: file("client.jks"), Password: storePassword, KeyPassword: keyPassword}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cert, err := tc.s.Identity()
			if err != nil {
				t.Fatal(err)
			}
			if len(cert.Certificate) != tc.chain || cert.PrivateKey == nil || cert.Leaf == nil {
				t.Fatalf("%d certificates, leaf %v", len(cert.Certificate), cert.Leaf)
			}
			if name := cert.Leaf.Subject.CommonName; name != "exporter" && name != "elliptic" {
				t.Fatal(name)
			}
		})
	}
}

func TestOtherKeys(t *testing.T) {
	for _, name := range []string{"sec1.pem", "ed25519.pem", "rsa.pem"} {
		if key, err := ParseKey([]byte(content(t, name)), "", name); err != nil || key == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	key, err := ParseKey([]byte(content(t, "pkcs1.pem")), "", "k")
	if _, ok := key.(*rsa.PrivateKey); !ok || err != nil {
		t.Fatalf("%T %v", key, err)
	}
}

// A key store that also holds a CA to trust serves as the trust store too.
func TestTrustedOfAMixedStore(t *testing.T) {
	certs, err := (&Store{Kind: PKCS12, Location: file("mixed.p12"), Password: storePassword}).Trusted()
	if err != nil || !slices.ContainsFunc(certs, func(c *x509.Certificate) bool { return c.Subject.CommonName == "Test CA" && c.IsCA }) {
		t.Fatalf("%v %v", certs, err)
	}
}

// Rounds are counted in every place where a store can ask for them.
func TestRounds(t *testing.T) {
	for name, want := range map[string]int64{"openssl.p12": 3 * 2048, "legacy.p12": 3 * 2048, "keytool.p12": 3 * 10000, "keytool-trust.p12": 2 * 10000, "costly.p12": maxRounds + 1} {
		if n := rounds([]byte(content(t, name))); n != want {
			t.Errorf("%s: %d, want %d", name, n, want)
		}
	}
	for _, n := range []struct{ N, R, P int }{{1 << 30, 8, 1}, {1 << 17, 8, 2}, {2, 1 << 40, 1}, {16, 8, 1 << 60}} {
		params, err := asn1.Marshal(scryptParams{Salt: []byte("salt"), N: n.N, R: n.R, P: n.P})
		if err != nil {
			t.Fatal(err)
		}
		kdf := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}, Parameters: asn1.RawValue{FullBytes: params}}
		if _, err := deriveKey(kdf, "p", 32); !errors.Is(err, errRounds) {
			t.Errorf("scrypt %+v: %v", n, err)
		}
	}
}

// Each thing that can be wrong with a store has its own error, which names the
// store and what to do, and never a password.
func TestErrors(t *testing.T) {
	empty := write(t, "empty", "")
	junk := write(t, "junk", "hello")
	cut := write(t, "cut.jks", content(t, "trust.jks")[:100])
	cutP12 := write(t, "cut.p12", content(t, "openssl.p12")[:500])
	badPEM := write(t, "bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	big := write(t, "big", strings.Repeat("x", maxStore+1))
	identity := func(s Store) error { _, err := s.Identity(); return err }
	trusted := func(s Store) error { _, err := s.Trusted(); return err }
	for _, tc := range []struct {
		name string
		get  func(Store) error
		s    Store
		want error
		text string
	}{
		{"wrong password of JKS", trusted, Store{Kind: JKS, Location: file("trust.jks"), Password: "hunter2"}, ErrWrongPassword, "trust.jks"},
		{"no password of a JKS key store", identity, Store{Kind: JKS, Location: file("client.jks")}, ErrNeedsPassword, "needs its password"},
		{"DER said to be PEM", trusted, Store{Kind: PEM, Location: write(t, "ca.der", string(der(t, "ca.pem")))}, ErrMalformed, "-inform der"},
		{"only what cannot be read", trusted, Store{Location: file("negative.pem")}, ErrMalformed, "certificate 1"},
		{"only what is not trusted", trusted, Store{Location: file("rejected.pem")}, ErrMalformed, "not to be trusted"},
		{"PKCS12 without MAC, wrong password", identity, Store{Kind: PKCS12, Location: file("nomac.p12"), Password: "hunter2"}, ErrWrongPassword, "given password"},
		{"wrong password of PKCS12", trusted, Store{Kind: PKCS12, Location: file("keytool-trust.p12"), Password: "hunter2"}, ErrWrongPassword, "given password"},
		{"no password of PKCS12", trusted, Store{Kind: PKCS12, Location: file("keytool-trust.p12")}, ErrNeedsPassword, "needs its password"},
		{"wrong password of a key store", identity, Store{Kind: PKCS12, Location: file("openssl.p12"), Password: "hunter2"}, ErrWrongPassword, "given password"},
		{"wrong password of an old store", identity, Store{Kind: PKCS12, Location: file("legacy.p12"), Password: "hunter2"}, ErrWrongPassword, "given password"},
		{"wrong password of the key", identity, Store{Kind: JKS, Location: file("client.jks"), Password: storePassword}, ErrWrongPassword, "key_password"},
		{"wrong password of a PEM key", identity, Store{Kind: PEM, Location: file("both.pem"), KeyPassword: "hunter2"}, ErrWrongPassword, "decrypted"},
		{"wrong password of scrypt", identity, Store{Kind: PEM, Location: file("client.pem"), KeyLocation: file("pbes2-scrypt.pem"), KeyPassword: "hunter2"}, ErrWrongPassword, "decrypted"},
		{"wrong password of RFC 1421", identity, Store{Kind: PEM, Location: file("client.pem"), KeyLocation: file("rfc1421.pem"), KeyPassword: "hunter2"}, ErrWrongPassword, "decrypted"},
		{"no password of a PEM key", identity, Store{Kind: PEM, Location: file("both.pem")}, ErrNeedsPassword, "give its password"},
		{"no password of RFC 1421", identity, Store{Kind: PEM, Location: file("client.pem"), KeyLocation: file("rfc1421.pem")}, ErrNeedsPassword, "give its password"},
		{"key of another", identity, Store{Kind: PEM, Location: file("client.pem"), KeyLocation: file("sec1.pem")}, ErrKeyMismatch, "issued together"},
		{"key of another kind", identity, Store{Kind: PEM, Location: file("client.pem"), KeyLocation: file("ed25519.pem")}, ErrKeyMismatch, "issued together"},
		{"two keys", identity, Store{Kind: JKS, Location: file("two.jks"), Password: storePassword, KeyPassword: keyPassword}, ErrNoKey, "exactly one"},
		{"no key in JKS", identity, Store{Kind: JKS, Location: file("trust.jks"), Password: storePassword}, ErrNoKey, "exactly one"},
		{"no key in PKCS12", identity, Store{Kind: PKCS12, Location: file("keytool-trust.p12"), Password: storePassword}, ErrNoKey, "exactly one"},
		{"no key in PEM", identity, Store{Kind: PEM, Location: file("client.pem")}, ErrNoKey, "no private key"},
		{"no certificate", identity, Store{Kind: PEM, Location: file("pkcs8.pem")}, ErrNoCertificate, "no certificate"},
		{"no certificate to trust", trusted, Store{Kind: PEM, Location: file("pkcs8.pem")}, ErrNoCertificate, "put the CA into it"},
		{"no certificate to trust in JKS", trusted, Store{Kind: JKS, Location: file("client.jks"), Password: storePassword}, ErrNoCertificate, "put the CA into it"},
		{"certificates that are not trusted", trusted, Store{Kind: PKCS12, Location: file("openssl-trust.p12"), Password: storePassword}, ErrNoCertificate, "keytool -importcert"},
		{"no file", trusted, Store{Location: "/nowhere/ca.pem"}, ErrUnreadable, "check the path"},
		{"no file of the key", identity, Store{Location: file("client.pem"), KeyLocation: "/nowhere/key.pem"}, ErrUnreadable, "check the path"},
		{"a folder", trusted, Store{Location: "testdata"}, ErrUnreadable, "folder"},
		{"empty", trusted, Store{Location: empty}, ErrMalformed, "is empty"},
		{"junk", trusted, Store{Location: junk}, ErrMalformed, "neither PEM nor PKCS12 nor JKS"},
		{"half a JKS", trusted, Store{Kind: JKS, Location: cut, Password: storePassword}, ErrMalformed, "not a JKS store"},
		{"half a PKCS12", identity, Store{Kind: PKCS12, Location: cutP12, Password: storePassword}, ErrMalformed, "not a PKCS12 store"},
		{"a broken certificate", trusted, Store{Location: badPEM}, ErrMalformed, "certificate 1"},
		{"too big", trusted, Store{Location: big}, ErrMalformed, "8 MiB"},
		{"PKCS12 said to be PEM", trusted, Store{Kind: PEM, Location: file("openssl.p12")}, ErrMalformed, "truststore: {type: PKCS12"},
		{"JCEKS", trusted, Store{Kind: JKS, Location: file("trust.jceks"), Password: storePassword}, ErrMalformed, "-deststoretype PKCS12"},
		{"a device without end", trusted, Store{Location: "/dev/zero"}, ErrMalformed, "8 MiB"},
		{"an old form of encryption", identity, Store{Location: file("client.pem"), KeyLocation: file("pbes1.pem"), KeyPassword: keyPassword}, ErrMalformed, "openssl pkcs8"},
		{"a DSA key", identity, Store{Location: file("client.pem"), KeyLocation: file("dsa.pem")}, ErrMalformed, "(DSA); use RSA"},
		{"an Ed448 key", identity, Store{Location: file("client.pem"), KeyLocation: file("ed448.pem")}, ErrMalformed, "(Ed448); use RSA"},
		{"a key of fifty million rounds", identity, Store{Location: file("client.pem"), KeyLocation: file("costly.pem"), KeyPassword: keyPassword}, ErrMalformed, "rounds of hashing"},
		{"a key store of six million rounds", identity, Store{Kind: PKCS12, Location: file("costly.p12"), Password: storePassword}, ErrMalformed, "rounds of hashing"},
		{"a trust store of six million rounds", trusted, Store{Kind: PKCS12, Location: file("costly.p12"), Password: storePassword}, ErrMalformed, "rounds of hashing"},
		{"inline that is not base64", trusted, Store{Kind: JKS, Content: "%%%"}, ErrMalformed, "base64"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.get(tc.s)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
				t.Fatalf("%v, want %v with %q", err, tc.want, tc.text)
			}
			for _, secret := range []string{"hunter2", storePassword, keyPassword} {
				if strings.Contains(err.Error(), secret) {
					t.Fatalf("a password shows in %q", err)
				}
			}
		})
	}
}

func der(t *testing.T, name string) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(content(t, name)))
	if block == nil {
		t.Fatal(name)
	}
	return block.Bytes
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSettingsNameTheWrongKey(t *testing.T) {
	pair := issue(certtest.New(t, "CA"), time.Now().Add(-time.Minute), "c")
	for _, tc := range []struct {
		name, path, want string
		s                Settings
	}{
		{"cafile", "cafile", "does not exist", Settings{CAFile: "/nowhere"}},
		{"truststore", "truststore", "given password", Settings{Truststore: &StoreSettings{Type: "JKS", Location: file("trust.jks"), Password: "hunter2"}}},
		{"keystore", "keystore", "given password", Settings{Keystore: &StoreSettings{Type: "PKCS12", Location: file("openssl.p12"), Password: "hunter2"}}},
		{"certfile", "certfile", "no certificate", Settings{CertFile: file("pkcs8.pem")}},
		{"keyfile", "keyfile", "issued together", Settings{CertFile: file("client.pem"), KeyFile: file("sec1.pem")}},
		{"password", "keyfile", "decrypted", Settings{CertFile: file("client.pem"), KeyFile: file("pbes2-aes.pem"), Password: "hunter2"}},
		{"no keyfile", "keyfile", "does not exist", Settings{CertFile: file("client.pem"), KeyFile: "/nowhere"}},
		{"a keyfile of no use", "keyfile", "use RSA", Settings{CertFile: file("client.pem"), KeyFile: file("dsa.pem")}},
		{"expired certfile", "certfile", "have a new one issued", Settings{CertFile: pair}},
		{"expired keystore", "keystore", "have a new one issued", Settings{Keystore: &StoreSettings{Type: "PEM", Location: pair}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if f := tc.s.Faults("ssl_config."); len(f) > 0 {
				t.Fatal(f)
			}
			got := tc.s.CheckFiles("ssl_config.")
			if len(got) != 1 || got[0].Path != "ssl_config."+tc.path || !strings.Contains(got[0].Message, tc.want) || strings.Contains(got[0].Message, "hunter2") {
				t.Fatalf("%+v, want %s: %s", got, tc.path, tc.want)
			}
		})
	}
	right := Settings{Truststore: &StoreSettings{Type: "JKS", Location: file("trust.jks"), Password: storePassword},
		Keystore: &StoreSettings{Type: "PEM", Key: connector.Secret(content(t, "pbes2-aes.pem")), CertificateChain: content(t, "client.pem"), KeyPassword: keyPassword}}
	if f := append(right.Faults(""), right.CheckFiles("")...); len(f) > 0 {
		t.Fatal(f)
	}
	var none *Settings
	if none.Faults("") != nil || !none.ChecksHostname() || none.TrustStore() != nil || none.KeyStore() != nil {
		t.Fatal("nil settings are the system's CAs and no certificate")
	}
}

// Hostile stores give errors, in bounded time, and never a panic.
func FuzzStore(f *testing.F) {
	for _, name := range []string{"trust.jks", "client.jks", "openssl.p12", "keytool-trust.p12", "both.pem", "pbes2-scrypt.pem", "rfc1421.pem", "elliptic.p12", "pbes2-sha512.pem", "mixed.p12", "nomac.p12", "beyond.jks", "trusted.pem"} {
		b, err := os.ReadFile(file(name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, storePassword)
	}
	f.Fuzz(func(t *testing.T, b []byte, password string) {
		s := Store{Content: base64.StdEncoding.EncodeToString(b), Password: password}
		if certs, err := s.Trusted(); err == nil && len(certs) == 0 {
			t.Fatal("nothing to trust, and no error")
		}
		if cert, err := s.Identity(); err == nil && cert.PrivateKey == nil {
			t.Fatal("no key, and no error")
		}
		if key, err := ParseKey(b, password, "k"); err == nil && key == nil {
			t.Fatal("no key, and no error")
		}
	})
}
