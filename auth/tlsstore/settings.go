package tlsstore

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
)

// Settings are the keys of ssl_config: PEM files as in Mage's blocks, or stores
// as Java's clients have them. A nil *Settings means the system's CAs and no
// client certificate.
type Settings struct {
	CAFile        string           `mapstructure:"cafile" path:"file" doc:"PEM file of the CAs to trust; default the system's"`
	CertFile      string           `mapstructure:"certfile" path:"file" doc:"PEM file of the client certificate chain"`
	KeyFile       string           `mapstructure:"keyfile" path:"file" doc:"PEM file of the client key; default it stands in certfile"`
	Password      connector.Secret `mapstructure:"password" doc:"password of the key"`
	CheckHostname *bool            `mapstructure:"check_hostname" doc:"whether the broker's name must match its certificate; default true"`
	Truststore    *StoreSettings   `mapstructure:"truststore" doc:"CAs to trust, in a store"`
	Keystore      *StoreSettings   `mapstructure:"keystore" doc:"client certificate and key, in a store"`
}

// StoreSettings are the keys of one store, by location or inline.
type StoreSettings struct {
	Type             string           `mapstructure:"type" enum:"NONE,PEM,PKCS12,JKS" doc:"kind of store; a JKS that is really PKCS12, as newer keytools write it, is read too"`
	Location         string           `mapstructure:"location" path:"file" doc:"file"`
	Content          connector.Secret `mapstructure:"content" doc:"the store itself: PEM text, or base64 for the binary kinds"`
	Password         connector.Secret `mapstructure:"password" doc:"password of the store"`
	KeyPassword      connector.Secret `mapstructure:"key_password" doc:"password of the key, if it has its own"`
	Certificates     string           `mapstructure:"certificates" doc:"PEM certificates to trust"`
	CertificateChain string           `mapstructure:"certificate_chain" doc:"PEM client certificate chain"`
	Key              connector.Secret `mapstructure:"key" doc:"PEM client key"`
}

// Faults reports everything that is wrong without reading a file. at stands
// before each key, such as "ssl_config.".
func (c *Settings) Faults(at string) []connector.Fault {
	if c == nil {
		return nil
	}
	f := &faults{}
	*f = connector.PathFaults(c, at, map[string]string{
		"cafile": "truststore: {type: PEM, certificates: …}", "certfile": pemKeystore, "keyfile": pemKeystore,
	})
	if c.Truststore != nil {
		c.Truststore.validateTrust(f, at+"truststore")
		if c.CAFile != "" && !c.Truststore.none() {
			f.add(at+"cafile", "cannot be given together with truststore; keep one of them")
		}
	}
	if c.Keystore != nil {
		c.Keystore.validateKey(f, at+"keystore")
		if !c.Keystore.none() && (c.CertFile != "" || c.KeyFile != "") {
			f.add(at+"certfile", "cannot be given together with keystore; keep one of them")
		}
	}
	if c.KeyFile != "" && c.CertFile == "" {
		f.add(at+"certfile", "is missing; keyfile needs the certificate that belongs to it")
	}
	if c.Password != "" && c.CertFile == "" && c.KeyFile == "" {
		f.add(at+"password", "is the password of a key, but there is no keyfile; a store has its own password key")
	}
	return *f
}

// ChecksHostname is true unless it is switched off in writing.
func (c *Settings) ChecksHostname() bool {
	return c == nil || c.CheckHostname == nil || *c.CheckHostname
}

// Client makes the Client of these settings.
func (c *Settings) Client() *Client {
	return NewClient(c.TrustStore(), c.KeyStore(), c.ChecksHostname())
}

// storeType is the kind in upper case; PEM when PEM keys are given without one.
func (s *StoreSettings) storeType() string {
	t := strings.ToUpper(strings.TrimSpace(s.Type))
	switch {
	case t == "P12" || t == "PFX" || t == "PKCS#12":
		return "PKCS12"
	case t != "":
		return t
	case s.Certificates != "" || s.CertificateChain != "" || s.Key != "" || strings.Contains(s.Content.Reveal(), "-----BEGIN"):
		return "PEM"
	case s.Location == "" && s.Content == "":
		return "NONE"
	}
	return ""
}

func (s *StoreSettings) none() bool { return s == nil || s.storeType() == "NONE" }

// validateShape checks what trust and key stores have in common and reports
// whether the details are worth checking.
func (s *StoreSettings) validateShape(f *faults, at string) bool {
	switch t := s.storeType(); t {
	case "NONE":
		if s.Type != "" && (s.Location != "" || s.Content != "" || s.Certificates != "" || s.Key != "") {
			f.add(at+".type", "is NONE, but the store is given; say PEM, PKCS12 or JKS")
		}
		if s.Type == "" {
			f.add(at, "is empty; give type and location or content, or remove it")
		}
		return false
	case "PEM", "PKCS12", "JKS":
	case "":
		f.add(at+".type", "is missing; say PEM, PKCS12 or JKS")
		return false
	default:
		f.add(at+".type", "%s is not a kind of store; use NONE, PEM, PKCS12 or JKS", redact.Quote(s.Type))
		return false
	}
	if s.Location != "" && s.Content != "" {
		f.add(at+".content", "cannot be given together with location; keep one of them")
	}
	if s.storeType() != "PEM" {
		if s.Certificates != "" || s.CertificateChain != "" || s.Key != "" {
			f.add(at, "certificates, certificate_chain and key belong to type PEM; a %s store goes into location or content", s.storeType())
		}
		if s.Location == "" && s.Content == "" {
			f.add(at+".location", "is missing; give the file, or the store in base64 as content")
		}
	}
	return true
}

// Where the text of a store goes that was given as the name of its file.
const (
	pemKeystore   = "keystore: {type: PEM, key: …, certificate_chain: …}"
	inlineTrusted = "certificates (PEM text), or content (base64 of the store)"
	inlineKey     = "key and certificate_chain (PEM text), or content (base64 of the store)"
)

func (s *StoreSettings) validateTrust(f *faults, at string) {
	*f = append(*f, connector.PathFaults(s, at+".", map[string]string{"location": inlineTrusted})...)
	if !s.validateShape(f, at) || s.storeType() != "PEM" {
		return
	}
	if s.Location == "" && s.Content == "" && s.Certificates == "" {
		f.add(at+".location", "is missing; give the file, or PEM text as certificates")
	}
	if s.Certificates != "" && (s.Location != "" || s.Content != "") {
		f.add(at+".certificates", "cannot be given together with location or content; keep one of them")
	}
	if s.Key != "" || s.CertificateChain != "" {
		f.add(at+".key", "a trust store has no key; client certificates go into keystore")
	}
}

func (s *StoreSettings) validateKey(f *faults, at string) {
	*f = append(*f, connector.PathFaults(s, at+".", map[string]string{"location": inlineKey})...)
	if !s.validateShape(f, at) || s.storeType() != "PEM" {
		return
	}
	if s.Certificates != "" {
		f.add(at+".certificates", "belongs to a trust store; the client's own chain is certificate_chain")
	}
	whole := s.Location != "" || s.Content != ""
	switch {
	case whole && s.Key != "":
		f.add(at+".key", "cannot be given together with location or content; keep one of them")
	case !whole && s.Key == "":
		f.add(at+".key", "is missing; give a PEM file with chain and key as location, or key and certificate_chain as text")
	case !whole && s.CertificateChain == "":
		f.add(at+".certificate_chain", "is missing; key needs the certificate that belongs to it")
	}
}

// TrustStore is the store of the CAs to trust, whichever way it is written; nil
// means the system's.
func (c *Settings) TrustStore() *Store {
	switch {
	case c == nil:
		return nil
	case c.CAFile != "":
		return &Store{Kind: PEM, Location: c.CAFile}
	case c.Truststore.none():
		return nil
	}
	s := c.Truststore.store()
	if c.Truststore.Certificates != "" {
		s.Content = c.Truststore.Certificates
	}
	return s
}

// KeyStore is the store of the client certificate, whichever way it is
// written; nil means none.
func (c *Settings) KeyStore() *Store {
	switch {
	case c == nil:
		return nil
	case c.CertFile != "":
		return &Store{Kind: PEM, Location: c.CertFile, KeyLocation: c.KeyFile, KeyPassword: c.Password.Reveal()}
	case c.Keystore.none():
		return nil
	}
	s := c.Keystore.store()
	switch {
	case c.Keystore.Key != "":
		s.Content, s.KeyContent = c.Keystore.CertificateChain, c.Keystore.Key.Reveal()
	case c.Keystore.CertificateChain != "" && s.Location != "":
		// Gravitee's form: the file holds the key, the chain is text.
		s.KeyLocation, s.Location, s.Content = s.Location, "", c.Keystore.CertificateChain
	}
	return s
}

func (s *StoreSettings) store() *Store {
	return &Store{
		Kind:        Kind(s.storeType()),
		Location:    s.Location,
		Content:     s.Content.Reveal(),
		Password:    s.Password.Reveal(),
		KeyPassword: s.KeyPassword.Reveal(),
	}
}

// CheckFiles reads every store and reports each that is missing, unreadable or
// of no use: a wrong password, a key that does not match its certificate, a
// client certificate that has ended. Call it after Faults found nothing.
func (c *Settings) CheckFiles(at string) []connector.Fault {
	f := &faults{}
	if t := c.TrustStore(); t != nil {
		if _, err := t.Trusted(); err != nil {
			f.add(at+pick(c.CAFile != "", "cafile", "truststore"), "%s", err)
		}
	}
	if k := c.KeyStore(); k != nil {
		if cert, err := k.Identity(); err != nil {
			f.add(at+pick(c.CertFile != "", blameKey(err, c.KeyFile), "keystore"), "%s", err)
		} else if err := current(cert.Leaf); err != nil {
			f.add(at+pick(c.CertFile != "", "certfile", "keystore"), "%s", err)
		}
	}
	return *f
}

// current reports a certificate that is of no use today.
func current(leaf *x509.Certificate) error {
	switch now := time.Now(); {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("%w: the client certificate %q ended on %s; have a new one issued", ErrExpired, leaf.Subject, leaf.NotAfter.Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("%w: the client certificate %q is valid only from %s; check the clock of this machine", ErrExpired, leaf.Subject, leaf.NotBefore.Format(time.DateOnly))
	}
	return nil
}

func blameKey(err error, keyFile string) string {
	var key keyFault
	if keyFile != "" && (errors.As(err, &key) || errors.Is(err, ErrKeyMismatch)) {
		return "keyfile"
	}
	return "certfile"
}

// faults collects what is wrong.
type faults []connector.Fault

func (f *faults) add(path, format string, args ...any) {
	*f = append(*f, connector.Fault{Path: path, Message: fmt.Sprintf(format, args...)})
}

func pick(cond bool, yes, no string) string {
	if cond {
		return yes
	}
	return no
}
