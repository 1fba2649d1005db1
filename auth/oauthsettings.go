package auth

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
)

// OAuthSettings are the oauth_ keys with which a connection asks for tokens,
// the same for every protocol.
type OAuthSettings struct {
	TokenURL         string                      `mapstructure:"oauth_token_url" doc:"token endpoint"`
	ClientID         string                      `mapstructure:"oauth_client_id" doc:"client id"`
	ClientSecret     connector.Secret            `mapstructure:"oauth_client_secret" reread:"oauth_client_secret_file" doc:"client secret; a ${file:…} is read again at each token request"`
	ClientSecretFile string                      `mapstructure:"oauth_client_secret_file" path:"file" doc:"file with the client secret, read again at each token request"`
	Scope            string                      `mapstructure:"oauth_scope" doc:"scope to ask for"`
	Audience         string                      `mapstructure:"oauth_audience" doc:"audience to ask for"`
	Params           map[string]connector.Secret `mapstructure:"oauth_params" doc:"further form fields of the token request"`
	CAFile           string                      `mapstructure:"oauth_cafile" path:"file" doc:"PEM file (or PKCS12 or JKS store) of the CAs of the token endpoint; default the system's"`
	CAPassword       connector.Secret            `mapstructure:"oauth_ca_password" doc:"password of oauth_cafile when that is a PKCS12 or JKS store"`
	ClientAuth       string                      `mapstructure:"oauth_client_auth" enum:"post,basic,private_key_jwt,mtls" doc:"how the client proves itself to the token endpoint; default post"`
	CertFile         string                      `mapstructure:"oauth_certfile" path:"file" doc:"PEM client certificate for oauth_client_auth mtls"`
	KeyFile          string                      `mapstructure:"oauth_keyfile" path:"file" doc:"PEM key for oauth_client_auth mtls or private_key_jwt"`
	KeyPassword      connector.Secret            `mapstructure:"oauth_key_password" doc:"password of oauth_keyfile"`
	KeyID            string                      `mapstructure:"oauth_key_id" doc:"kid of the signed assertion of private_key_jwt"`
	SigningAlgorithm string                      `mapstructure:"oauth_signing_algorithm" enum:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA" doc:"algorithm of private_key_jwt; default by the key"`
	AssertionFile    string                      `mapstructure:"oauth_assertion_file" path:"file" doc:"file with a client assertion (a workload token), read again at each refresh"`
	SubjectTokenFile string                      `mapstructure:"oauth_subject_token_file" path:"file" doc:"file with a token to exchange (RFC 8693), read again at each refresh"`
	SubjectTokenType string                      `mapstructure:"oauth_subject_token_type" doc:"type URN of that token; default urn:ietf:params:oauth:token-type:jwt"`
	AllowPlainHTTP   bool                        `mapstructure:"oauth_allow_plain_http" doc:"allow an http:// token URL that is not on this machine"`
	RefreshBefore    *connector.Duration         `mapstructure:"oauth_refresh_before" doc:"how long before its end a token is renewed; default 60s, never more than a fifth of its life"`
}

// DefaultRefreshBefore is how long before its end a token is renewed.
const DefaultRefreshBefore = defaultBefore

// Config is what the settings ask a token source to do.
func (s *OAuthSettings) Config() OAuthConfig {
	cfg := OAuthConfig{
		TokenURL: s.TokenURL, ClientID: s.ClientID, ClientSecret: s.ClientSecret, ClientSecretFile: s.ClientSecretFile,
		ClientAuth: s.clientAuth(), Scope: s.Scope, Audience: s.Audience, Params: s.Params,
		AssertionFile:    s.AssertionFile,
		SubjectTokenFile: s.SubjectTokenFile, SubjectTokenType: s.SubjectTokenType,
		SigningKeyID: s.KeyID, SigningAlgorithm: s.SigningAlgorithm,
	}
	if cfg.ClientAuth == PrivateKeyJWT {
		cfg.SigningKeyFile, cfg.SigningKeyPassword = s.KeyFile, s.KeyPassword
	}
	var trust *tlsstore.Store
	if s.CAFile != "" {
		trust = &tlsstore.Store{Location: s.CAFile, Password: s.CAPassword.Reveal()}
	}
	if key := s.identity(); trust != nil || key != nil {
		cfg.TLS = tlsstore.NewClient(trust, key, true)
	}
	return cfg
}

// Before is how long before its end a token is renewed.
func (s *OAuthSettings) Before() time.Duration {
	if s.RefreshBefore == nil {
		return DefaultRefreshBefore
	}
	return time.Duration(*s.RefreshBefore)
}

func (s *OAuthSettings) hasSecret() bool { return s.ClientSecret != "" || s.ClientSecretFile != "" }

func (s *OAuthSettings) identity() *tlsstore.Store {
	if s.CertFile == "" {
		return nil
	}
	return &tlsstore.Store{Kind: tlsstore.PEM, Location: s.CertFile, KeyLocation: s.KeyFile, KeyPassword: s.KeyPassword.Reveal()}
}

func (s *OAuthSettings) clientAuth() ClientAuth {
	if a := strings.ToLower(strings.TrimSpace(s.ClientAuth)); a != "" {
		return ClientAuth(a)
	}
	return ClientSecretPost
}

// inlineKeys are the keys that take the text itself of what a file would hold.
var inlineKeys = map[string]string{"oauth_client_secret_file": "oauth_client_secret"}

// Faults reports everything that is wrong without reading a file. at stands
// before each key, such as "sasl_config.".
func (s *OAuthSettings) Faults(at string) []connector.Fault {
	f := &faults{}
	*f = connector.PathFaults(s, at, inlineKeys)
	if s.TokenURL == "" {
		f.add(at+"oauth_token_url", "is required to ask for a token")
	} else {
		s.validateTokenURL(f, at)
	}
	if s.ClientID == "" && s.AssertionFile == "" && s.SubjectTokenFile == "" {
		f.add(at+"oauth_client_id", "is required to ask for a token")
	}
	s.validateClientAuth(f, at)
	if s.RefreshBefore != nil && time.Duration(*s.RefreshBefore) > time.Hour {
		f.add(at+"oauth_refresh_before", "must be at most 1h")
	}
	if s.SubjectTokenType != "" && s.SubjectTokenFile == "" {
		f.add(at+"oauth_subject_token_file", "is missing; oauth_subject_token_type says what it holds")
	}
	for k := range s.Params {
		if own := map[string]string{"scope": s.Scope, "audience": s.Audience}[k]; own != "" {
			f.add(at+"oauth_params", "%s is given by oauth_%s too; keep one of them", k, k)
		}
		if slices.Contains([]string{"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type"}, k) {
			f.add(at+"oauth_params", "%s is set by its own key and cannot be given here", k)
		}
	}
	return *f
}

func (s *OAuthSettings) validateTokenURL(f *faults, at string) {
	u, err := url.Parse(s.TokenURL)
	switch {
	case err != nil || u.Host == "":
		f.add(at+"oauth_token_url", "is not a URL; write it like https://id.example.com/realms/r/protocol/openid-connect/token")
	case u.User != nil:
		f.add(at+"oauth_token_url", "carries a user name; use oauth_client_id and oauth_client_secret")
	case u.Scheme == "http" && !Loopback(u.Host) && !s.AllowPlainHTTP:
		f.add(at+"oauth_token_url", "is plain http, so the client secret can be read on the way; use https, or allow it with oauth_allow_plain_http: true")
	case u.Scheme != "http" && u.Scheme != "https":
		f.add(at+"oauth_token_url", "must start with https://")
	case s.CAPassword != "" && s.CAFile == "":
		f.add(at+"oauth_ca_password", "is the password of oauth_cafile, which is missing")
	case u.Scheme == "http" && s.CAFile != "":
		f.add(at+"oauth_cafile", "has no effect with a plain http token URL; use https or remove it")
	case u.Scheme == "http" && s.clientAuth() == MutualTLS:
		f.add(at+"oauth_client_auth", "mtls needs an https token URL")
	}
}

func (s *OAuthSettings) validateClientAuth(f *faults, at string) {
	a := s.clientAuth()
	switch a {
	case ClientSecretPost, ClientSecretBasic:
		proven := s.AssertionFile != "" || s.SubjectTokenFile != ""
		if !s.hasSecret() && !proven {
			f.add(at+"oauth_client_secret", "is required; or give oauth_assertion_file, or another oauth_client_auth")
		}
		if s.hasSecret() && s.AssertionFile != "" {
			f.add(at+"oauth_assertion_file", "cannot be given together with oauth_client_secret; keep one of them")
		}
		if a == ClientSecretBasic && s.AssertionFile != "" {
			f.add(at+"oauth_client_auth", "basic sends a secret, but oauth_assertion_file is given; remove one of them")
		}
	case PrivateKeyJWT:
		if s.KeyFile == "" && s.AssertionFile == "" {
			f.add(at+"oauth_keyfile", "is required for oauth_client_auth private_key_jwt")
		}
		if s.KeyFile != "" && s.AssertionFile != "" {
			f.add(at+"oauth_assertion_file", "cannot be given together with oauth_keyfile for private_key_jwt; keep one of them")
		}
	case MutualTLS:
		if s.CertFile == "" {
			f.add(at+"oauth_certfile", "is required for oauth_client_auth mtls")
		}
	default:
		f.add(at+"oauth_client_auth", "%s is not a way to authenticate; use post, basic, private_key_jwt or mtls", redact.Quote(s.ClientAuth))
		return
	}
	if (a == PrivateKeyJWT || a == MutualTLS) && s.hasSecret() {
		f.add(at+"oauth_client_secret", "is not used with oauth_client_auth %s; remove it", a)
	}
	if a == ClientSecretPost || a == ClientSecretBasic {
		if s.KeyFile != "" {
			f.add(at+"oauth_keyfile", "is used with oauth_client_auth private_key_jwt or mtls only")
		}
	}
	if s.CertFile != "" && a != MutualTLS {
		f.add(at+"oauth_certfile", "is used with oauth_client_auth mtls only")
	}
	if !slices.Contains([]string{"", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}, s.SigningAlgorithm) {
		f.add(at+"oauth_signing_algorithm", "%s is not an algorithm; use RS256, PS256, ES256 or EdDSA, or leave it to the key", redact.Quote(s.SigningAlgorithm))
	}
}

// CheckFiles reads the files that the settings name and reports each that is of
// no use. Call it after Faults found nothing.
func (s *OAuthSettings) CheckFiles(at string) []connector.Fault {
	f := &faults{}
	for key, path := range map[string]string{"oauth_assertion_file": s.AssertionFile, "oauth_subject_token_file": s.SubjectTokenFile} {
		if path == "" {
			continue
		}
		if _, err := readToken(path); err != nil {
			f.add(at+key, "%s", err)
		}
	}
	if s.ClientSecretFile != "" {
		switch secret, err := readSecret(s.ClientSecretFile); {
		case err != nil:
			f.add(at+"oauth_client_secret_file", "%s", err)
		case s.ClientSecret != "" && s.ClientSecret.Reveal() != secret: // otherwise it came from there
			f.add(at+"oauth_client_secret_file", "cannot be given together with oauth_client_secret; keep one of them")
		}
	}
	if s.CAFile != "" {
		if _, err := (&tlsstore.Store{Location: s.CAFile, Password: s.CAPassword.Reveal()}).Trusted(); err != nil {
			f.add(at+"oauth_cafile", "%s", err)
		}
	}
	if k := s.identity(); k != nil {
		if _, err := k.Identity(); err != nil {
			f.add(at+"oauth_certfile", "%s", err)
		}
	} else if s.KeyFile != "" {
		if _, err := tlsstore.ReadKey(s.KeyFile, s.KeyPassword.Reveal()); err != nil {
			f.add(at+"oauth_keyfile", "%s", err)
		}
	}
	return *f
}

// Loopback reports whether an address, with or without port, or a host name can
// only mean this machine.
func Loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// faults collects what is wrong.
type faults []connector.Fault

func (f *faults) add(path, format string, args ...any) {
	*f = append(*f, connector.Fault{Path: path, Message: fmt.Sprintf(format, args...)})
}
