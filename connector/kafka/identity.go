package kafka

import (
	"context"
	"log/slog"
	"maps"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/auth/kerberos"
	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
)

// identity is who we are towards a cluster: the certificates and the token
// source that all its connections share, and the credentials with a JAAS line
// read already.
type identity struct {
	sasl   *SASL            // nil without SASL
	tls    *tlsstore.Client // nil without TLS
	tokens auth.TokenSource // nil without tokens
	cached *auth.Cached     // tokens, when they are renewed
	scram  scramKeys

	kerberos *kerberos.Login // nil without GSSAPI
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
	id.sasl = &r
	switch r.mechanism() {
	case MechanismOAuthBearer:
		id.tokens, id.cached = auth.Given{Ready: r.OAuthToken, File: r.OAuthTokenFile, OAuth: &r.OAuth}.Open(name, log)
	case MechanismAWSMSKIAM:
		id.cached = auth.NewCached(r.awsSource(s), auth.CacheOptions{Name: name, Log: log})
		id.tokens = id.cached
	case MechanismGSSAPI:
		id.kerberos = kerberos.New(r.kerberos())
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
	return &sarama.AccessToken{Token: tok.Value.Reveal(), Extensions: maps.Clone(id.sasl.OAuthExtensions)}, nil
}

// late is what to say when a cluster could not be opened in time: that nothing
// answers there, unless a token is waited for.
func (c *Cluster) late(nobody error) error {
	if cached := c.identity.cached; cached != nil && cached.Waiting() {
		if url := c.identity.sasl.OAuth.TokenURL; url != "" {
			return connector.Errorf(connector.Unavailable, "connecting to the cluster %s: no token in time from %s; look into the log of the identity provider, and at what stands before it", c.name, auth.RedactURL(url))
		}
		return connector.Errorf(connector.Unavailable, "connecting to the cluster %s: no answer in time from Amazon, whom the token is signed for; check the AWS credentials and the network", c.name)
	}
	return nobody
}

func (id *identity) collectors() []prometheus.Collector {
	if id.cached == nil {
		return nil
	}
	return []prometheus.Collector{id.cached}
}

func (id *identity) close() error {
	if id.kerberos != nil {
		id.kerberos.Close()
	}
	if id.cached == nil {
		return nil
	}
	return id.cached.Close()
}

var _ connector.Validator = (*Settings)(nil)
