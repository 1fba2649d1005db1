package tlsstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Client makes the TLS settings of outgoing connections. Stores in files are
// read again when a file changes, so that rotated certificates are used by the
// next connection without a restart. A store that was readable once and is not
// now (half written, say) keeps its last content; Err tells. Safe for
// concurrent use.
type Client struct {
	trust     *Store // nil means the system's CAs
	identity  *Store // nil means no client certificate
	checkHost bool

	mu     sync.Mutex
	stamps []stamp
	roots  *x509.CertPool
	cert   *tls.Certificate
	err    error
	loaded bool
	reads  uint64 // how often the content was taken over
}

type stamp struct {
	path string
	mod  time.Time
	size int64
}

// NewClient prepares a Client; nothing is read before the first use.
// checkHost false verifies the chain but not the name.
func NewClient(trust, identity *Store, checkHost bool) *Client {
	return &Client{trust: trust, identity: identity, checkHost: checkHost}
}

// Config returns settings for one connection to serverName, a name or an
// address without port.
func (c *Client) Config(serverName string) (*tls.Config, error) {
	roots, cert, err := c.load()
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{ServerName: serverName, RootCAs: roots, MinVersion: tls.VersionTLS12}
	if cert != nil {
		// Sent whatever CAs the server lists: brokers often list none or too few,
		// and their refusal then says more than a missing certificate.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	if !c.checkHost {
		cfg.InsecureSkipVerify = true // the chain is verified below, only the name is not
		cfg.VerifyConnection = func(cs tls.ConnectionState) error { return verifyChain(cs, roots) }
	}
	return cfg, nil
}

// ChecksHost reports whether the name of a server must fit its certificate.
func (c *Client) ChecksHost() bool { return c.checkHost }

// Identified reports whether a client certificate is configured.
func (c *Client) Identified() bool { return c.identity != nil }

// Current returns settings for the stores as they are now, without a server
// name, and a number that grows whenever their content is read anew.
func (c *Client) Current() (*tls.Config, uint64, error) {
	cfg, err := c.Config("")
	if err != nil {
		return nil, 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return cfg, c.reads, nil
}

func verifyChain(cs tls.ConnectionState, roots *x509.CertPool) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("the server sent no certificate")
	}
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range cs.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	if _, err := cs.PeerCertificates[0].Verify(opts); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: err}
	}
	return nil
}

// Err is why the stores could not be read again after a change; nil when what
// is used is what the files hold.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Check reads the stores now and returns every error.
func (c *Client) Check() []error {
	var errs []error
	if c.trust != nil {
		if _, err := c.trust.Trusted(); err != nil {
			errs = append(errs, fmt.Errorf("reading the trust store: %w", err))
		}
	}
	if c.identity != nil {
		if cert, err := c.identity.Identity(); err != nil {
			errs = append(errs, fmt.Errorf("reading the key store: %w", err))
		} else if err := current(cert.Leaf); err != nil {
			errs = append(errs, fmt.Errorf("reading the key store: %w", err))
		}
	}
	return errs
}

func (c *Client) load() (*x509.CertPool, *tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.stat()
	if c.loaded && same(now, c.stamps) {
		return c.roots, c.cert, nil
	}
	roots, cert, err := c.read()
	if err != nil {
		c.err = err
		if c.loaded {
			return c.roots, c.cert, nil
		}
		return nil, nil, err
	}
	c.roots, c.cert, c.stamps, c.loaded, c.err = roots, cert, now, true, nil
	c.reads++
	return roots, cert, nil
}

func (c *Client) read() (roots *x509.CertPool, cert *tls.Certificate, err error) {
	if c.trust != nil {
		certs, err := c.trust.Trusted()
		if err != nil {
			return nil, nil, fmt.Errorf("reading the trust store: %w", err)
		}
		roots = x509.NewCertPool()
		for _, ca := range certs {
			roots.AddCert(ca)
		}
	}
	if c.identity != nil {
		if cert, err = c.identity.Identity(); err != nil {
			return nil, nil, fmt.Errorf("reading the key store: %w", err)
		}
	}
	return roots, cert, nil
}

func (c *Client) stat() []stamp {
	var out []stamp
	for _, s := range []*Store{c.trust, c.identity} {
		if s == nil {
			continue
		}
		for _, f := range s.files() {
			st := stamp{path: f}
			if info, err := os.Stat(f); err == nil {
				st.mod, st.size = info.ModTime(), info.Size()
			}
			out = append(out, st)
		}
	}
	return out
}

func same(a, b []stamp) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].path != b[i].path || a[i].size != b[i].size || !a[i].mod.Equal(b[i].mod) {
			return false
		}
	}
	return true
}
