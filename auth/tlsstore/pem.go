package tlsstore

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/youmark/pkcs8"
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
			return nil, nil, err
		}
	case s.KeyContent != "":
		b = []byte(NormalizePEM(s.KeyContent))
	}
	key, err := ParseKey(b, s.passwordForKey(), s.keyName())
	return chain, key, err
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
		if err != nil {
			return nil, fmt.Errorf("%w: the key in %s cannot be decrypted with the given password", ErrWrongPassword, name)
		}
		return key, nil
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
	if err != nil {
		return nil, fmt.Errorf("%w: the key in %s cannot be read; it must be PKCS #8, PKCS #1 or SEC 1", ErrMalformed, name)
	}
	return key, nil
}

// decryptPKCS8 never panics, whatever the DER says: the parser indexes into
// parameters of the file.
func decryptPKCS8(der []byte, password string) (key crypto.PrivateKey, err error) {
	defer func() {
		if recover() != nil {
			key, err = nil, errors.New("malformed parameters")
		}
	}()
	return pkcs8.ParsePKCS8PrivateKey(der, []byte(password))
}

func parseDER(der []byte) (crypto.PrivateKey, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	return x509.ParseECPrivateKey(der)
}
