package embedded

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// IssuerConfig says what issuer to start.
type IssuerConfig struct {
	Realm     *Realm                  // nil means DefaultRealm
	Port      int                     // on 127.0.0.1; 0 means a free one
	Algorithm jose.SignatureAlgorithm // ES256 (the default: its keys are made at once) or RS256 (Keycloak's default)
	TLS       *tls.Config             // https instead of http
}

// Faults makes the issuer fail, so that clients can be tried against it. The
// zero value is an issuer in order.
type Faults struct {
	Expired       bool          // tokens ended an hour ago
	WrongAudience bool          // tokens are for somebody else
	UnknownKey    bool          // tokens are signed with a key that is not published
	Delay         time.Duration // the token endpoint takes its time
	ServerError   bool          // the token endpoint answers 500
	KeysError     bool          // the endpoint of the keys answers 500
}

// Issuer is a running OpenID Connect issuer with Keycloak's paths. Its methods
// are safe for concurrent use.
type Issuer struct {
	realm    *Realm
	base     string
	keys     *keyring
	faults   atomic.Pointer[Faults]
	requests atomic.Int64
	replays  replays

	server *http.Server
	ctx    context.Context // ends with the issuer
	stop   context.CancelFunc
	served sync.WaitGroup
}

// StartIssuer starts an issuer and returns when it can be reached.
func StartIssuer(cfg IssuerConfig) (*Issuer, error) {
	if cfg.Realm == nil {
		cfg.Realm = DefaultRealm()
	}
	if err := cfg.Realm.check(); err != nil {
		return nil, fmt.Errorf("starting the embedded issuer: %w", err)
	}
	keys, err := newKeyring(cfg.Algorithm)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded issuer: %w", err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.Port)))
	if err != nil {
		return nil, fmt.Errorf("starting the embedded issuer: %w", err)
	}
	i := &Issuer{realm: cfg.Realm, base: "http://" + listener.Addr().String(), keys: keys}
	if cfg.TLS != nil {
		i.base = "https://" + listener.Addr().String()
		listener = tls.NewListener(listener, cfg.TLS)
	}
	i.faults.Store(new(Faults))
	i.ctx, i.stop = context.WithCancel(context.Background())
	i.server = &http.Server{
		Handler:           i.routes(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    64 << 10,
	}
	i.served.Go(func() { _ = i.server.Serve(listener) }) // returns when Close ends it
	return i, nil
}

func (i *Issuer) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /realms/{realm}/.well-known/openid-configuration", i.inRealm(i.discovery))
	mux.HandleFunc("GET /realms/{realm}/protocol/openid-connect/certs", i.inRealm(i.certs))
	mux.HandleFunc("POST /realms/{realm}/protocol/openid-connect/token", i.inRealm(i.token))
	return mux
}

func (i *Issuer) inRealm(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("realm") != i.realm.Name {
			reply(w, http.StatusNotFound, map[string]any{"error": "Realm does not exist"})
			return
		}
		next(w, r)
	}
}

// URL is the issuer's name, the iss of its tokens.
func (i *Issuer) URL() string { return i.base + "/realms/" + i.realm.Name }

// TokenURL is the address of the token endpoint.
func (i *Issuer) TokenURL() string { return i.URL() + "/protocol/openid-connect/token" }

// JWKSURL is the address of the published keys.
func (i *Issuer) JWKSURL() string { return i.URL() + "/protocol/openid-connect/certs" }

// Check returns what makes a broker take this issuer's tokens for an audience.
func (i *Issuer) Check(audience string) *OAuthCheck {
	return &OAuthCheck{Issuer: i.URL(), Audience: audience}
}

// TokenRequests counts the requests to the token endpoint, whatever became of
// them.
func (i *Issuer) TokenRequests() int64 { return i.requests.Load() }

// SetFaults makes the issuer fail from now on, and with the zero value stop
// failing.
func (i *Issuer) SetFaults(f Faults) { i.faults.Store(&f) }

// Rotate signs new tokens with a new key. The last two keys before it stay
// published, so that tokens signed with them stay valid.
func (i *Issuer) Rotate() error { return i.keys.rotate() }

// Close ends the issuer and all requests to it. It may be called again.
func (i *Issuer) Close() error {
	i.stop()
	err := i.server.Close()
	i.served.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("closing the embedded issuer: %w", err)
	}
	return nil
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{
		"issuer":                                i.URL(),
		"token_endpoint":                        i.TokenURL(),
		"jwks_uri":                              i.JWKSURL(),
		"authorization_endpoint":                i.URL() + "/protocol/openid-connect/auth",
		"grant_types_supported":                 []string{grantClient, grantPassword, grantExchange},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic", "private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": signatures,
		"id_token_signing_alg_values_supported":            []jose.SignatureAlgorithm{i.keys.algorithm},
		"subject_types_supported":                          []string{"public"},
		"response_types_supported":                         []string{"none"},
	})
}

func (i *Issuer) certs(w http.ResponseWriter, _ *http.Request) {
	if i.faults.Load().KeysError {
		reply(w, http.StatusInternalServerError, map[string]any{"error": "unknown_error"})
		return
	}
	reply(w, http.StatusOK, i.keys.public())
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone if it fails
}
