package tlsstore

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/headrace/headrace/internal/redact"
)

// pemCertificates returns every certificate of PEM text.
func pemCertificates(b []byte, name string) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return out, nil
		}
		if block.Type != "CERTIFICATE" && block.Type != "TRUSTED CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: certificate %d of %s cannot be read: %w", ErrMalformed, len(out)+1, name, err)
		}
		out = append(out, c)
	}
}

func (s *Store) pemIdentity(b []byte) ([]*x509.Certificate, crypto.PrivateKey, error) {
	chain, err := pemCertificates(b, s.name())
	if err != nil {
		return nil, nil, err
	}
	switch {
	case s.KeyLocation != "":
		if b, err = readFile(s.KeyLocation); err != nil {
			return nil, nil, keyFault{err}
		}
	case s.KeyContent != "":
		b = []byte(NormalizePEM(s.KeyContent))
	}
	key, err := ParseKey(b, s.passwordForKey(), s.keyName())
	if err != nil {
		return nil, nil, keyFault{err}
	}
	return chain, key, nil
}

// keyFault marks an error of the key, and not of its certificate.
type keyFault struct{ error }

func (f keyFault) Unwrap() error { return f.error }

// ReadKey is ParseKey for a file.
func ReadKey(path, password string) (crypto.PrivateKey, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return ParseKey(b, password, redact.Path(path))
}

// ParseKey returns the first private key of PEM text: PKCS #8 plain or
// encrypted (PBES2, RFC 8018), PKCS #1 and SEC 1 plain or with the old
// encryption of PEM headers (RFC 1421). name stands in errors.
func ParseKey(b []byte, password, name string) (crypto.PrivateKey, error) {
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return nil, fmt.Errorf("%w: %s holds no private key in PEM form", ErrNoKey, name)
		}
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		return parseKeyBlock(block, password, name)
	}
}

func parseKeyBlock(block *pem.Block, password, name string) (crypto.PrivateKey, error) {
	der := block.Bytes
	if block.Type == "ENCRYPTED PRIVATE KEY" {
		if password == "" {
			return nil, fmt.Errorf("%w: the key in %s is encrypted; give its password", ErrNeedsPassword, name)
		}
		key, err := decryptPKCS8(der, password)
		return key, keyError(err, name)
	}
	//lint:ignore SA1019 openssl still writes such keys with -traditional, and users have them
	if x509.IsEncryptedPEMBlock(block) {
		if password == "" {
			return nil, fmt.Errorf("%w: the key in %s is encrypted; give its password", ErrNeedsPassword, name)
		}
		var err error
		//lint:ignore SA1019 as above
		if der, err = x509.DecryptPEMBlock(block, []byte(password)); err != nil {
			return nil, fmt.Errorf("%w: the key in %s cannot be decrypted with the given password", ErrWrongPassword, name)
		}
		key, err := parseDER(der)
		if err != nil { // the padding of the old form can be right by chance
			return nil, fmt.Errorf("%w: the key in %s cannot be decrypted with the given password", ErrWrongPassword, name)
		}
		return key, nil
	}
	key, err := parseDER(der)
	return key, keyError(err, name)
}

// keyError puts a failure to read a key into words.
func keyError(err error, name string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errWrong):
		return fmt.Errorf("%w: the key in %s cannot be decrypted with the given password", ErrWrongPassword, name)
	case errors.Is(err, errForm):
		return fmt.Errorf("%w: the key in %s is encrypted in a form that is not read; convert it with openssl pkcs8 -topk8 -v2 aes-256-cbc", ErrMalformed, name)
	case errors.Is(err, errRounds):
		return tooCostly(name)
	case errors.Is(err, errKind):
		return fmt.Errorf("%w: the key in %s is of %w; use RSA, EC (P-256, P-384, P-521) or Ed25519", ErrMalformed, name, err)
	}
	return fmt.Errorf("%w: the key in %s cannot be read; it must be PKCS #8, PKCS #1 or SEC 1", ErrMalformed, name)
}

var errKind = errors.New("a kind that TLS does not use")

// keyKind is the algorithm of a PKCS #8 key; "" when der is not one.
func keyKind(der []byte) string {
	var key struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
		Rest      asn1.RawValue `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(der, &key); err != nil {
		return ""
	}
	oid := key.Algorithm.Algorithm.String()
	if name, ok := map[string]string{"1.2.840.10040.4.1": "DSA", "1.3.101.113": "Ed448", "1.3.101.110": "X25519", "1.2.840.10045.2.1": "EC"}[oid]; ok {
		return name
	}
	return oid
}

// parseDER returns a key that is not encrypted; errKind says that it is one,
// but of no use.
func parseDER(der []byte) (crypto.PrivateKey, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if kind := keyKind(der); kind != "" {
		return nil, fmt.Errorf("%w (%s)", errKind, kind)
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	return x509.ParseECPrivateKey(der)
}
