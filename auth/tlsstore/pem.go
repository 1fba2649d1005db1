package tlsstore

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/redact"
)

// pemCertificates returns every certificate of PEM text.
func pemCertificates(b []byte, name string) (found trusted, err error) {
	n := 0
	for block, damaged := range pemBlocks(b) {
		kind := block.Type
		if kind != "CERTIFICATE" && kind != "TRUSTED CERTIFICATE" && kind != "X509 CERTIFICATE" {
			continue
		}
		n++
		what := fmt.Sprintf("certificate %d of %s", n, name)
		der := block.Bytes
		switch {
		case damaged:
			found.skipped = append(found.skipped, fmt.Errorf("%w: %s cannot be read: it is damaged", ErrMalformed, what))
			continue
		case kind == "TRUSTED CERTIFICATE":
			var fit bool
			if der, fit = withoutTrust(der); !fit {
				found.skipped = append(found.skipped, fmt.Errorf("%w: %s is marked as not to be trusted for servers", ErrMalformed, what))
				continue
			}
		}
		found.add(der, what)
	}
	return found, nil
}

// serverUses are the uses of a certificate that a server must have: TLS for
// servers, or any.
var serverUses = []string{"1.3.6.1.5.5.7.3.1", "2.5.29.37.0"}

// withoutTrust takes off what openssl appends to a certificate that it writes with
// -trustout: what it is trusted for. fit is false when that excludes servers.
func withoutTrust(der []byte) (cert []byte, fit bool) {
	var raw asn1.RawValue
	rest, err := asn1.Unmarshal(der, &raw)
	if err != nil {
		return der, true
	}
	var aux struct {
		Trust  []asn1.ObjectIdentifier `asn1:"optional"`
		Reject []asn1.ObjectIdentifier `asn1:"optional,tag:0"`
		Rest   asn1.RawValue           `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(rest, &aux); err != nil {
		return raw.FullBytes, len(rest) == 0
	}
	serves := func(uses []asn1.ObjectIdentifier) bool {
		return slices.ContainsFunc(uses, func(o asn1.ObjectIdentifier) bool { return slices.Contains(serverUses, o.String()) })
	}
	return raw.FullBytes, !serves(aux.Reject) && (len(aux.Trust) == 0 || serves(aux.Trust))
}

func (s *Store) pemIdentity(b []byte) ([]*x509.Certificate, crypto.PrivateKey, error) {
	found, err := pemCertificates(b, s.name())
	if err != nil {
		return nil, nil, err
	}
	switch {
	case s.KeyLocation != "":
		if b, err = readFile(s.KeyLocation); err != nil {
			return nil, nil, keyFault{err}
		}
	case s.KeyContent != "":
		b = []byte(unescaped(s.KeyContent))
	}
	keys, err := parseKeys(b, s.passwordForKey(), s.keyName())
	if err != nil {
		return nil, nil, keyFault{err}
	}
	if len(found.certs) == 0 && len(found.skipped) > 0 {
		return nil, nil, found.skipped[0]
	}
	for _, key := range keys { // in the order of the file: the first that fits
		if len(found.certs) > 0 && matches(found.certs[0], key) == nil {
			return found.certs, key, nil
		}
	}
	for _, key := range keys { // a chain in another order
		if chain := chainOf(key, found.certs); len(chain) > 0 && matches(chain[0], key) == nil {
			return chain, key, nil
		}
	}
	return found.certs, keys[0], nil
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
	keys, err := parseKeys(b, password, name)
	if err != nil {
		return nil, err
	}
	return keys[0], nil
}

// maxKeys bounds the keys that are tried: each may cost a derivation.
const maxKeys = 8

// parseKeys returns the private keys that can be read, at least one; the error is
// that of the first that cannot.
func parseKeys(b []byte, password, name string) (keys []crypto.PrivateKey, err error) {
	seen := 0
	for block, damaged := range pemBlocks(b) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		if seen++; seen > maxKeys {
			break
		}
		var key crypto.PrivateKey
		keyErr := fmt.Errorf("%w: the key in %s is damaged", ErrMalformed, name)
		if !damaged {
			key, keyErr = parseKeyBlock(block, password, name)
		}
		switch {
		case keyErr == nil:
			keys = append(keys, key)
		case err == nil:
			err = keyErr
		}
	}
	switch {
	case len(keys) > 0:
		return keys, nil
	case err == nil:
		err = fmt.Errorf("%w: %s holds no private key in PEM form", ErrNoKey, name)
	}
	return nil, err
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
