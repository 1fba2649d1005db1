package kafka

import (
	"context"
	"log/slog"
	"maps"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
)

// identity is who we are towards a cluster: the certificates and the token
// source that all its connections share.
type identity struct {
	tls        *tlsstore.Client // nil without TLS
	tokens     auth.TokenSource // nil without tokens
	cached     *auth.Cached     // tokens, when they are renewed
	extensions map[string]string
	scram      scramKeys
}

// tokenWait bounds the wait for a token while a connection is made.
const tokenWait = 12 * time.Second

func newIdentity(name string, s *Settings, log *slog.Logger) (*identity, error) {
	id := &identity{tls: s.tlsClient()}
	if !s.UsesSASL() || s.SASL == nil {
		return id, nil
	}
	r, faults := s.SASL.resolve()
	if err := invalid("reading sasl_config", faults); err != nil {
		return nil, err
	}
	switch r.mechanism() {
	case MechanismOAuthBearer:
		id.extensions = maps.Clone(r.OAuthExtensions)
		if r.OAuthToken != "" {
			id.tokens = auth.Static(r.OAuthToken)
			return id, nil
		}
		if r.OAuthTokenFile != "" {
			id.tokens = auth.File(r.OAuthTokenFile)
			return id, nil
		}
		id.cached = r.tokenSource(name, log)
	case MechanismAWSMSKIAM:
		id.cached = auth.NewCached(r.awsSource(s), auth.CacheOptions{Name: name, Log: log})
	}
	if id.cached != nil {
		id.tokens = id.cached
	}
	return id, nil
}

// Token implements sarama.AccessTokenProvider. The library calls it while it
// opens or re-authenticates a connection, without a context.
func (id *identity) Token() (*sarama.AccessToken, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tokenWait)
	defer cancel()
	tok, err := id.tokens.Token(ctx)
	if err != nil {
		return nil, err
	}
	return &sarama.AccessToken{Token: tok.Value.Reveal(), Extensions: maps.Clone(id.extensions)}, nil
}

func (id *identity) collectors() []prometheus.Collector {
	if id.cached == nil {
		return nil
	}
	return []prometheus.Collector{id.cached}
}

func (id *identity) close() error {
	if id.cached == nil {
		return nil
	}
	return id.cached.Close()
}

// tokenSource asks the token endpoint, and renews what it gave.
func (s *SASL) tokenSource(name string, log *slog.Logger) *auth.Cached {
	o := &s.OAuth
	return auth.NewCached(auth.NewOAuth(o.Config()), auth.CacheOptions{Name: name, RefreshBefore: o.Before(), Log: log})
}

// TokenSource returns a source for the identity that sasl_config describes, so
// that a Schema Registry or an HTTP source can use the same one; ok is false
// when it has none. The caller closes it.
func (s *Settings) TokenSource(name string, log *slog.Logger) (src *auth.Cached, ok bool) {
	if s.SASL == nil {
		return nil, false
	}
	r, faults := s.SASL.resolve()
	if len(faults) > 0 || r.mechanism() != MechanismOAuthBearer || r.OAuth.TokenURL == "" {
		return nil, false
	}
	return r.tokenSource(name, log), true
}

var _ connector.Validator = (*Settings)(nil)
