package services

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/youmark/pkcs8"
)

// KeyPassword opens every encrypted private key made here.
const KeyPassword = "key-secret"

// Certs are the files of a certificate authority made for one run. The common
// name of a client certificate is its Kafka principal.
type Certs struct {
	CA       string // the authority that signed all but Rogue
	OtherCA  string // the authority that signed Rogue
	Server   Pair   // for localhost, 127.0.0.1 and ::1
	Misnamed Pair   // a server certificate for wrong.example
	Exporter Pair
	NoAccess Pair // signed well, allowed nothing
	Rogue    Pair // the name exporter, signed by an authority nobody trusts
}

// Pair are the PEM files of one certificate.
type Pair struct {
	Cert         string // the certificate and its authority's
	Key          string // PKCS #8
	EncryptedKey string // the same key, locked with KeyPassword
	Both         string // key and certificates in one file, Kafka's PEM keystore form
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// MakeCerts writes new certificates into dir.
func MakeCerts(dir string) (*Certs, error) {
	ca, err := newAuthority("Test CA")
	if err != nil {
		return nil, err
	}
	other, err := newAuthority("Other CA")
	if err != nil {
		return nil, err
	}
	c := &Certs{CA: filepath.Join(dir, "ca.pem"), OtherCA: filepath.Join(dir, "other-ca.pem")}
	for file, b := range map[string][]byte{c.CA: ca.pem, c.OtherCA: other.pem} {
		if err := os.WriteFile(file, b, 0o644); err != nil {
			return nil, fmt.Errorf("write certificates: %w", err)
		}
	}
	local := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	for _, l := range []struct {
		out   *Pair
		file  string
		by    *authority
		name  string
		hosts []string
		ips   []net.IP
	}{
		{&c.Server, "server", ca, "server", []string{"localhost"}, local},
		{&c.Misnamed, "misnamed", ca, "misnamed", []string{"wrong.example"}, nil},
		{&c.Exporter, "exporter", ca, "exporter", nil, nil},
		{&c.NoAccess, "noaccess", ca, "noaccess", nil, nil},
		{&c.Rogue, "rogue", other, "exporter", nil, nil},
	} {
		if *l.out, err = l.by.issue(dir, l.file, l.name, l.hosts, l.ips); err != nil {
			return nil, fmt.Errorf("make certificate %s: %w", l.file, err)
		}
	}
	return c, nil
}

func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := template509(name, 1)
	t.IsCA, t.BasicConstraintsValid = true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make authority %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert, key, block("CERTIFICATE", der)}, nil
}

func (a *authority) issue(dir, file, name string, hosts []string, ips []net.IP) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	t := template509(name, time.Now().UnixNano())
	t.DNSNames, t.IPAddresses = hosts, ips
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return Pair{}, err
	}
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	locked, err := pkcs8.MarshalPrivateKey(key, []byte(KeyPassword), nil)
	if err != nil {
		return Pair{}, err
	}
	chain := append(block("CERTIFICATE", der), a.pem...)
	base := filepath.Join(dir, file)
	p := Pair{Cert: base + ".pem", Key: base + ".key", EncryptedKey: base + "-encrypted.key", Both: base + "-full.pem"}
	for file, b := range map[string][]byte{
		p.Cert: chain, p.Key: block("PRIVATE KEY", plain), p.EncryptedKey: block("ENCRYPTED PRIVATE KEY", locked),
		p.Both: append(block("PRIVATE KEY", plain), chain...),
	} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			return Pair{}, err
		}
	}
	return p, nil
}

func template509(name string, serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{Organization: []string{"Headrace tests"}, CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(30 * 24 * time.Hour),
	}
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
