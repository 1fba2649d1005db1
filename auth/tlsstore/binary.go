package tlsstore

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/headrace/headrace/internal/redact"
)

// guarded runs a decoder of a foreign format and turns a panic on hostile
// bytes into an error.
func guarded(name string, decode func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: %s cannot be decoded", ErrMalformed, name)
		}
	}()
	return decode()
}

// pkcs12Trusted returns the certificates that are marked as trusted, or, of a
// store with a key, all of them, as Java does with what stands beside the key.
func pkcs12Trusted(b []byte, s *Store) (certs []*x509.Certificate, err error) {
	if rounds(b) > maxRounds {
		return nil, tooCostly(s.name())
	}
	b = withMAC(b, s.Password)
	err = guarded(s.name(), func() error {
		var err error
		if certs, err = pkcs12.DecodeTrustStore(b, s.Password); err == nil {
			return nil
		}
		if errors.Is(err, pkcs12.ErrIncorrectPassword) {
			return pkcs12Error(err, s)
		}
		untrusted := strings.Contains(err.Error(), "not marked as trusted")
		_, leaf, others, err := pkcs12.DecodeChain(b, s.Password)
		if err != nil && strings.Contains(err.Error(), "private key missing") && untrusted { // Java finds none in such a store either
			return fmt.Errorf("%w: the certificates of %s are not marked as trusted, as openssl leaves them; make it with keytool -importcert, or give the PEM file", ErrNoCertificate, s.name())
		}
		if err != nil && strings.Contains(err.Error(), "exactly one key bag") {
			return fmt.Errorf("%w: %s holds the keys of several; put the CAs into a store of their own with keytool -importcert", ErrNoCertificate, s.name())
		}
		if err != nil {
			return pkcs12Error(err, s)
		}
		certs = append(others, leaf)
		return nil
	})
	return certs, err
}

func pkcs12Identity(b []byte, s *Store) (chain []*x509.Certificate, key crypto.PrivateKey, err error) {
	if rounds(b) > maxRounds {
		return nil, nil, tooCostly(s.name())
	}
	b = withMAC(b, s.Password)
	err = guarded(s.name(), func() error {
		k, leaf, cas, err := pkcs12.DecodeChain(b, s.Password)
		if err != nil {
			if strings.Contains(err.Error(), "exactly one key bag") || strings.Contains(err.Error(), "private key missing") {
				return fmt.Errorf("%w: %s must hold exactly one key; export the one of the client with keytool -importkeystore -srcalias", ErrNoKey, s.name())
			}
			return pkcs12Error(err, s)
		}
		key, chain = k, chainOf(k, append([]*x509.Certificate{leaf}, cas...))
		return nil
	})
	return chain, key, err
}

// chainOf puts the certificates of a store in order: that of the key, then each
// issuer of the one before. Others, such as CAs to trust, are left out. Without
// a certificate for the key they stay as they are.
func chainOf(key crypto.PrivateKey, certs []*x509.Certificate) []*x509.Certificate {
	at := slices.IndexFunc(certs, func(c *x509.Certificate) bool { return matches(c, key) == nil })
	if at < 0 {
		return certs
	}
	chain := []*x509.Certificate{certs[at]}
	for {
		last := chain[len(chain)-1]
		next := slices.IndexFunc(certs, func(c *x509.Certificate) bool {
			return !slices.ContainsFunc(chain, c.Equal) && bytes.Equal(last.RawIssuer, c.RawSubject) && last.CheckSignatureFrom(c) == nil
		})
		if next < 0 {
			return chain
		}
		chain = append(chain, certs[next])
	}
}

func pkcs12Error(err error, s *Store) error {
	var missing pkcs12.NotImplementedError
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption), strings.Contains(err.Error(), pkcs12.ErrDecryption.Error()):
		if s.Password == "" {
			return fmt.Errorf("%w: %s needs its password", ErrNeedsPassword, s.name())
		}
		return fmt.Errorf("%w: %s cannot be opened with the given password", ErrWrongPassword, s.name())
	case errors.As(err, &missing):
		return fmt.Errorf("%w: %s uses a form of PKCS12 that is not supported (%w); convert it with keytool -importkeystore", ErrMalformed, s.name(), err)
	}
	return fmt.Errorf("%w: %s is not a PKCS12 store: %w", ErrMalformed, s.name(), err)
}

func loadJKS(b []byte, s *Store) (jksStore, error) {
	out, err := parseJKS(b, s.Password)
	switch {
	case errors.Is(err, errDigest):
		return out, fmt.Errorf("%w: %s cannot be opened with the given password", ErrWrongPassword, s.name())
	case err != nil:
		return out, fmt.Errorf("%w: %s is not a JKS store: %w", ErrMalformed, s.name(), err)
	}
	return out, nil
}

func jksTrusted(b []byte, s *Store) (found trusted, err error) {
	store, err := loadJKS(b, s)
	if err != nil {
		return trusted{}, err
	}
	for _, e := range store.trusted {
		found.add(e.der, fmt.Sprintf("%s of %s", redact.Name(e.alias), s.name()))
	}
	return found, nil
}

func jksIdentity(b []byte, s *Store) ([]*x509.Certificate, crypto.PrivateKey, error) {
	if s.passwordForKey() == "" {
		return nil, nil, fmt.Errorf("%w: %s needs its password", ErrNeedsPassword, s.name())
	}
	store, err := loadJKS(b, s)
	if err != nil {
		return nil, nil, err
	}
	if len(store.keys) != 1 {
		return nil, nil, fmt.Errorf("%w: %s holds %d keys and must hold exactly one; export the one of the client with keytool -importkeystore -srcalias", ErrNoKey, s.name(), len(store.keys))
	}
	plain, err := openJKSKey(store.keys[0].sealed, s.passwordForKey())
	switch {
	case errors.Is(err, errWrong):
		return nil, nil, fmt.Errorf("%w: the key of %s cannot be opened; its password may differ from the store's: set key_password", ErrWrongPassword, s.name())
	case err != nil:
		return nil, nil, fmt.Errorf("%w: the key of %s is protected in a form that is not read; convert the store with keytool -importkeystore -deststoretype PKCS12", ErrMalformed, s.name())
	}
	key, err := parseDER(plain)
	if err != nil {
		return nil, nil, keyError(err, s.name())
	}
	var found trusted
	for i, der := range store.keys[0].chain {
		found.add(der, fmt.Sprintf("certificate %d of %s", i+1, s.name()))
	}
	if len(found.certs) == 0 && len(found.skipped) > 0 {
		return nil, nil, found.skipped[0]
	}
	return found.certs, key, nil
}
