package consume

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// Members says how the servers of a cluster prove to each other that they
// belong together. The list in Kafka proves nothing: whoever may join a group
// can add to it.
type Members struct {
	// Secret is what all members share: entries of the list, requests and
	// answers are signed with it. Empty with certificates.
	Secret []byte
	// CAs are those of the members' certificates, which prove them in the
	// handshakes. Nil with a secret.
	CAs *x509.CertPool
	// Allow are the hosts, addresses and networks that members may be at; empty
	// leaves it to the signatures.
	Allow []string
	// Loopback allows nothing but addresses of this machine.
	Loopback bool
}

const (
	proofWindow = 30 * time.Second // that the clocks of two members and the way between them may take
	maxNonces   = 100_000          // that are remembered in a window; more is refused
	byTLS       = "tls"            // the proof of a request whose connection has a member's certificate
)

func (m *Members) mac(parts ...string) string {
	h := hmac.New(sha256.New, m.Secret)
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s,", len(p), p) // a hash never fails; lengths keep parts apart
	}
	return hex.EncodeToString(h.Sum(nil))
}

// entry is what the list says of a member.
func (m *Members) entry(self string) string {
	if m.CAs != nil {
		return self
	}
	return self + " " + m.mac("member", self)
}

// read returns the URL of an entry of the list, false when it is not a
// member's or not where members may be.
func (m *Members) read(entry, self string) (string, bool) {
	at, signature, _ := strings.Cut(entry, " ")
	if m.CAs == nil && !hmac.Equal([]byte(signature), []byte(m.mac("member", at))) {
		return "", false
	}
	return at, m.allowed(at, self)
}

// allowed reports whether a member may be at a URL. One of https never becomes
// one of http.
func (m *Members) allowed(at, self string) bool {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return false
	}
	if u.Scheme == "http" && (m.CAs != nil || strings.HasPrefix(self, "https:")) {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	isAddr := err == nil
	if m.Loopback && !(isAddr && addr.Unmap().IsLoopback()) {
		return false
	}
	return len(m.Allow) == 0 && m.CAs == nil || slices.ContainsFunc(m.Allow, func(allow string) bool {
		network, err := netip.ParsePrefix(allow)
		return strings.EqualFold(allow, u.Hostname()) || err == nil && isAddr && network.Contains(addr.Unmap())
	})
}

// sign adds the proof to a request to the member at a URL and returns what its
// answer has to carry for a status.
func (m *Members) sign(r *http.Request, at string, body []byte) (answer func(status int) string) {
	if m.CAs != nil {
		r.Header.Set(HopHeader, byTLS)
		return func(int) string { return "" } // the handshake proved it
	}
	now, nonce := strconv.FormatInt(time.Now().UnixMilli(), 10), rand.Text()
	r.Header.Set(HopHeader, now+" "+nonce+" "+m.request(r, at, now, nonce, body))
	return func(status int) string { return m.mac("answer", nonce, strconv.Itoa(status)) }
}

func (m *Members) request(r *http.Request, at, now, nonce string, body []byte) string {
	sum := sha256.Sum256(body)
	return m.mac("request", at, now, nonce, r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), r.Header.Get("Accept"), r.Header.Get("Authorization"), string(sum[:]))
}

// arrivals checks the requests that other members passed on. No proof counts
// twice.
type arrivals struct {
	*Members
	mu        sync.Mutex
	now, last map[string]bool // nonces of this window and of the one before
	since     time.Time
}

// arrived reports whether a request was passed on by a member, and how its
// answer is proven. A proof that is wrong is an error: the caller is told
// nothing about what is here.
func (a *arrivals) arrived(r *http.Request, self string) (hop bool, answer func(status int) string, err error) {
	given := r.Header.Get(HopHeader)
	if given == "" {
		return false, nil, nil
	}
	if a.CAs != nil {
		if given != byTLS || !a.certified(r) {
			return false, nil, errNoMember("its connection has no certificate of one")
		}
		return true, func(int) string { return "" }, nil
	}
	parts := strings.Split(given, " ")
	if len(parts) != 3 || len(given) > 256 {
		return false, nil, errNoMember("the proof cannot be read")
	}
	ms, err := strconv.ParseInt(parts[0], 10, 64)
	if d := time.Since(time.UnixMilli(ms)); err != nil || d > proofWindow || d < -proofWindow {
		return false, nil, errNoMember("the proof is too old, or the clocks differ")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, wire.MaxBody))
	if err != nil {
		return false, nil, err
	}
	if !hmac.Equal([]byte(parts[2]), []byte(a.request(r, self, parts[0], parts[1], body))) {
		return false, nil, errNoMember("the proof is not one of the secret here")
	}
	if !a.first(parts[1]) {
		return false, nil, errNoMember("the proof was used before")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return true, func(status int) string { return a.mac("answer", parts[1], strconv.Itoa(status)) }, nil
}

func errNoMember(why string) error {
	return wire.Errorf(http.StatusForbidden, "the request says that another server passed it on, but %s; the servers need the same http.peers", why)
}

// first notes a nonce; false when it is known, or too many are.
func (a *arrivals) first(nonce string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); a.now == nil || now.Sub(a.since) > 2*proofWindow {
		a.last, a.now, a.since = a.now, map[string]bool{}, now
	}
	if a.now[nonce] || a.last[nonce] || len(a.now) >= maxNonces {
		return false
	}
	a.now[nonce] = true
	return true
}

// certified reports whether the connection has a certificate of a member.
func (a *arrivals) certified(r *http.Request) bool {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return false
	}
	between := x509.NewCertPool()
	for _, c := range r.TLS.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := r.TLS.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: a.CAs, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err == nil
}

// proven adds the proof to an answer.
type proven struct {
	http.ResponseWriter
	proof func(status int) string
	wrote bool
}

// WriteHeader adds the proof of the status.
func (p *proven) WriteHeader(status int) {
	if !p.wrote {
		p.wrote = true
		p.Header().Set(HopHeader, p.proof(status))
	}
	p.ResponseWriter.WriteHeader(status)
}

// Write begins the answer if nothing has.
func (p *proven) Write(b []byte) (int, error) {
	if !p.wrote {
		p.WriteHeader(http.StatusOK)
	}
	return p.ResponseWriter.Write(b)
}

// Unwrap lets the server find its own writer.
func (p *proven) Unwrap() http.ResponseWriter { return p.ResponseWriter }
