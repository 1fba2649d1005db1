// Package tlsstore reads trust stores and key stores of the kinds that Kafka's
// users have: PEM, PKCS #12 and JKS, in files or inline. Client makes the TLS
// settings of a connection from them and follows files that are rotated.
//
// Each way in which a store can be wrong has its own error that says what to
// do; no error holds a password or key material.
package tlsstore

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/headrace/headrace/internal/redact"
)

// Kind is the format of a store.
type Kind string

// The formats. Auto looks at the bytes.
const (
	Auto   Kind = ""
	PEM    Kind = "PEM"
	PKCS12 Kind = "PKCS12"
	JKS    Kind = "JKS"
)

// maxStore bounds what is read of one store: the system's CA bundle is 200 KiB.
const maxStore = 8 << 20

// The errors that callers tell apart with errors.Is. The full text says which
// store, and what to do.
var (
	ErrWrongPassword = errors.New("wrong password")
	ErrNeedsPassword = errors.New("password missing")
	ErrKeyMismatch   = errors.New("key and certificate do not belong together")
	ErrNoCertificate = errors.New("no certificate")
	ErrNoKey         = errors.New("no key")
	ErrMalformed     = errors.New("malformed store")
	ErrUnreadable    = errors.New("unreadable file")
	ErrExpired       = errors.New("certificate not valid now")
)

// Store is one place that holds certificates and keys.
type Store struct {
	Kind     Kind
	Location string // file; or
	Content  string // PEM text, or base64 of a binary store
	Password string // of the store
	// KeyPassword is the password of the key when it differs.
	KeyPassword string
	// KeyLocation and KeyContent are the key of a PEM store when it does not
	// stand beside the certificates.
	KeyLocation string
	KeyContent  string
}

func (s *Store) name() string {
	if s.Location != "" {
		return redact.Path(s.Location)
	}
	return "the inline store"
}

func (s *Store) keyName() string {
	switch {
	case s.KeyLocation != "":
		return redact.Path(s.KeyLocation)
	case s.KeyContent != "":
		return "the inline key"
	}
	return s.name()
}

func (s *Store) passwordForKey() string {
	if s.KeyPassword != "" {
		return s.KeyPassword
	}
	return s.Password
}

// files are the paths whose change means that the store has changed.
func (s *Store) files() []string {
	var out []string
	for _, f := range []string{s.Location, s.KeyLocation} {
		if f != "" {
			out = append(out, f)
		}
	}
	return out
}

// lookedAt is the absolute place of a relative path.
func lookedAt(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil || abs == path {
		return ""
	}
	return " (looked at " + redact.Path(abs) + ")"
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%w: %s does not exist; check the path%s", ErrUnreadable, redact.Path(path), lookedAt(path))
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, redact.File(err))
	case info.IsDir():
		return nil, fmt.Errorf("%w: %s is a folder; give a file", ErrUnreadable, redact.Path(path))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w; give the process the right to read it", ErrUnreadable, redact.File(err))
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxStore+1)) // a device or a pipe does not tell its size
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, redact.File(err))
	case len(b) > maxStore:
		return nil, fmt.Errorf("%w: %s is larger than 8 MiB; it cannot be a store", ErrMalformed, redact.Path(path))
	}
	return b, nil
}

// bytes returns the store's content and its real kind.
func (s *Store) bytes() ([]byte, Kind, error) {
	if s.Location != "" {
		b, err := readFile(s.Location)
		if err != nil {
			return nil, "", err
		}
		return s.sniff(b)
	}
	if s.Kind == PEM || strings.Contains(s.Content, "-----BEGIN") {
		return []byte(unescaped(s.Content)), PEM, nil
	}
	compact := strings.Join(strings.Fields(s.Content), "")
	b, err := base64.StdEncoding.DecodeString(compact)
	if err != nil {
		if b, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(compact, "=")); err != nil {
			return nil, "", fmt.Errorf("%w: the inline %s store is not base64; encode the file with base64 -w0", ErrMalformed, s.Kind)
		}
	}
	if len(b) > maxStore {
		return nil, "", fmt.Errorf("%w: the inline store is larger than 8 MiB", ErrMalformed)
	}
	return s.sniff(b)
}

var (
	jksMagic   = []byte{0xFE, 0xED, 0xFE, 0xED}
	jceksMagic = []byte{0xCE, 0xCE, 0xCE, 0xCE}
)

// sniff finds the real kind: keytool writes PKCS #12 since Java 9, whatever
// the file is called.
func (s *Store) sniff(b []byte) ([]byte, Kind, error) {
	b = plainText(b)
	switch {
	case len(b) == 0:
		return nil, "", fmt.Errorf("%w: %s is empty", ErrMalformed, s.name())
	case bytes.HasPrefix(b, jksMagic):
		return b, JKS, nil
	case bytes.HasPrefix(b, jceksMagic):
		return nil, "", fmt.Errorf("%w: %s is a JCEKS store, which is not read; convert it with keytool -importkeystore -deststoretype PKCS12", ErrMalformed, s.name())
	case bytes.Contains(b, []byte("-----BEGIN")):
		return b, PEM, nil
	case b[0] == 0x30: // ASN.1 SEQUENCE
		if s.Kind == PEM {
			return nil, "", binaryAsPEM(b, s.name())
		}
		return b, PKCS12, nil
	}
	return nil, "", fmt.Errorf("%w: %s is neither PEM nor PKCS12 nor JKS", ErrMalformed, s.name())
}

// binaryAsPEM says what a file is that should be PEM text and is not.
func binaryAsPEM(b []byte, name string) error {
	if _, err := x509.ParseCertificate(b); err == nil {
		return fmt.Errorf("%w: %s is a certificate in DER form, not PEM text; convert it with openssl x509 -inform der", ErrMalformed, name)
	}
	return fmt.Errorf("%w: %s is a PKCS12 store, not PEM text; give it with its password as truststore: {type: PKCS12, location: …}, or as keystore when it holds the client's key", ErrMalformed, name)
}

// Trusted returns the certificates to trust. One that cannot be read is left
// out, as every bundle of CAs has some that a strict reader refuses; Skipped
// names it. It is an error when none is left.
func (s *Store) Trusted() ([]*x509.Certificate, error) {
	found, err := s.trusted()
	return found.certs, err
}

// Skipped says which certificates Trusted leaves out, and why, one sentence each.
func (s *Store) Skipped() []string {
	found, err := s.trusted()
	if err != nil {
		return nil
	}
	var out []string
	for _, why := range found.skipped {
		out = append(out, why.Error()+"; it is left out")
	}
	return out
}

// trusted are the certificates of a store, and why others are none.
type trusted struct {
	certs   []*x509.Certificate
	skipped []error
}

// add takes one certificate in DER; what stands in errors.
func (t *trusted) add(der []byte, what string) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.skipped = append(t.skipped, fmt.Errorf("%w: %s cannot be read: %s", ErrMalformed, what, strings.TrimPrefix(err.Error(), "x509: ")))
		return
	}
	t.certs = append(t.certs, c)
}

func (s *Store) trusted() (found trusted, err error) {
	b, kind, err := s.bytes()
	if err != nil {
		return trusted{}, err
	}
	switch kind {
	case PEM:
		found, err = pemCertificates(b, s.name())
	case PKCS12:
		found.certs, err = pkcs12Trusted(b, s)
	case JKS:
		found, err = jksTrusted(b, s)
	}
	switch {
	case err != nil:
		return trusted{}, err
	case len(found.certs) == 0 && len(found.skipped) > 0:
		return trusted{}, found.skipped[0]
	case len(found.certs) == 0:
		return trusted{}, fmt.Errorf("%w: %s holds no certificate to trust; put the CA into it", ErrNoCertificate, s.name())
	}
	return found, nil
}

// Identity returns the client's certificate chain and key.
func (s *Store) Identity() (*tls.Certificate, error) {
	var chain []*x509.Certificate
	var key crypto.PrivateKey
	b, kind, err := s.bytes()
	if err != nil {
		return nil, err
	}
	switch kind {
	case PEM:
		chain, key, err = s.pemIdentity(b)
	case PKCS12:
		chain, key, err = pkcs12Identity(b, s)
	case JKS:
		chain, key, err = jksIdentity(b, s)
	}
	if err != nil {
		return nil, err
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("%w: %s holds no certificate for the client", ErrNoCertificate, s.name())
	}
	if err := matches(chain[0], key); err != nil {
		return nil, fmt.Errorf("%w: the key in %s is not that of the certificate %q; give the pair that was issued together", err, s.keyName(), chain[0].Subject)
	}
	out := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		out.Certificate = append(out.Certificate, c.Raw)
	}
	return out, nil
}

func matches(leaf *x509.Certificate, key crypto.PrivateKey) error {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return ErrNoKey
	}
	pub, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(leaf.PublicKey) {
		return ErrKeyMismatch
	}
	return nil
}
