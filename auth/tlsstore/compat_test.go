package tlsstore

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/headrace/headrace/auth/tlsstore/certtest"
)

const beyondPassword = "pässwörd€🔑"

// What Java's clients open is opened: each row by the tools of its users.
func TestTrustedAsJavaDoes(t *testing.T) {
	ca := content(t, "ca.pem")
	utf16LE := func(s string) string {
		out := []byte{0xFF, 0xFE}
		for _, u := range utf16.Encode([]rune(s)) {
			out = append(out, byte(u), byte(u>>8))
		}
		return string(out)
	}
	indented := "    " + strings.ReplaceAll(ca, "\n", "\n    ")
	for _, tc := range []struct {
		name    string
		s       Store
		certs   int
		skipped string
	}{
		{"JKS with a password beyond ASCII", Store{Kind: JKS, Location: file("beyond-trust.jks"), Password: beyondPassword}, 1, ""},
		{"JKS without a password", Store{Kind: JKS, Location: file("trust.jks")}, 1, ""},
		{"JKS as cafile", Store{Kind: PEM, Location: file("trust.jks")}, 1, ""},
		{"PKCS12 without MAC", Store{Kind: PKCS12, Location: file("nomac-trust.p12")}, 1, ""},
		{"PKCS12 without MAC, with a password", Store{Kind: PKCS12, Location: file("nomac-trust.p12"), Password: storePassword}, 1, ""},
		{"TRUSTED CERTIFICATE", Store{Location: file("trusted.pem")}, 1, ""},
		{"byte order mark before two", Store{Location: write(t, "a", "\uFEFF"+ca+ca)}, 2, ""},
		{"byte order mark between two", Store{Location: write(t, "a", ca+"\uFEFF"+ca)}, 2, ""},
		{"no newline between two", Store{Location: write(t, "a", strings.TrimSpace(ca)+ca)}, 2, ""},
		{"UTF-16 of a Windows shell", Store{Location: write(t, "a", utf16LE(ca+ca))}, 2, ""},
		{"newlines of Windows and of old", Store{Location: write(t, "a", strings.ReplaceAll(ca, "\n", "\r\n")+strings.ReplaceAll(ca, "\n", "\r"))}, 2, ""},
		{"indented", Store{Location: write(t, "a", indented+indented)}, 2, ""},
		{"text around", Store{Location: write(t, "a", "subject: CN=x\n"+ca+"# next\n"+ca+"end")}, 2, ""},
		{"one that Go refuses", Store{Location: write(t, "a", content(t, "negative.pem")+ca)}, 1, "certificate 1 of"},
		{"one that is damaged", Store{Location: write(t, "a", ca+"-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n"+ca)}, 2, "certificate 2 of"},
		{"one that has no end", Store{Location: write(t, "a", ca[:400]+"\n"+ca)}, 1, "certificate 1 of"},
		{"one that is not trusted", Store{Location: write(t, "a", content(t, "rejected.pem")+ca)}, 1, "not to be trusted"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			certs, err := tc.s.Trusted()
			if err != nil || len(certs) != tc.certs {
				t.Fatalf("%d certificates, want %d: %v", len(certs), tc.certs, err)
			}
			for _, c := range certs {
				if c.Subject.CommonName != "Test CA" {
					t.Error(c.Subject)
				}
			}
			if said := strings.Join(tc.s.Skipped(), "\n"); (said == "") != (tc.skipped == "") || !strings.Contains(said, tc.skipped) {
				t.Errorf("skipped: %q, want %q", said, tc.skipped)
			}
		})
	}
}

func TestIdentityAsJavaDoes(t *testing.T) {
	ca := certtest.New(t, "CA")
	middle := ca.Issue("x", time.Now().Add(time.Hour))
	first, second := ca.Issue("first", time.Now().Add(time.Hour)), ca.Issue("second", time.Now().Add(time.Hour))
	caText := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Cert.Raw}))
	certOf := func(p certtest.Pair) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate.Certificate[0]}))
	}
	keyOf := func(p certtest.Pair) string {
		der, err := x509.MarshalPKCS8PrivateKey(p.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	for _, tc := range []struct {
		name  string
		s     Store
		leaf  string
		chain int
	}{
		{"JKS with a password beyond ASCII", Store{Kind: JKS, Location: file("beyond.jks"), Password: beyondPassword}, "exporter", 2},
		{"JKS with the password of the key alone", Store{Kind: JKS, Location: file("client.jks"), KeyPassword: keyPassword}, "exporter", 2},
		{"PKCS12 without MAC", Store{Kind: PKCS12, Location: file("nomac.p12"), Password: storePassword}, "exporter", 2},
		{"chain in the wrong order", Store{Location: write(t, "c", caText+certOf(first)), KeyLocation: write(t, "k", keyOf(first))}, "first", 2},
		{"two keys, the second fits", Store{Location: write(t, "c", certOf(second)), KeyLocation: write(t, "k", keyOf(first)+keyOf(second))}, "second", 1},
		{"two pairs in one file", Store{Location: write(t, "c", certOf(second)+certOf(first)+keyOf(first)+keyOf(second))}, "second", 2},
		{"an encrypted key before the one that fits", Store{Location: write(t, "c", certOf(first)), KeyLocation: write(t, "k", content(t, "pbes2-aes.pem")+keyOf(first))}, "first", 1},
		{"byte order marks", Store{Location: write(t, "c", "\uFEFF"+certOf(first)), KeyLocation: write(t, "k", "\uFEFF"+keyOf(first))}, "first", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cert, err := tc.s.Identity()
			if err != nil {
				t.Fatal(err)
			}
			if cert.Leaf.Subject.CommonName != tc.leaf || len(cert.Certificate) != tc.chain || !bytes.Equal(cert.Certificate[0], cert.Leaf.Raw) {
				t.Fatalf("%s with %d certificates, want %s with %d", cert.Leaf.Subject, len(cert.Certificate), tc.leaf, tc.chain)
			}
		})
	}
	if _, err := (&Store{Location: write(t, "c", certOf(middle)), KeyLocation: write(t, "k", keyOf(first)+keyOf(second))}).Identity(); err == nil || !strings.Contains(err.Error(), "issued together") {
		t.Fatal(err)
	}
}
